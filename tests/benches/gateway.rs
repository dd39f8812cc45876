//! The cost of the local gateway, beside plain Node servers doing the same work: creates and pushes per second, the time
//! until a message is on the other device and until it rings, where the time of one `POST /messages` goes, and the
//! memory of idle connections.
//!
//! `cargo bench -p tests --bench gateway`; `--seconds N` measures longer, `--idle N` opens other than 5,000.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod arguments;
mod clients;
mod creates;
mod gateway_process;
mod node;
#[allow(dead_code, reason = "another benchmark looks at the memory of functions")]
mod processes;
mod reaching;
mod server_process;

use std::time::Duration;

use clients::{Wire, open_idle};
use creates::{Load, Outcome};
use node::Node;
use processes::{Cpu, resident_mb};
use server_process::ServerProcess;

const ROUNDS: usize = 3;
const CLIENTS: usize = 8;
const RINGS: usize = 300;

/// The gateway beside each of the others: creates per second, and the 99th percentile of their answers.
const EXPECTED: &str =
    "expected: creates/s 1.2 and p99 0.7 beside node and socket.io, creates/s 1.0 beside the least";

struct Server {
    name: &'static str,
    wire: Wire,
    port: u16,
    cpu: Box<dyn Fn() -> Cpu>,
}

impl Server {
    fn of_gateway(gateway: &ServerProcess) -> Self {
        let pid = gateway.pid;
        let cpu = Box::new(move || Cpu::of_gateway(pid, pid));
        Self { name: "gateway", wire: Wire::Plain, port: gateway.port, cpu }
    }

    fn of_node(node: &Node) -> Self {
        let (pid, store) = (node.server.pid, node.store_pid);
        let cpu = Box::new(move || Cpu::of_node(pid, store));
        Self { name: node.name, wire: node.wire, port: node.server.port, cpu }
    }

    async fn load_and_print(&self, load: &Load) -> Outcome {
        let before = (self.cpu)();
        let outcome = load.run(self.port, self.wire).await;
        assert!(outcome.errors.is_empty(), "{}: {:?}", self.name, outcome.errors);
        println!(
            "  {:<12}{:>6.0} creates/s {:>6.0} pushes/s  answer p50 {:.2} p99 {:.2} ms  on the device p50 {:.2} \
             p99 {:.2} ms",
            self.name,
            outcome.rate(),
            outcome.rate() * 2.0,
            outcome.answered.percentile(0.5),
            outcome.answered.percentile(0.99),
            outcome.delivered.percentile(0.5),
            outcome.delivered.percentile(0.99),
        );
        (self.cpu)().since(&before).print(outcome.created);
        outcome
    }
}

fn main() {
    gateway_process::serve_or(measure);
}

/// On one thread: what the load takes of the machine, the servers have not.
#[tokio::main(flavor = "current_thread")]
async fn measure(arguments: &[String]) {
    let number = |name: &str, otherwise: u64| arguments::value(arguments, name).unwrap_or(otherwise);
    let duration = Duration::from_secs(number("--seconds", 4));
    let load = Load { clients: CLIENTS, listeners: 2, duration };
    gateway_process::build_functions();
    let nodes = Node::start_all().await;
    let gateway = gateway_process::start(None).await;
    let servers: Vec<_> =
        std::iter::once(Server::of_gateway(&gateway)).chain(nodes.iter().map(Server::of_node)).collect();

    println!("\nPOST /messages by {CLIENTS} clients, two listeners, every push checked");
    let mut rounds: Vec<Vec<Outcome>> = Vec::new();
    for _ in 0..ROUNDS {
        let mut round = Vec::new();
        for server in &servers {
            round.push(server.load_and_print(&load).await);
        }
        rounds.push(round);
    }
    compare(&servers, &rounds);

    println!("\nOne client at a time");
    let alone = Load { clients: 1, duration: duration.min(Duration::from_secs(3)), ..load };
    for server in &servers {
        server.load_and_print(&alone).await;
    }
    println!("\nAn offer until it rings, its call ended after each");
    for server in servers.iter().filter(|server| server.name != "node, least") {
        reaching::ring(server.name, server.port, server.wire, RINGS).await;
    }
    println!("\nA message until the last of the receiver's devices has it, at the gateway");
    reaching::tell_devices(gateway.port, RINGS).await;
    for node in nodes {
        node.stop().await;
    }

    let idle = number("--idle", 5000) as usize;
    let before = resident_mb(gateway.pid);
    let open = open_idle(gateway.port, idle).await;
    println!(
        "\n{idle} idle connections: {} MB in the gateway ({before} MB without)",
        resident_mb(gateway.pid)
    );
    drop(open);
    gateway.stop().await;
}

/// The ratios of the gateway to each other server, the medians of the rounds.
fn compare(servers: &[Server], rounds: &[Vec<Outcome>]) {
    for (place, server) in servers.iter().enumerate().skip(1) {
        let ratio = |of: fn(&Outcome) -> f64| {
            let mut ratios: Vec<f64> = rounds.iter().map(|round| of(&round[0]) / of(&round[place])).collect();
            ratios.sort_by(f64::total_cmp);
            ratios[ratios.len() / 2]
        };
        println!(
            "gateway / {}: creates/s {:.2}, answer p99 {:.2}, on the device p50 {:.2} p99 {:.2} (medians of {})",
            server.name,
            ratio(Outcome::rate),
            ratio(|outcome| outcome.answered.percentile(0.99)),
            ratio(|outcome| outcome.delivered.percentile(0.5)),
            ratio(|outcome| outcome.delivered.percentile(0.99)),
            rounds.len()
        );
    }
    if servers.len() > 1 {
        println!("{EXPECTED}");
    }
}
