//! Functions that the platform freezes between two events, while what they are connected to goes away.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{join, join_all, join3};
use gateway::server::Store;
use harness::certificates::Certificates;
use harness::tls::TlsEnd;
use harness::{Clock, free_port};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::helpers::{App, Device, Message, OwnStore, Reply, Standstill, User, wait_until};

/// The functions that a [`Scene`] is about: one that reads, and two that also push.
const FUNCTIONS: [&str; 3] = ["CreateMessage", "GetMessage", "Signaling"];

/// From then on functions do not trust a connection unseen.
const MINUTE: Duration = Duration::from_secs(60);

/// What finding out and connecting anew may cost whoever asks.
const SOON: Duration = Duration::from_millis(1500);

/// What a connection that nothing passes may cost.
const SECONDS: Duration = Duration::from_secs(4);

const AWAY: &str = "The store is unavailable, try again";

#[tokio::test]
async fn connections_that_the_other_side_dropped_cost_one_reconnect() {
    let Some(mut scene) = Scene::start().await else { return };
    for away in [Duration::ZERO, MINUTE, 60 * MINUTE] {
        let before = scene.connections().await;
        scene.freeze().await;
        scene.clock.advance(away);
        join(scene.store_end.cut(), scene.management_end.cut()).await;
        scene.wake().await.assert_done(SOON);
        assert_eq!(scene.connections().await - before, FUNCTIONS.len() as u64, "{away:?}");
    }
    scene.assert_none_ended();
}

#[tokio::test]
async fn connections_that_died_in_silence_are_not_trusted_after_a_minute() {
    let Some(mut scene) = Scene::start().await else { return };
    for away in [MINUTE, 60 * MINUTE] {
        let before = scene.connections().await;
        scene.freeze().await;
        scene.clock.advance(away);
        join(scene.store_end.stall(), scene.management_end.stall()).await;
        scene.wake().await.assert_done(SOON);
        assert_eq!(scene.connections().await - before, FUNCTIONS.len() as u64, "{away:?}");
    }
    scene.assert_none_ended();
}

#[tokio::test]
async fn a_connection_to_the_store_that_died_in_silence_costs_a_503_within_the_first_minute() {
    let Some(mut scene) = Scene::start().await else { return };
    for _ in 0..2 {
        scene.freeze().await;
        scene.clock.advance(MINUTE / 2);
        scene.store_end.stall().await;
        scene.wake().await.assert_refused(SECONDS);
        scene.exchange().await.assert_done(SOON);
    }
    scene.assert_none_ended();
}

#[tokio::test]
async fn a_way_to_clients_that_died_in_silence_costs_one_push_within_the_first_minute() {
    let Some(mut scene) = Scene::start().await else { return };
    scene.freeze().await;
    scene.clock.advance(MINUTE / 2);
    scene.management_end.stall().await;
    scene.frozen.clear();
    let started = Instant::now();
    let missed = scene.alice.post_message(&scene.bob, "missed").await;
    assert!(started.elapsed() < SECONDS, "it took {:?}", started.elapsed());
    let heard = scene.alice.post_message(&scene.bob, "heard").await;
    assert_eq!(scene.phone.next().await["data"], heard);
    assert!(scene.bob.list_messages().await.ends_with(&[missed, heard]));
    scene.assert_none_ended();
}

#[tokio::test]
async fn a_store_that_went_away_meanwhile_costs_a_503_at_once() {
    let Some(mut scene) = Scene::start().await else { return };
    for away in [Duration::ZERO, MINUTE] {
        scene.freeze().await;
        scene.store.stop().await;
        scene.clock.advance(away);
        scene.wake().await.assert_refused(SOON);
        scene.store.restart().await.unwrap_or_else(|error| panic!("{error}"));
        scene.exchange().await.assert_done(SOON);
    }
    scene.assert_none_ended();
}

/// Three functions at work for four people. They reach their store and the management API over TLS.
struct Scene {
    clock: Clock,
    store: OwnStore,
    /// Counts its connections.
    observer: MultiplexedConnection,
    store_end: TlsEnd,
    management_end: TlsEnd,
    app: App,
    alice: User,
    bob: User,
    /// Bob's.
    phone: Device,
    carol: User,
    /// Dave's and Carol's.
    laptop: Device,
    tablet: Device,
    message: Message,
    frozen: Vec<Standstill>,
}

/// What became of a message sent, a message read, and an offer.
struct Exchange {
    sent: Reply,
    /// The push of it.
    heard: Option<Value>,
    read: Reply,
    offer: Value,
    took: Duration,
}

impl Scene {
    /// `None` where nothing can move the functions' clock.
    async fn start() -> Option<Self> {
        let clock = Clock::start()?;
        let certificates = Certificates::issue();
        let store = OwnStore::start().await;
        let runtime = harness::runtime().handle();
        let store_end = TlsEnd::start(runtime, store.port(), &certificates);
        let port = free_port();
        let management_end = TlsEnd::start(runtime, port, &certificates);
        let authority = format!("{}/authority-{}.pem", env!("CARGO_TARGET_TMPDIR"), uuid::Uuid::now_v7());
        std::fs::write(&authority, certificates.authority()).expect("a writable folder");
        let environment = [
            ("REDIS_TLS_CA", certificates.authority().to_owned()),
            ("SSL_CERT_FILE", authority),
            ("MANAGEMENT_ENDPOINT", format!("https://localhost:{}", management_end.port())),
        ];
        let app = App::with(|options| {
            options.port = port;
            options.store = Store::Url(format!("rediss://localhost:{}", store_end.port()));
            options.concurrency = 1;
            options.environment = clock.environment();
            options.environment.extend(environment.map(|(name, value)| (name.to_owned(), value)));
        })
        .await;
        let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| app.user(name));
        let phone = bob.connect().await;
        let (laptop, tablet) = (dave.connect().await, carol.connect().await);
        let message = alice.post_message(&alice, "before").await;
        let client = redis::Client::open(store.url()).expect("a URL");
        let observer = client.get_multiplexed_async_connection().await.expect("the store answers");
        let mut scene = Self {
            clock,
            store,
            observer,
            store_end,
            management_end,
            app,
            alice,
            bob,
            phone,
            carol,
            laptop,
            tablet,
            message,
            frozen: Vec::new(),
        };
        scene.exchange().await.assert_done(Duration::MAX);
        Some(scene)
    }

    /// Uses all three functions at once.
    async fn exchange(&mut self) -> Exchange {
        let started = Instant::now();
        let offer = json!({ "type": "offer", "target": self.carol.key });
        let calling = async {
            self.laptop.send(offer).await;
            tokio::select! { frame = self.tablet.next() => frame, frame = self.laptop.next() => frame }
        };
        let sending = self.alice.try_post_message(&self.bob, "hello").boxed_local();
        let (sent, read, offer) = join3(sending, self.alice.read_message(&self.message), calling).await;
        let heard = match sent.status {
            201 => Some(self.phone.expect("new_message").await),
            _ => None,
        };
        Exchange { sent, heard, read, offer, took: started.elapsed() }
    }

    /// Stops the functions as soon as they have nothing to do.
    async fn freeze(&mut self) {
        let lambda = self.app.gateway().lambda();
        wait_until("the end of the functions' work", async || {
            FUNCTIONS.iter().all(|function| lambda.idle(function) == 1)
        })
        .await;
        let processes = FUNCTIONS.iter().flat_map(|function| lambda.processes(function));
        self.frozen = join_all(processes.map(Standstill::of)).await;
        assert_eq!(self.frozen.len(), FUNCTIONS.len());
    }

    /// Uses the functions, which go on when there is an event for them, as on the platform.
    async fn wake(&mut self) -> Exchange {
        let frozen = std::mem::take(&mut self.frozen);
        let lambda = self.app.gateway().lambda();
        let waking = async {
            wait_until("an event for each function", async || {
                FUNCTIONS.iter().all(|function| lambda.busy(function) == 1)
            })
            .await;
            drop(frozen);
        };
        join(self.exchange(), waking).await.0
    }

    /// How many connections the store has ever had.
    async fn connections(&mut self) -> u64 {
        let asked = redis::cmd("INFO").arg("stats").query_async::<String>(&mut self.observer).await;
        let stats = asked.expect("the store answers");
        let count = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.expect("it counts").trim().parse().expect("a number")
    }

    fn assert_none_ended(&self) {
        for function in FUNCTIONS {
            assert_eq!(self.app.ended(function), Some(0), "{function}");
        }
    }
}

impl Exchange {
    #[track_caller]
    fn assert_done(&self, within: Duration) {
        assert_eq!(self.heard.as_ref().map(|frame| &frame["data"]), Some(&self.sent.data()));
        assert_eq!(self.read.status, 200, "{}", self.read.text());
        assert_eq!(self.offer["type"], "offer", "{}", self.offer);
        assert!(self.took < within, "it took {:?}", self.took);
    }

    #[track_caller]
    fn assert_refused(&self, within: Duration) {
        self.sent.assert_refused(503, "unavailable", AWAY);
        self.read.assert_refused(503, "unavailable", AWAY);
        assert_eq!(self.offer["code"], "internal", "{}", self.offer);
        assert!(self.took < within, "it took {:?}", self.took);
    }
}
