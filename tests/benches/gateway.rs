//! The cost of the local gateway: creates and pushes per second beside a plain Node server doing the same work,
//! where the time of one `POST /messages` goes, and the memory of idle connections.
//!
//! `cargo bench -p tests --bench gateway`; `--seconds N` measures longer, `--idle N` opens other than 5,000.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod gateway_process;
mod load;
mod node;
mod processes;
mod server_process;

use std::time::Duration;

use load::{Load, Outcome};
use node::Node;
use processes::{Cpu, resident_mb};

const ROUNDS: usize = 3;
const CLIENTS: usize = 8;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match gateway_process::is_asked_for(&arguments) {
        true => gateway_process::serve(),
        false => measure(&arguments),
    }
}

/// On one thread: what the load takes of the machine, the servers have not.
#[tokio::main(flavor = "current_thread")]
async fn measure(arguments: &[String]) {
    let number = |name: &str, otherwise: u64| {
        let place = arguments.iter().position(|argument| argument == name);
        place.and_then(|place| arguments.get(place + 1)?.parse().ok()).unwrap_or(otherwise)
    };
    let load = Load { clients: CLIENTS, duration: Duration::from_secs(number("--seconds", 5)) };
    gateway_process::build_functions();
    let node = Node::start().await;
    let gateway = gateway_process::start().await;

    println!("\nPOST /messages by {CLIENTS} clients, two listeners, every push checked");
    let of_gateway = || Cpu::of_gateway(gateway.pid);
    let of_node = |node: &Node| Cpu::of_node(node.server.pid, node.store_pid());
    let mut rates: Vec<(f64, f64)> = Vec::new();
    for _ in 0..ROUNDS {
        let ours = load_and_print("gateway", gateway.port, &load, of_gateway).await;
        let Some(node) = &node else { continue };
        let theirs = load_and_print("node", node.server.port, &load, || of_node(node)).await;
        rates.push((ours.rate(), theirs.rate()));
    }
    if !rates.is_empty() {
        let mut ratios: Vec<f64> = rates.iter().map(|(ours, theirs)| ours / theirs).collect();
        ratios.sort_by(f64::total_cmp);
        println!("gateway / node: {:.2} (median of {})", ratios[ratios.len() / 2], ratios.len());
    }

    println!("\nOne client at a time");
    let alone = Load { clients: 1, duration: load.duration.min(Duration::from_secs(3)) };
    load_and_print("gateway", gateway.port, &alone, of_gateway).await;
    if let Some(node) = node {
        load_and_print("node", node.server.port, &alone, || of_node(&node)).await;
        node.stop().await;
    }

    let idle = number("--idle", 5000) as usize;
    let before = resident_mb(gateway.pid);
    let open = load::open_idle(gateway.port, idle).await;
    println!(
        "\n{idle} idle connections: {} MB in the gateway ({before} MB without)",
        resident_mb(gateway.pid)
    );
    drop(open);
    gateway.stop().await;
}

async fn load_and_print(name: &str, port: u16, load: &Load, cpu: impl Fn() -> Cpu) -> Outcome {
    let before = cpu();
    let outcome = load.run(port).await;
    println!(
        "  {name:<8} {:>7.0} creates/s {:>7.0} pushes/s   p50 {:.2} ms  p99 {:.2} ms",
        outcome.rate(),
        outcome.rate() * 2.0,
        outcome.percentile(0.5),
        outcome.percentile(0.99),
    );
    cpu().since(&before).print(outcome.created);
    outcome
}
