//! What tests are told in: users and their devices, who speak to a gateway of this process.

mod app;
mod device;
pub(crate) mod harness;
mod issuer;
mod random;
mod reply;
mod slow_store;
mod standstill;
mod user;
mod visitor;

pub(crate) use app::App;
pub(crate) use device::Device;
pub(crate) use harness::{OwnStore, read_log, root};
pub(crate) use issuer::{AUDIENCE, Token, now};
pub(crate) use random::Generator;
pub(crate) use reply::Reply;
pub(crate) use slow_store::SlowStore;
pub(crate) use standstill::Standstill;
pub(crate) use user::{Message, User, encoded};
pub(crate) use visitor::Visitor;

use std::time::Duration;

/// How long anything may take before the test calls it lost. Nothing waits for this but a failing test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often an answer is asked for again.
const LOOK: Duration = Duration::from_millis(1);

/// Awaits what must come; fails with what it was if it does not.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {} s", PATIENCE.as_secs()),
    }
}

/// Asks again until the answer is yes.
pub(crate) async fn wait_until(what: &str, ask: impl AsyncFn() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    in_time(what, asking).await;
}
