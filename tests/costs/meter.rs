//! A gateway whose functions reach their store through a counting proxy.

use serde_json::{Value, json};
use support::StoreKind::Single;
use support::proxy::{CountingProxy, Interruption, Order, Wave};
use support::{App, AppBuilder, Device, TestStore, User, in_time, wait_until};

/// Every number of devices per user that costs are measured with.
pub(crate) const DEVICES: [usize; 3] = [1, 2, 3];

/// The app, proxy and store of one test. Functions are started by its first operations, which cost the same.
pub(crate) struct Meter {
    pub(crate) app: App,
    proxy: CountingProxy,
    store: TestStore,
}

impl Meter {
    pub(crate) async fn start() -> Self {
        Self::start_with(App::builder()).await
    }

    /// The same for a gateway that asks for tokens and has these limits.
    pub(crate) async fn guarded(limits: &[(&str, &str)]) -> Self {
        let builder = App::builder().guarded();
        Self::start_with(
            limits.iter().fold(builder, |builder, (name, number)| builder.environment(name, number)),
        )
        .await
    }

    /// The same with a gateway of this kind.
    pub(crate) async fn start_with(gateway: AppBuilder) -> Self {
        let store = TestStore::start(Single).await;
        let proxy = CountingProxy::start(store.port());
        // The gateway itself, which checks its store at the start, does not go through the proxy.
        let app = gateway.on_store(&store).environment("REDIS_URL", &proxy.url()).start().await;
        Self { app, proxy, store }
    }

    /// Interrupts a function before the command after so many more, or, to cut it off, after the last of these.
    pub(crate) fn interrupt_after(&self, commands: usize, order: Order, what: Interruption) {
        self.proxy.interrupt_after(commands, order, what);
    }

    /// Whether a function waits for a command that is held.
    pub(crate) fn is_held(&self) -> bool {
        self.proxy.held() > 0
    }

    /// Whether an interruption is still to come, which then will not.
    pub(crate) fn take_interruption(&self) -> bool {
        let pending = self.proxy.is_interruption_pending();
        self.proxy.resume();
        pending
    }

    /// Lets everything pass again.
    pub(crate) fn resume(&self) {
        self.proxy.resume();
    }

    /// Makes a fault happen from now on.
    pub(crate) fn inject(&self, fault: &str) {
        self.app.gateway().faults().set(fault).unwrap_or_else(|why| panic!("{why}"));
    }

    /// Loses the replies of the round trip after so many more, though not what it did.
    pub(crate) fn lose_replies_after(&self, round_trips: usize) {
        self.proxy.lose_replies_after(round_trips);
    }

    /// Makes the server forget every script.
    pub(crate) async fn forget_scripts(&self) {
        let mut connection = self.store.connect().await;
        let flush = redis::cmd("SCRIPT").arg("FLUSH").take();
        flush.exec_async(&mut connection).await.expect("it forgets");
    }

    /// Trims what is kept of a user's latest changes, as many later ones do.
    pub(crate) async fn forget_history(&self, user: &User) {
        let mut connection = self.store.connect().await;
        let keys = ["events", "gone"].map(|name| format!("u:{{{}}}:{name}", user.key));
        redis::cmd("DEL").arg(&keys).exec_async(&mut connection).await.expect("it trims");
    }

    /// So many registered connections of a user.
    pub(crate) async fn connect(&self, user: &User, count: usize) -> Vec<Device> {
        let mut devices = Vec::with_capacity(count);
        for _ in 0..count {
            devices.push(user.connect().await);
        }
        self.idle().await;
        devices
    }

    /// Awaits that no function is working on anything.
    pub(crate) async fn idle(&self) {
        idle(&self.app).await;
    }

    /// The round trips of an operation whose end is seen by the client that asked for it.
    pub(crate) async fn measure<T>(&self, operation: impl Future<Output = T>) -> (T, Bill) {
        let before = self.proxy.count();
        let outcome = operation.await;
        self.idle().await;
        (outcome, Bill(self.proxy.waves_after(before)))
    }

    /// The round trips of an operation whose end no client sees, but that costs one at least.
    pub(crate) async fn measure_unseen<T>(&self, operation: impl Future<Output = T>) -> Bill {
        let before = self.proxy.count();
        in_time("the operation", operation).await;
        wait_until("the operation's first round trip", async || self.proxy.count() > before).await;
        self.idle().await;
        Bill(self.proxy.waves_after(before))
    }
}

/// The same before a cluster of three primaries, for counting commands. On a cluster, a function finds out for each
/// primary by itself whether that knows a script; so what is measured should have been done before.
pub(crate) struct ClusterMeter {
    pub(crate) app: App,
    proxies: Vec<CountingProxy>,
    _store: TestStore,
}

impl ClusterMeter {
    pub(crate) async fn start() -> Self {
        let (store, proxies) = TestStore::start_counted_cluster().await;
        let app = App::builder().on_store(&store).start().await;
        Self { app, proxies, _store: store }
    }

    /// The commands of an operation whose end is seen by the client that asked for it.
    pub(crate) async fn measure<T>(&self, operation: impl Future<Output = T>) -> (T, Wave) {
        idle(&self.app).await;
        let before: Vec<_> = self.proxies.iter().map(CountingProxy::count).collect();
        let outcome = operation.await;
        idle(&self.app).await;
        let waves = self.proxies.iter().zip(before).flat_map(|(proxy, before)| proxy.waves_after(before));
        (outcome, waves.flatten().collect())
    }
}

async fn idle(app: &App) {
    let gateway = app.gateway();
    let is_busy = |function| gateway.lambda().busy(function) > 0;
    wait_until("the end of the functions' work", async || {
        !gateway.project().functions.keys().any(|function| is_busy(function))
    })
    .await;
}

/// The round trips of one operation.
#[derive(Debug)]
pub(crate) struct Bill(Vec<Wave>);

impl Bill {
    #[track_caller]
    pub(crate) fn assert(&self, round_trips: usize) {
        assert_eq!(self.0.len(), round_trips, "the waves were {:?}", self.0);
    }

    #[track_caller]
    pub(crate) fn assert_at_most(&self, round_trips: usize) {
        assert!(self.0.len() <= round_trips, "the waves were {:?}", self.0);
    }

    /// How often this command was sent in each round trip.
    pub(crate) fn count(&self, command: &str) -> Vec<usize> {
        let count = |wave: &Wave| wave.iter().filter(|one| *one == command).count();
        self.0.iter().map(count).collect()
    }
}

/// The types of the frames that came to a device by now.
pub(crate) async fn pushed(device: &mut Device) -> Vec<Value> {
    device.send(json!({ "type": "ping" })).await;
    let mut kinds = Vec::new();
    loop {
        let mut frame = device.next().await;
        if frame["type"] == "pong" {
            return kinds;
        }
        kinds.push(frame["type"].take());
    }
}

/// Fails unless each of these got exactly these frames.
pub(crate) async fn assert_pushed(devices: &mut [Device], kinds: &[&str]) {
    for device in devices {
        assert_eq!(pushed(device).await, kinds);
    }
}
