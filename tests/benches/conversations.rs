//! What a page of 50 of 10,000 conversations takes with few and with many messages stored: the ratio is what counts.
//!
//! `cargo bench -p tests --bench conversations`; `--messages N` stores other than 1,000,000.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use lambda_http::http::Request;
use shared::access;
use shared::config::Config;
use shared::identity::Principal;
use shared::ids::UserKey;
use shared::message::{Content, Draft};
use shared::store::Store;
use support::{StoreKind, TestStore};

const CONVERSATIONS: usize = 10_000;
const PAGE: usize = 50;
const PAGES: usize = 500;
/// Sends under way at once.
const SENDERS: usize = 64;

struct Bench {
    store: Store,
    anybody: Principal,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let place = arguments.iter().position(|argument| argument == "--messages");
    let most = place.and_then(|place| arguments.get(place + 1)?.parse().ok()).unwrap_or(1_000_000);
    let servers = TestStore::start(StoreKind::Single).await;
    let config = Config::read(|name| {
        let value = match name {
            "REDIS_URL" => servers.url(),
            "MANAGEMENT_ENDPOINT" => "http://localhost",
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "test",
            "ALLOW_ANONYMOUS" => "true",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap();
    let anybody = Principal::from_request(&Request::new(lambda_http::Body::Empty), &config).unwrap();
    let bench = Bench { store: Store::open(&config).await.unwrap(), anybody };

    let (few, many) = (user("few"), user("many"));
    bench.send(&few, 0..1_000, 1_000).await;
    bench.send(&many, 0..CONVERSATIONS, CONVERSATIONS).await;
    // Measured in turn with the larger one, so that what else the machine does is in both.
    let few = bench.measure(&few, "1,000 conversations of one message").await;
    let thin = bench.measure(&many, "10,000 conversations of one message").await;
    let started = Instant::now();
    bench.send(&many, CONVERSATIONS..most, CONVERSATIONS).await;
    println!("stored {most} messages ({:.0} s)", started.elapsed().as_secs_f64());
    let thick = bench.measure(&many, &format!("10,000 conversations, {most} messages")).await;
    println!("{most} / 1,000 messages: {:.2}", thick / few);
    println!("{most} / {CONVERSATIONS} messages: {:.2}", thick / thin);
}

impl Bench {
    /// Messages to a user, the peers taking turns.
    async fn send(&self, receiver: &UserKey, numbers: std::ops::Range<usize>, peers: usize) {
        let sending = stream::iter(numbers).for_each_concurrent(SENDERS, async |number| {
            let draft = Draft {
                content: Content::parse(Some("What time shall we meet tomorrow?".to_owned()), "content")
                    .unwrap(),
                client_id: None,
                metadata: None,
            };
            let sender = user(&format!("peer-{}", number % peers));
            let permit = access::may_send(&self.anybody, Some(sender), receiver.clone(), draft).unwrap();
            self.store.create(permit).await.unwrap();
        });
        sending.await;
    }

    /// Prints what the first pages took; returns the median in milliseconds.
    async fn measure(&self, of: &UserKey, what: &str) -> f64 {
        let permit = access::own(&self.anybody, Some(of.clone())).unwrap();
        let mut took: Vec<Duration> = Vec::with_capacity(PAGES);
        for _ in 0..PAGES {
            let started = Instant::now();
            let page = self.store.conversations(&permit, None, PAGE).await.unwrap();
            took.push(started.elapsed());
            assert_eq!(page.conversations.len(), PAGE);
        }
        took.sort_unstable();
        let at = |part: f64| took[(PAGES as f64 * part) as usize].as_secs_f64() * 1000.0;
        println!("{what}: p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99));
        at(0.5)
    }
}

fn user(key: &str) -> UserKey {
    UserKey::try_from(key.to_owned()).unwrap()
}
