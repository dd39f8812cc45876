//! What one invocation was about, and what it did, gathered while it runs. Outside of one nothing is gathered.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ring::hmac;
use serde::Serialize;

use super::count::Count;
use crate::ids::{CallId, UserKey};

/// Bytes of the keyed hash that stands for a user; two hexadecimal digits each.
const USER_BYTES: usize = 8;

/// Most calls that one line tells of. A connection that is gone may have been in more; their metrics are counted.
const MOST_CALLS: usize = 8;

/// The deployment's key for hashes of users.
static USER_KEY: OnceLock<hmac::Key> = OnceLock::new();

tokio::task_local! {
    static RECORD: RefCell<Record>;
}

/// The event that an invocation is for.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    /// Lambda's id, which its own lines hold, too.
    pub(crate) request_id: String,
    /// API Gateway's id, which the access log holds.
    pub(crate) api_request_id: Option<String>,
    pub(crate) route: Option<String>,
    pub(crate) connection: Option<String>,
}

/// An invocation, as far as it has come.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) subject: Subject,
    pub(super) started: Instant,
    pub(super) user: Option<String>,
    pub(super) peer: Option<String>,
    pub(super) calls: Vec<Call>,
    pub(super) code: Option<&'static str>,
    pub(super) counts: [u32; Count::ALL.len()],
    pub(super) store: Waiting,
}

/// A call that an invocation met.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: String,
    /// Where it stands now; none where there is no such call.
    pub(super) state: Option<&'static str>,
    pub(super) reason: Option<&'static str>,
}

/// How long the store was waited for: concurrent requests count once.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    requests: u32,
    since: Option<Instant>,
    pub(super) total: Duration,
}

/// Where something failed: the invocation, and whose it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

/// The time until this is dropped is the store's.
#[derive(Debug)]
pub(crate) struct StoreTime(());

/// From now on users stand in logs, as hashes under this key.
pub(super) fn hash_users(key: &str) {
    let _ = USER_KEY.set(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
}

/// Runs the work of an invocation, and gathers what there is to tell of it.
pub(super) async fn gathered<T>(subject: Subject, work: impl Future<Output = T>) -> (T, Record) {
    let record = RefCell::new(Record::new(subject));
    let gathering = async {
        let outcome = work.await;
        (outcome, RECORD.with(|record| record.replace(Record::new(Subject::default()))))
    };
    RECORD.scope(record, gathering).await
}

/// Where this is, inside of an invocation.
pub(super) fn place() -> Option<Place> {
    let place = RECORD.try_with(|record| {
        let record = record.try_borrow().ok()?;
        let Subject { request_id, connection, .. } = &record.subject;
        let (request_id, connection) = (request_id.clone(), connection.clone());
        Some(Place { request_id, connection, user: record.user.clone() })
    });
    place.ok().flatten()
}

/// Notes the user that the event comes from.
pub fn user(user: &UserKey) {
    change(|record| record.user = hashed(user));
}

/// Notes the user that a frame is for.
pub(crate) fn peer(user: &UserKey) {
    change(|record| record.peer = hashed(user));
}

/// Notes a call, and where it stands, as far as that is known.
pub(crate) fn call(id: &CallId, state: Option<&'static str>, reason: Option<&'static str>) {
    change(|record| {
        let known = record.calls.iter_mut().find(|call| call.id == id.as_str());
        if let Some(call) = known {
            (call.state, call.reason) = (state.or(call.state), reason.or(call.reason));
        } else if record.calls.len() < MOST_CALLS {
            record.calls.push(Call { id: id.as_str().to_owned(), state, reason });
        }
    });
}

/// Notes the code of a refusal.
pub(crate) fn code(code: &'static str) {
    change(|record| record.code = Some(code));
}

/// Counts.
pub(crate) fn count(what: Count, more: u32) {
    change(|record| record.counts[what as usize] += more);
}

fn change(change: impl FnOnce(&mut Record)) {
    let _ = RECORD.try_with(|record| change(&mut record.borrow_mut()));
}

/// What stands for a user in logs: a part of the HMAC-SHA-256 of the user key under the deployment's own key. Without
/// that key nothing does.
fn hashed(user: &UserKey) -> Option<String> {
    let hash = hmac::sign(USER_KEY.get()?, user.as_str().as_bytes());
    Some(hash.as_ref().iter().take(USER_BYTES).map(|byte| format!("{byte:02x}")).collect())
}

impl Record {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            subject,
            started: Instant::now(),
            user: None,
            peer: None,
            calls: Vec::new(),
            code: None,
            counts: [0; Count::ALL.len()],
            store: Waiting::default(),
        }
    }
}

impl StoreTime {
    pub(crate) fn start() -> Self {
        change(|record| {
            let waiting = &mut record.store;
            waiting.requests += 1;
            waiting.since.get_or_insert_with(Instant::now);
        });
        Self(())
    }
}

impl Drop for StoreTime {
    fn drop(&mut self) {
        change(|record| {
            let waiting = &mut record.store;
            waiting.requests = waiting.requests.saturating_sub(1);
            if waiting.requests == 0
                && let Some(since) = waiting.since.take()
            {
                waiting.total += since.elapsed();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn record_of(work: impl AsyncFnOnce()) -> Record {
        gathered(Subject::default(), work()).await.1
    }

    #[tokio::test]
    async fn requests_at_the_same_time_wait_once() {
        let record = record_of(async || {
            let (one, other) = (StoreTime::start(), StoreTime::start());
            drop(one);
            RECORD.with(|record| assert_eq!(record.borrow().store.total, Duration::ZERO));
            drop(other);
        })
        .await;
        assert_eq!(record.store.requests, 0);
        assert!(record.store.since.is_none() && record.store.total > Duration::ZERO);
    }

    #[tokio::test]
    async fn a_call_is_told_once_with_the_latest_that_is_known() {
        let id = CallId::try_from("call-0001".to_owned()).expect("an id");
        let record = record_of(async || {
            call(&id, None, None);
            call(&id, Some("ringing"), None);
            call(&id, Some("ended"), Some("declined"));
            call(&id, None, None);
        })
        .await;
        let told: Vec<_> =
            record.calls.iter().map(|call| (call.id.as_str(), call.state, call.reason)).collect();
        assert_eq!(told, [("call-0001", Some("ended"), Some("declined"))]);
    }

    #[tokio::test]
    async fn outside_of_an_invocation_nothing_is_gathered() {
        count(Count::Sends, 1);
        drop(StoreTime::start());
        let record = record_of(async || count(Count::PushesGone, 2)).await;
        assert_eq!(record.counts[Count::PushesGone as usize], 2);
        assert_eq!(record.counts[Count::Sends as usize], 0);
    }
}
