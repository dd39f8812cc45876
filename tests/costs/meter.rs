//! A gateway whose functions reach their store through a counting proxy.

use serde_json::{Value, json};

use crate::e2e::helpers::{App, Device, User, in_time, start_store};
use crate::proxy::{Proxy, Wave};

/// Every number of devices per user that costs are measured with.
pub(crate) const DEVICES: [usize; 3] = [1, 2, 3];

/// What belongs to one test. Functions are started by its first operations, which cost the same.
pub(crate) struct Meter {
    pub(crate) app: App,
    proxy: Proxy,
    _store: gateway::valkey::Valkey,
}

impl Meter {
    pub(crate) async fn start() -> Self {
        let store = start_store().await;
        let proxy = Proxy::start(store.port()).await;
        Self { app: App::through(&proxy.url()).await, proxy, _store: store }
    }

    /// The round trips of an operation that whoever asked for it sees the end of.
    pub(crate) async fn measure<T>(&self, operation: impl Future<Output = T>) -> (T, Bill) {
        let before = self.proxy.count();
        let outcome = operation.await;
        self.app.idle().await;
        (outcome, Bill(self.proxy.waves_after(before)))
    }

    /// The round trips of an operation that nobody sees the end of, but that costs one at least.
    pub(crate) async fn measure_unseen<T>(&self, operation: impl Future<Output = T>) -> Bill {
        let before = self.proxy.count();
        let begun = async {
            operation.await;
            while self.proxy.count() == before {
                tokio::task::yield_now().await;
            }
        };
        in_time("the operation's first round trip", begun).await;
        self.app.idle().await;
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
}

/// So many registered connections of a user.
pub(crate) async fn connect(user: &User, count: usize) -> Vec<Device> {
    let mut devices = Vec::with_capacity(count);
    for _ in 0..count {
        devices.push(user.connect().await);
    }
    user.app().idle().await;
    devices
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
