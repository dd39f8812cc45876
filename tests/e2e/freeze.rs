//! Functions that the platform freezes between two events, while what they are connected to goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{join, join3};
use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{self, SecureCluster, SecureSingle};
use support::proxy::{Admission, TlsProxy};
use support::store::certificates::Certificates;
use support::{App, Clock, Device, Message, PausedProcess, Reply, TestStore, User, wait_until};

/// The functions that a [`Scene`] is about: one that reads, and two that also push.
const FUNCTIONS: [&str; 3] = ["CreateMessage", "GetMessage", "Signaling"];

/// A function that was idle for so long checks its connection before it trusts it.
const MINUTE: Duration = Duration::from_secs(60);

/// How long a request may take that finds its connection lost and opens another.
const SOON: Duration = Duration::from_millis(1500);

/// How long a request may take whose connection has gone silent.
const SECONDS: Duration = Duration::from_secs(4);

#[rstest]
#[tokio::test]
async fn connections_that_the_other_side_dropped_cost_one_reconnect(
    #[values(SecureSingle, SecureCluster)] store: StoreKind,
) {
    let Some(mut scene) = Scene::on(store).await else { return };
    for away in [Duration::ZERO, MINUTE, 60 * MINUTE] {
        scene.freeze().await;
        scene.clock.advance(away);
        join(scene.store.cut(), scene.management_proxy.cut()).await;
        scene.wake().await.assert_done(SOON);
        scene.assert_reconnected_once();
    }
}

#[rstest]
#[tokio::test]
async fn connections_that_died_in_silence_are_not_trusted_after_a_minute(
    #[values(SecureSingle, SecureCluster)] store: StoreKind,
) {
    let Some(mut scene) = Scene::on(store).await else { return };
    for away in [MINUTE, 60 * MINUTE] {
        scene.freeze().await;
        scene.clock.advance(away);
        join(scene.store.stall(), scene.management_proxy.stall()).await;
        scene.wake().await.assert_done(SOON);
        scene.assert_reconnected_once();
    }
}

#[rstest]
#[tokio::test]
async fn a_connection_to_the_store_that_died_in_silence_costs_a_503_within_the_first_minute(
    #[values(SecureSingle, SecureCluster)] store: StoreKind,
) {
    let Some(mut scene) = Scene::on(store).await else { return };
    for _ in 0..2 {
        scene.freeze().await;
        scene.clock.advance(MINUTE / 2);
        scene.store.stall().await;
        scene.wake().await.assert_refused(SECONDS);
        scene.exchange().await.assert_done(SOON);
        scene.assert_reconnected_once();
    }
}

#[tokio::test]
async fn a_way_to_clients_that_died_in_silence_costs_one_push_within_the_first_minute() {
    let Some(mut scene) = Scene::on(SecureSingle).await else { return };
    scene.freeze().await;
    scene.clock.advance(MINUTE / 2);
    scene.management_proxy.stall().await;
    scene.frozen.clear();
    let started = Instant::now();
    let missed = scene.alice.post_message(&scene.bob, "missed").await;
    assert!(started.elapsed() < SECONDS, "it took {:?}", started.elapsed());
    let pushed = scene.alice.post_message(&scene.bob, "pushed").await;
    assert_eq!(scene.phone.next().await["data"], pushed);
    let kept = scene.bob.list_messages().await;
    assert!(kept.contains(&missed) && kept.contains(&pushed), "{kept:?}");
}

#[tokio::test]
async fn a_store_that_went_away_meanwhile_costs_a_503_at_once() {
    let store = TestStore::start_durable().await;
    let Some(mut scene) = Scene::on_store(store).await else { return };
    for away in [Duration::ZERO, MINUTE] {
        scene.freeze().await;
        scene.store.stop_node().await;
        scene.clock.advance(away);
        scene.wake().await.assert_refused(SOON);
        scene.store.restart_node().await;
        scene.exchange().await.assert_done(SOON);
    }
}

/// Three functions at work for four people. They reach the management API over TLS.
struct Scene {
    clock: Clock,
    store: TestStore,
    /// How many connections there were to a secure store.
    connections: Arc<AtomicU64>,
    management_proxy: TlsProxy,
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
    frozen: Vec<PausedProcess>,
}

/// The outcome of a message sent, a message read, and an offer.
struct Exchange {
    sent: Reply,
    /// The push of it.
    pushed: Option<Value>,
    read: Reply,
    offer: Value,
    took: Duration,
}

impl Scene {
    /// On a secure store; `None` where the functions' clock cannot be moved.
    async fn on(kind: StoreKind) -> Option<Self> {
        let connections = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&connections);
        let admission: Arc<Admission> = Arc::new(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }.boxed()
        });
        let mut scene = Self::on_store(TestStore::start_with(kind, admission).await).await?;
        connections.store(0, Ordering::Relaxed);
        scene.connections = connections;
        Some(scene)
    }

    /// On any store.
    async fn on_store(store: TestStore) -> Option<Self> {
        let clock = Clock::start()?;
        let certificates = Certificates::issue();
        let management_proxy = TlsProxy::start(0, &certificates);
        let app = App::builder()
            .on_store(&store)
            .clock(&clock)
            .one_instance()
            .environment("MANAGEMENT_TLS_CA", certificates.authority())
            .environment("MANAGEMENT_ENDPOINT", &format!("https://localhost:{}", management_proxy.port()))
            .start()
            .await;
        management_proxy.lead_to(app.port());
        let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| app.user(name));
        let phone = bob.connect().await;
        let (laptop, tablet) = (dave.connect().await, carol.connect().await);
        let message = alice.post_message(&alice, "before").await;
        let mut scene = Self {
            clock,
            store,
            connections: Arc::default(),
            management_proxy,
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
        let pushed = match sent.status {
            201 => Some(self.phone.expect("new_message").await),
            _ => None,
        };
        Exchange { sent, pushed, read, offer, took: started.elapsed() }
    }

    /// Stops the functions as soon as they have nothing to do.
    async fn freeze(&mut self) {
        self.frozen = self.app.freeze(&FUNCTIONS).await;
    }

    /// Uses the functions, which go on when there is an event for them, as on the platform.
    async fn wake(&mut self) -> Exchange {
        let frozen = std::mem::take(&mut self.frozen);
        let app = self.app.clone();
        let lambda = app.gateway().lambda();
        let waking = async {
            wait_until("an event for each function", async || {
                FUNCTIONS.iter().all(|function| lambda.busy(function) == 1)
            })
            .await;
            drop(frozen);
        };
        join(self.exchange(), waking).await.0
    }

    /// Every function has opened its connection again, no more than once, and none has ended.
    #[track_caller]
    fn assert_reconnected_once(&self) {
        let opened = self.connections.swap(0, Ordering::Relaxed);
        let functions = FUNCTIONS.len() as u64;
        if self.store.is_clustered() {
            // One for each of three nodes, which the cluster client may open again in two ways at once, and once more
            // where that is slow.
            assert!((functions..=functions * 3 * 3).contains(&opened), "{opened} connections");
        } else {
            assert_eq!(opened, functions);
        }
        for function in FUNCTIONS {
            assert_eq!(self.app.ended(function), Some(0), "{function}");
        }
    }
}

impl Exchange {
    #[track_caller]
    fn assert_done(&self, within: Duration) {
        assert_eq!(self.pushed.as_ref().map(|frame| &frame["data"]), Some(&self.sent.data()));
        assert_eq!(self.read.status, 200, "{}", self.read.text());
        assert_eq!(self.offer["type"], "offer", "{}", self.offer);
        assert!(self.took < within, "it took {:?}", self.took);
    }

    #[track_caller]
    fn assert_refused(&self, within: Duration) {
        self.sent.assert_unavailable();
        self.read.assert_unavailable();
        assert_eq!(self.offer["code"], "unavailable", "{}", self.offer);
        assert!(self.took < within, "it took {:?}", self.took);
    }
}
