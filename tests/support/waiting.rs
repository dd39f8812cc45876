//! Waiting for a condition, with a timeout.

use std::time::Duration;

/// How long anything may take before the test fails. Only a failing test waits this long.
pub const TIMEOUT: Duration = Duration::from_secs(30);

const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Awaits a future that must complete; the failure names what did not come.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(TIMEOUT, what, future).await
}

/// Asks again and again until the answer is yes.
pub async fn wait_until(what: &str, ask: impl AsyncFn() -> bool) {
    wait_until_for(TIMEOUT, what, ask).await;
}

/// The same for what may take longer, or must not take so long.
pub async fn wait_until_for(limit: Duration, what: &str, ask: impl AsyncFn() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    within(limit, what, asking).await;
}

async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {} s", limit.as_secs()),
    }
}
