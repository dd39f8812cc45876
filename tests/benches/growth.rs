//! The time of each operation on the store as it grows: with messages stored and connections registered, with the
//! conversations of a user, and with a user's devices; on a single server and on a cluster of three. Draws
//! docs/images/growth.svg.
//!
//! `cargo bench -p tests --bench growth`; `--full` goes on to a million messages and 100,000 connections, `--rounds N`
//! measures longer, `--no-plot` leaves the picture as it is.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod arguments;
#[allow(dead_code, reason = "other benchmarks need the store alone")]
mod filling;
#[path = "growth/operations.rs"]
mod operations;
#[path = "growth/plot.rs"]
mod plot;
#[path = "growth/table.rs"]
mod table;

use std::process::Command;
use std::time::Instant;

use filling::{config, fill, send, user};
use futures_util::{StreamExt as _, stream};
use operations::{Clock, OPERATIONS, Scene, now_ms};
use shared::app::PushingApp;
use shared::ids::{ConnectionId, UserKey};
use support::proxy::CountingProxy;
use support::{StoreKind, TestStore, root};
use table::Series;

/// Messages stored, of one conversation, and connections registered, of one user each.
const STORED: [(usize, usize); 4] = [(1_000, 100), (10_000, 1_000), (100_000, 10_000), (1_000_000, 100_000)];
const CONVERSATIONS: [usize; 4] = [10, 100, 1_000, 10_000];
const DEVICES: [usize; 3] = [1, 5, 20];

/// Registers that run at once.
const CONCURRENCY: usize = 64;

/// The argument of a process that has been given a core.
const PINNED: &str = "--pinned";

struct Bench {
    kind: StoreKind,
    rounds: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().all(|argument| argument != PINNED) && pin(&arguments) {
        return;
    }
    measure(&arguments);
}

/// Runs this program again on one core, with the servers that it starts; false where `taskset` cannot do that.
///
/// Client and server wait for each other, so one core is enough. On several, a server that shares the client's answers
/// up to twice as fast or as slow as another, for as long as the system leaves both where they are.
fn pin(arguments: &[String]) -> bool {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).args(arguments).arg(PINNED);
    let Ok(status) = command.status() else { return false };
    // It ends so where it may not have that core, and a benchmark that fails otherwise.
    if status.code() == Some(1) {
        return false;
    }
    assert!(status.success(), "measured on one core");
    true
}

#[tokio::main(flavor = "current_thread")]
async fn measure(arguments: &[String]) {
    let is_given = |name: &str| arguments.iter().any(|argument| argument == name);
    let rounds = arguments::value(arguments, "--rounds").unwrap_or(200);
    let stored = if is_given("--full") { &STORED[..] } else { &STORED[..3] };
    count_trips(stored[stored.len() - 1].0.min(100_000)).await;
    let mut all = Vec::new();
    for kind in [StoreKind::Single, StoreKind::Cluster] {
        let bench = Bench { kind, rounds };
        all.push(bench.store(stored).await);
        all.push(bench.conversations().await);
        all.push(bench.devices().await);
    }
    if !is_given("--no-plot") {
        // Both servers' panels of one series lie beside each other.
        let mut beside: Vec<Series> = Vec::new();
        let cluster = all.split_off(all.len() / 2);
        for (single, cluster) in all.into_iter().zip(cluster) {
            beside.extend([single, cluster]);
        }
        std::fs::write(root().join("docs/images/growth.svg"), plot::draw(&beside)).unwrap();
    }
}

impl Bench {
    fn name(&self, what: &str) -> String {
        let server = if self.kind == StoreKind::Single { "single server" } else { "cluster of three" };
        format!("{what}, {server}")
    }

    /// With what is stored, each size in a store of its own.
    async fn store(&self, stored: &[(usize, usize)]) -> Series {
        let (mut stores, mut scenes) = (Vec::new(), Vec::new());
        for &(messages, connections) in stored {
            let (started, servers) = (Instant::now(), TestStore::start(self.kind).await);
            let (app, alice, bob) = (open(servers.url()).await, user("alice"), user("bob"));
            fill(&app.store, [(alice.clone(), bob.clone())], messages).await;
            register(&app, (0..connections).map(|number| user(format!("user-{number}")))).await;
            println!(
                "{}: {messages} messages, {connections} connections ({:.0} s)",
                self.name("stored"),
                started.elapsed().as_secs_f64()
            );
            scenes.push(Scene::new(app, alice, bob));
            stores.push(servers);
        }
        let sizes = stored.iter().map(|(messages, _)| *messages).collect();
        self.measure("messages stored", sizes, &mut scenes).await
    }

    /// With the conversations of the reader, all in one store.
    async fn conversations(&self) -> Series {
        let servers = TestStore::start(self.kind).await;
        let mut scenes = Vec::new();
        for conversations in CONVERSATIONS {
            let app = open(servers.url()).await;
            let reader = user(format!("of-{conversations}"));
            let peers: Vec<_> = (0..conversations).map(|number| user(format!("peer-{number}"))).collect();
            send(&app.store, peers.iter().map(|peer| (peer, &reader))).await;
            scenes.push(Scene::new(app, peers[0].clone(), reader));
        }
        self.measure("conversations of a user", CONVERSATIONS.into(), &mut scenes).await
    }

    /// With the devices of both users, without pushes; one of the reader's comes and goes in each round.
    async fn devices(&self) -> Series {
        let servers = TestStore::start(self.kind).await;
        let mut scenes = Vec::new();
        for devices in DEVICES {
            let app = open(servers.url()).await;
            let [writer, reader] =
                ["writer", "reader"].map(|name| user(format!("{name}-with-{devices}-devices")));
            fill(&app.store, [(writer.clone(), reader.clone())], 100).await;
            let owners =
                [&writer, &reader].into_iter().flat_map(|owner| std::iter::repeat_n(owner, devices - 1));
            register(&app, owners.cloned()).await;
            scenes.push(Scene::new(app, writer, reader));
        }
        self.measure("devices of a user", DEVICES.into(), &mut scenes).await
    }

    async fn measure(&self, what: &str, sizes: Vec<usize>, scenes: &mut [Scene]) -> Series {
        // Scripts are known and code is hot before the clock counts.
        for scene in scenes.iter_mut() {
            for _ in 0..20 {
                scene.round(&mut Clock::new(|_, _| ())).await;
            }
        }
        let series = Series::measure(self.name(what), sizes, scenes, self.rounds).await;
        series.print();
        series
    }
}

async fn open(url: &str) -> PushingApp {
    PushingApp::open(config(url, false)).await.unwrap()
}

/// Registers a connection of each of these users.
async fn register(app: &PushingApp, users: impl Iterator<Item = UserKey>) {
    let registers = users.enumerate().map(|(number, user)| async move {
        let connection = ConnectionId::from_platform(format!("connection-{number}"));
        app.store.register(&connection, &user, false, now_ms()).await.unwrap();
    });
    stream::iter(registers).buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await;
}

/// Prints how many round trips each operation makes, where little is stored and where much is.
async fn count_trips(most: usize) {
    let servers = TestStore::start(StoreKind::Single).await;
    let proxy = CountingProxy::start(servers.port());
    let filler = open(servers.url()).await;
    let mut trips = Vec::new();
    for messages in [1_000, most] {
        let (alice, bob) = (user(format!("alice-{messages}")), user(format!("bob-{messages}")));
        fill(&filler.store, [(alice.clone(), bob.clone())], messages).await;
        let mut scene = Scene::new(open(&proxy.url()).await, alice, bob);
        scene.round(&mut Clock::new(|_, _| ())).await;
        let mut before = proxy.count();
        let mut counts = [0; OPERATIONS.len()];
        let note = |place: usize, _| {
            let now = proxy.count();
            counts[place] = now - before;
            before = now;
        };
        scene.round(&mut Clock::new(note)).await;
        trips.push(counts);
    }
    println!("Round trips at 1,000 and at {most} messages stored");
    for (place, operation) in OPERATIONS.iter().enumerate() {
        println!("  {operation:<28}{:>3}{:>4}", trips[0][place], trips[1][place]);
        assert_eq!(trips[0][place], trips[1][place], "{operation}");
    }
}
