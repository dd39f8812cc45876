//! The time of a page of 50 of 10,000 conversations, with few and with many messages stored, of which nothing is read or
//! all: the ratio is what counts.
//!
//! `cargo bench -p tests --bench conversations`; `--messages N` stores other than 1,000,000.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod arguments;
#[allow(dead_code, reason = "other benchmarks fill conversations evenly")]
mod filling;

use std::time::{Duration, Instant};

use filling::{anybody, send, user};
use futures_util::{StreamExt as _, stream};
use shared::access::{self, Own};
use shared::ids::{MessageId, UserKey};
use shared::store::Store;
use support::{StoreKind, TestStore};

const CONVERSATIONS: usize = 10_000;
const PAGE: usize = 50;
const PAGES: usize = 500;

/// Marks under way at once.
const CONCURRENCY: usize = 64;

/// A page may take so many times as long with all messages stored as with 1,000.
const BOUND: f64 = 1.2;

/// Something else on the machine may spoil a comparison.
const ATTEMPTS: usize = 3;

struct Bench {
    store: Store,
    /// Users with 1,000 conversations of one message, 10,000 of one message, and 10,000 of many.
    readers: [Own; 3],
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let most = arguments::value(&arguments, "--messages").unwrap_or(1_000_000);
    let servers = TestStore::start(StoreKind::Single).await;
    let readers = ["few", "thin", "thick"].map(user);
    let permits = readers.clone().map(|reader| access::own(&anybody(), Some(reader)).unwrap());
    let bench = Bench { store: filling::open(servers.url()).await, readers: permits };
    let peers: Vec<_> = (0..CONVERSATIONS).map(|number| user(format!("peer-{number}"))).collect();

    let started = Instant::now();
    let sizes = [(1_000, 1_000), (CONVERSATIONS, CONVERSATIONS), (CONVERSATIONS, most)];
    for (reader, (conversations, messages)) in readers.iter().zip(sizes) {
        let senders = peers[..conversations].iter().cycle().take(messages);
        send(&bench.store, senders.map(|sender| (sender, reader))).await;
    }
    println!("stored {} messages ({:.0} s)", most + CONVERSATIONS + 1_000, started.elapsed().as_secs_f64());
    bench.compare(most, "none read").await;
    for (permit, (conversations, _)) in bench.readers.iter().zip(sizes) {
        bench.read(permit, &peers[..conversations]).await;
    }
    bench.compare(most, "all read").await;
}

impl Bench {
    /// Reads everything in these conversations.
    async fn read(&self, reader: &Own, peers: &[UserKey]) {
        let newest = MessageId::parse("ffffffff-ffff-7fff-bfff-ffffffffffff").unwrap();
        let marking = stream::iter(peers).for_each_concurrent(CONCURRENCY, async |peer| {
            assert_eq!(self.store.mark_read(reader, peer, newest).await.unwrap().unread, 0);
        });
        marking.await;
    }

    async fn compare(&self, most: usize, what: &str) {
        let mut ratio = f64::INFINITY;
        for _ in 0..ATTEMPTS {
            let [few, thin, thick] = self.measure().await;
            ratio = thick / few;
            println!("\n{what}, p50 of a page of {PAGE}");
            println!("  1,000 conversations of one message     {few:.2} ms");
            println!("  {CONVERSATIONS} conversations of one message    {thin:.2} ms");
            println!("  {CONVERSATIONS} conversations, {most} messages {thick:.2} ms");
            println!("  {most} messages / 1,000: {ratio:.2}, at most {BOUND}");
            if ratio <= BOUND {
                break;
            }
        }
        assert!(ratio <= BOUND, "a page may take {BOUND} times as long, not {ratio:.2}");
    }

    /// The median of what the first page of each reader took, in milliseconds. They take turns, so that what else the
    /// machine does is in all of them.
    async fn measure(&self) -> [f64; 3] {
        let mut took: [Vec<Duration>; 3] = Default::default();
        for _ in 0..PAGES {
            for (reader, took) in self.readers.iter().zip(&mut took) {
                let started = Instant::now();
                let page = self.store.conversations(reader, None, PAGE).await.unwrap();
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
