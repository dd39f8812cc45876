//! The cost of a page of 1,000 messages of one conversation on a cluster of three primaries, beside a single server: how
//! long it takes, in turns, and in how many commands; and what more messages stored do to it.
//!
//! `cargo bench -p tests --bench pages`

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod filling;

use std::time::{Duration, Instant};

use filling::{anybody, fill, user};
use shared::access::{self, MayList};
use shared::store::{Paging, Store};
use support::StoreKind::{Cluster, Single};
use support::TestStore;

const PAGE: usize = 1000;
const STORED: [usize; 2] = [1_000, 100_000];
const ROUNDS: usize = 200;

/// A page on a cluster may take so many times as long as on a single server.
const BOUND: f64 = 1.3;

/// Something else on the machine may spoil a comparison.
const ATTEMPTS: usize = 3;

/// One script reads the index, one the messages.
const COMMANDS: f64 = 2.0;

struct Side {
    name: &'static str,
    servers: TestStore,
    store: Store,
}

impl Side {
    async fn start(name: &'static str, servers: TestStore) -> Self {
        let store = filling::open(servers.url()).await;
        Self { name, servers, store }
    }

    async fn page(&self, permit: &MayList) -> Duration {
        let started = Instant::now();
        let page = self.store.list(permit, Paging::Before(None), PAGE).await.unwrap();
        let took = started.elapsed();
        assert_eq!(page.messages.len(), PAGE);
        took
    }

    /// Scripts that all its servers have run so far; nothing else reads a page.
    async fn commands(&self) -> usize {
        let mut sum = 0;
        for mut node in self.servers.connect_to_all().await {
            let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut node).await.unwrap();
            let calls = info.lines().filter_map(|line| {
                let (command, rest) = line.strip_prefix("cmdstat_eval")?.split_once(":calls=")?;
                assert!(["", "sha"].contains(&command), "{line}");
                rest.split(',').next()?.parse::<usize>().ok()
            });
            sum += calls.sum::<usize>();
        }
        sum
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let sides = [
        Side::start("single", TestStore::start(Single).await).await,
        Side::start("cluster", TestStore::start(Cluster).await).await,
    ];
    let (alice, bob) = (user("alice"), user("bob"));
    let permit = access::may_list(&anybody(), Some(alice.clone()), Some(bob.clone())).unwrap();
    let mut stored = 0;
    for wanted in STORED {
        for side in &sides {
            fill(&side.store, [(alice.clone(), bob.clone())], wanted - stored).await;
            side.page(&permit).await;
        }
        stored = wanted;
        println!("\nA page of {PAGE} of {stored} messages, {ROUNDS} times in turns");
        let mut ratio = f64::INFINITY;
        for _ in 0..ATTEMPTS {
            ratio = compare(&sides, &permit).await;
            if ratio <= BOUND {
                break;
            }
        }
        assert!(ratio <= BOUND, "a page on a cluster may take {BOUND} times as long, not {ratio:.2}");
    }
}

/// How many times as long as on the first side a page takes on the second, by their medians.
async fn compare(sides: &[Side; 2], permit: &MayList) -> f64 {
    let mut times = [const { Vec::new() }; 2];
    let before = [sides[0].commands().await, sides[1].commands().await];
    for _ in 0..ROUNDS {
        for (times, side) in times.iter_mut().zip(sides) {
            times.push(side.page(permit).await.as_secs_f64() * 1000.0);
        }
    }
    let mut medians = Vec::new();
    for ((times, side), before) in times.iter_mut().zip(sides).zip(before) {
        let commands = (side.commands().await - before) as f64 / ROUNDS as f64;
        times.sort_by(f64::total_cmp);
        let (p50, p99) = (times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
        println!("  {:<8} p50 {p50:.2} ms  p99 {p99:.2} ms  {commands} commands", side.name);
        assert!((commands - COMMANDS).abs() < f64::EPSILON, "a page is read in {COMMANDS} commands");
        medians.push(p50);
    }
    let ratio = medians[1] / medians[0];
    println!("  cluster / single: {ratio:.2}");
    ratio
}
