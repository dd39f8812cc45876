//! A gateway whose functions reach their store through a counting proxy.

use std::collections::BTreeMap;

use gateway::server::Options;
use serde_json::{Value, json};

use crate::e2e::helpers::{App, Device, OwnStore, User, harness, in_time, wait_until};
use crate::proxy::{Proxy, Wave};

/// Every number of devices per user that costs are measured with.
pub(crate) const DEVICES: [usize; 3] = [1, 2, 3];

/// What belongs to one test. Functions are started by its first operations, which cost the same.
pub(crate) struct Meter {
    pub(crate) app: App,
    proxy: Proxy,
    store: OwnStore,
}

impl Meter {
    pub(crate) async fn start() -> Self {
        let store = OwnStore::start().await;
        let proxy = Proxy::start(store.port()).await;
        let environment = BTreeMap::from([("REDIS_URL".to_owned(), proxy.url())]);
        let served = harness::start(Options { environment, ..Options::default() });
        Self { app: App::of(served), proxy, store }
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
        let client = redis::Client::open(self.store.url()).expect("a good URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("the server answers");
        let flush = redis::cmd("SCRIPT").arg("FLUSH").take();
        flush.exec_async(&mut connection).await.expect("it forgets");
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
        let gateway = self.app.gateway();
        let is_busy = |function| gateway.lambda().busy(function) > 0;
        wait_until("the end of the functions' work", async || {
            !gateway.project().functions.keys().any(|function| is_busy(function))
        })
        .await;
    }

    /// The round trips of an operation that whoever asked for it sees the end of.
    pub(crate) async fn measure<T>(&self, operation: impl Future<Output = T>) -> (T, Bill) {
        let before = self.proxy.count();
        let outcome = operation.await;
        self.idle().await;
        (outcome, Bill(self.proxy.waves_after(before)))
    }

    /// The round trips of an operation that nobody sees the end of, but that costs one at least.
    pub(crate) async fn measure_unseen<T>(&self, operation: impl Future<Output = T>) -> Bill {
        let before = self.proxy.count();
        in_time("the operation", operation).await;
        wait_until("the operation's first round trip", async || self.proxy.count() > before).await;
        self.idle().await;
        Bill(self.proxy.waves_after(before))
    }
}

/// The round trips of one operation.
#[derive(Debug)]
pub(crate) struct Bill(Vec<Wave>);

impl Bill {
    #[track_caller]
    pub(crate) fn assert(&self, round_trips: usize) {
        assert_eq!(self.0.len(), round_trips, "the waves were {:?}", self.0);
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
