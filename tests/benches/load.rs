//! Sustained load: creates without pause, pushed to 2, 100 and 1,000 listeners, with the store on one server and on a
//! cluster of three: how many a second, their times, errors, and whether gateway and functions keep growing.
//!
//! `cargo bench -p tests --bench load`; `--seconds N` loads other than 20 s each, `--full` 10 minutes each.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod arguments;
#[allow(dead_code, reason = "other benchmarks ring and open idle connections")]
mod clients;
mod creates;
mod gateway_process;
#[allow(dead_code, reason = "another benchmark measures other servers")]
mod processes;
mod server_process;

use std::time::Duration;

use clients::Wire;
use creates::{Load, Outcome};
use processes::{Cpu, resident_mb, resident_mb_of_functions};
use server_process::ServerProcess;
use support::StoreKind::{Cluster, Single};
use support::TestStore;

const CLIENTS: usize = 8;
const LISTENERS: [usize; 3] = [2, 100, 1_000];

/// The part of a load after which nothing should grow any more.
const SETTLED: f64 = 0.25;

/// Memory may be so many times what it was when the load had settled, and a few megabytes more.
const GROWTH: f64 = 1.1;
const SLACK_MB: f64 = 3.0;

/// The memory of a gateway and of its functions.
#[derive(Clone, Copy)]
struct Memory {
    gateway: u64,
    functions: u64,
    processes: usize,
}

impl Memory {
    fn of(gateway: &ServerProcess) -> Self {
        let (functions, processes) = resident_mb_of_functions(gateway.pid);
        Self { gateway: resident_mb(gateway.pid), functions, processes }
    }

    fn has_grown_since(&self, before: &Self) -> bool {
        let grown = |now: f64, before: f64| now > before * GROWTH + SLACK_MB;
        // More instances are no growth of any of them.
        let each = |memory: &Self| memory.functions as f64 / memory.processes.max(1) as f64;
        grown(self.gateway as f64, before.gateway as f64) || grown(each(self), each(before))
    }
}

fn main() {
    gateway_process::serve_or(measure);
}

#[tokio::main(flavor = "current_thread")]
async fn measure(arguments: &[String]) {
    let seconds = arguments::value(arguments, "--seconds");
    let is_full = arguments.iter().any(|argument| argument == "--full");
    let duration = Duration::from_secs(seconds.unwrap_or(if is_full { 600 } else { 20 }));
    gateway_process::build_functions();
    println!("\nPOST /messages by {CLIENTS} clients for {} s, every push checked", duration.as_secs());
    // Servers stay until the end: one that ends meanwhile would take its CPU time out of the sums.
    let mut stores = Vec::new();
    for listeners in LISTENERS {
        let load = Load { clients: CLIENTS, listeners, duration };
        let mut outcomes = Vec::new();
        for (name, kind) in [("one server", Single), ("three nodes", Cluster)] {
            let store = TestStore::start(kind).await;
            outcomes.push(measure_one(name, &store, &load).await);
            stores.push(store);
        }
        let [one, three] = [&outcomes[0], &outcomes[1]];
        let ratio = three.rate() / one.rate();
        let p99 = three.answered.percentile(0.99) / one.answered.percentile(0.99);
        println!("  three nodes / one server, {listeners} listeners: creates/s {ratio:.2}, p99 {p99:.2}");
    }
}

async fn measure_one(name: &str, store: &TestStore, load: &Load) -> Outcome {
    let gateway = gateway_process::start(Some(store.url())).await;
    let cpu = || Cpu::of_gateway(gateway.pid, std::process::id());
    let before = cpu();
    let settled = async {
        tokio::time::sleep(load.duration.mul_f64(SETTLED)).await;
        Memory::of(&gateway)
    };
    let (outcome, settled) = tokio::join!(load.run(gateway.port, Wire::Plain), settled);
    let now = Memory::of(&gateway);
    let [p50, p95, p99, p999] = [0.5, 0.95, 0.99, 0.999].map(|part| outcome.answered.percentile(part));
    println!(
        "  {name}, {} listeners: {:.0} creates/s, answer p50 {p50:.2} p95 {p95:.2} p99 {p99:.2} p99.9 {p999:.2} ms, \
         on the device p50 {:.2} p99 {:.2} ms, errors {}",
        load.listeners,
        outcome.rate(),
        outcome.delivered.percentile(0.5),
        outcome.delivered.percentile(0.99),
        outcome.errors.values().sum::<usize>(),
    );
    let verdict = if now.has_grown_since(&settled) { "over" } else { "ok" };
    println!(
        "           memory: gateway {} to {} MB, functions {} MB of {} to {} MB of {}: {verdict}",
        settled.gateway, now.gateway, settled.functions, settled.processes, now.functions, now.processes
    );
    cpu().since(&before).print(outcome.created);
    gateway.stop().await;
    outcome
}
