//! The time of a page of 50 of 10,000 conversations with few and with many messages stored: the ratio is what counts.
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

    let started = Instant::now();
    for (key, conversations, messages) in
        [("few", 1_000, 1_000), ("thin", CONVERSATIONS, CONVERSATIONS), ("thick", CONVERSATIONS, most)]
    {
        bench.send(&user(key), 0..messages, conversations).await;
    }
    println!("stored {} messages ({:.0} s)", most + CONVERSATIONS + 1_000, started.elapsed().as_secs_f64());
    let [few, thin, thick] = bench.measure(["few", "thin", "thick"].map(user)).await;
    println!("1,000 conversations of one message:    p50 {few:.2} ms");
    println!("{CONVERSATIONS} conversations of one message:    p50 {thin:.2} ms");
    println!("{CONVERSATIONS} conversations, {most} messages: p50 {thick:.2} ms");
    println!("{most} messages / 1,000: {:.2}", thick / few);
    println!("{most} messages / {CONVERSATIONS}: {:.2}", thick / thin);
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

    /// The median of what the first page of each of these users took, in milliseconds. They take turns, so that what
    /// else the machine does is in all of them.
    async fn measure(&self, users: [UserKey; 3]) -> [f64; 3] {
        let permits = users.map(|user| access::own(&self.anybody, Some(user)).unwrap());
        let mut took: [Vec<Duration>; 3] = Default::default();
        for _ in 0..PAGES {
            for (permit, took) in permits.iter().zip(&mut took) {
                let started = Instant::now();
                let page = self.store.conversations(permit, None, PAGE).await.unwrap();
                took.push(started.elapsed());
                assert_eq!(page.conversations.len(), PAGE);
            }
        }
        took.map(|mut took| {
            took.sort_unstable();
            took[PAGES / 2].as_secs_f64() * 1000.0
        })
    }
}

fn user(key: &str) -> UserKey {
    UserKey::try_from(key.to_owned()).unwrap()
}
