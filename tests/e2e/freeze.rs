//! Functions that the platform freezes between two events, while what they are connected to goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{join, join3};
use gateway::server::Store;
use harness::Clock;
use harness::certificates::Certificates;
use harness::servers::Servers;
use harness::tls::{Admission, TlsEnd};
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

/// Makes tests of these stories, one for each kind of store.
macro_rules! on_every_store {
    ($($story:ident),+ $(,)?) => {
        mod single {
            $(#[tokio::test]
            async fn $story() {
                if let Some(scene) = super::Scene::on_servers(false).await { super::$story(scene).await; }
            })+
        }

        mod cluster {
            $(#[tokio::test]
            async fn $story() {
                if let Some(scene) = super::Scene::on_servers(true).await { super::$story(scene).await; }
            })+
        }
    };
}
on_every_store!(
    connections_that_the_other_side_dropped_cost_one_reconnect,
    connections_that_died_in_silence_are_not_trusted_after_a_minute,
    a_connection_to_the_store_that_died_in_silence_costs_a_503_within_the_first_minute,
);

async fn connections_that_the_other_side_dropped_cost_one_reconnect(mut scene: Scene) {
    for away in [Duration::ZERO, MINUTE, 60 * MINUTE] {
        scene.freeze().await;
        scene.clock.advance(away);
        join(scene.servers().cut(), scene.management_end.cut()).await;
        scene.wake().await.assert_done(SOON);
        scene.assert_reconnected_once();
    }
}

async fn connections_that_died_in_silence_are_not_trusted_after_a_minute(mut scene: Scene) {
    for away in [MINUTE, 60 * MINUTE] {
        scene.freeze().await;
        scene.clock.advance(away);
        join(scene.servers().stall(), scene.management_end.stall()).await;
        scene.wake().await.assert_done(SOON);
        scene.assert_reconnected_once();
    }
}

async fn a_connection_to_the_store_that_died_in_silence_costs_a_503_within_the_first_minute(
    mut scene: Scene,
) {
    for _ in 0..2 {
        scene.freeze().await;
        scene.clock.advance(MINUTE / 2);
        scene.servers().stall().await;
        scene.wake().await.assert_refused(SECONDS);
        scene.exchange().await.assert_done(SOON);
        scene.assert_reconnected_once();
    }
}

#[tokio::test]
async fn a_way_to_clients_that_died_in_silence_costs_one_push_within_the_first_minute() {
    let Some(mut scene) = Scene::on_servers(false).await else { return };
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
}

#[tokio::test]
async fn a_store_that_went_away_meanwhile_costs_a_503_at_once() {
    let mut store = OwnStore::start().await;
    let Some(mut scene) = Scene::on(&store.url(), None).await else { return };
    for away in [Duration::ZERO, MINUTE] {
        scene.freeze().await;
        store.stop().await;
        scene.clock.advance(away);
        scene.wake().await.assert_refused(SOON);
        store.restart().await.unwrap_or_else(|error| panic!("{error}"));
        scene.exchange().await.assert_done(SOON);
    }
}

/// Three functions at work for four people. They reach the management API over TLS.
struct Scene {
    clock: Clock,
    servers: Option<Behind>,
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

/// Servers behind TLS, and how many connections there were to them.
struct Behind {
    servers: Servers,
    connections: Arc<AtomicU64>,
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
    /// On a store behind TLS; `None` where nothing can move the functions' clock.
    async fn on_servers(clustered: bool) -> Option<Self> {
        let connections = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&connections);
        let admission: Arc<Admission> = Arc::new(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }.boxed()
        });
        let servers = Servers::secure_with(harness::runtime().handle(), clustered, admission).await;
        let mut scene = Self::on(servers.url(), servers.authority()).await?;
        connections.store(0, Ordering::Relaxed);
        scene.servers = Some(Behind { servers, connections });
        Some(scene)
    }

    /// On any store.
    async fn on(url: &str, authority: Option<&str>) -> Option<Self> {
        let clock = Clock::start()?;
        let certificates = Certificates::issue();
        let management_end = TlsEnd::start(harness::runtime().handle(), 0, &certificates);
        let trusted = format!("{}/authority-{}.pem", env!("CARGO_TARGET_TMPDIR"), uuid::Uuid::now_v7());
        std::fs::write(&trusted, certificates.authority()).expect("a writable folder");
        let environment = [
            ("REDIS_TLS_CA", authority.unwrap_or_default().to_owned()),
            ("SSL_CERT_FILE", trusted),
            ("MANAGEMENT_ENDPOINT", format!("https://localhost:{}", management_end.port())),
        ];
        let app = App::with(|options| {
            options.store = Store::Url(url.to_owned());
            options.concurrency = 1;
            options.environment = clock.environment();
            options.environment.extend(environment.map(|(name, value)| (name.to_owned(), value)));
        })
        .await;
        management_end.lead_to(app.port());
        let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| app.user(name));
        let phone = bob.connect().await;
        let (laptop, tablet) = (dave.connect().await, carol.connect().await);
        let message = alice.post_message(&alice, "before").await;
        let mut scene = Self {
            clock,
            servers: None,
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
        self.frozen = self.app.freeze(&FUNCTIONS).await;
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

    fn servers(&self) -> &Servers {
        &self.servers.as_ref().expect("it is on servers").servers
    }

    /// Every function has opened its connection again, no more than once, and none has ended.
    #[track_caller]
    fn assert_reconnected_once(&self) {
        let behind = self.servers.as_ref().expect("it is on servers");
        let opened = behind.connections.swap(0, Ordering::Relaxed);
        let functions = FUNCTIONS.len() as u64;
        if behind.servers.clustered() {
            // One for each of three nodes, which the cluster client may mend in two ways at once.
            assert!((functions..=functions * 3 * 2).contains(&opened), "{opened} connections");
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
        assert_eq!(self.heard.as_ref().map(|frame| &frame["data"]), Some(&self.sent.data()));
        assert_eq!(self.read.status, 200, "{}", self.read.text());
        assert_eq!(self.offer["type"], "offer", "{}", self.offer);
        assert!(self.took < within, "it took {:?}", self.took);
    }

    #[track_caller]
    fn assert_refused(&self, within: Duration) {
        self.sent.assert_refused(503, "unavailable", AWAY);
        self.read.assert_refused(503, "unavailable", AWAY);
        assert_eq!(self.offer["code"], "unavailable", "{}", self.offer);
        assert!(self.took < within, "it took {:?}", self.took);
    }
}
