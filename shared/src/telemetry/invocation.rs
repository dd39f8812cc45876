//! An invocation from its event to its line.

use std::io::Write as _;
use std::sync::OnceLock;

use super::line::line;
use super::record::{Subject, gathered, hash_users};
use crate::config::Log;

static SETTINGS: OnceLock<Log> = OnceLock::new();

/// From now on invocations are told of.
pub(super) fn start(settings: Log) {
    if let Some(key) = &settings.user_key {
        hash_users(key.expose());
    }
    let _ = SETTINGS.set(settings);
}

/// Carries out an invocation, and tells of it in one line once it is done.
pub(crate) async fn told<T>(subject: Subject, work: impl Future<Output = T>) -> T {
    let Some(settings) = SETTINGS.get() else { return work.await };
    let (outcome, record) = gathered(subject, work).await;
    let line = line(&record, settings.namespace.as_deref());
    // A function whose output is not read works all the same.
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
    outcome
}
