//! Four devices that send, read, edit, delete and retry at once, while functions are killed and old messages go: what is
//! unread equals a recount at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use hyper::Method;
use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{SecureCluster, Single};
use support::{App, Reply, TestStore, User, encoded, in_time};

use crate::retention::enter_old_entries;

/// Functions that are killed.
const FUNCTIONS: [&str; 4] = ["CreateMessage", "UpdateMessage", "DeleteMessage", "MarkRead"];

/// Operations of a device between one kill and the next, and between one old message and the next.
const BETWEEN_KILLS: u64 = 7;
const BETWEEN_OLD: u64 = 5;

/// When a client repeats what was not acknowledged.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// The state that the devices of a run share.
struct Soak {
    app: App,
    users: Vec<User>,
    /// Operations done.
    done: [AtomicUsize; 5],
    kills: AtomicUsize,
    repeated: AtomicUsize,
    /// Deletes that failed and were not repeated.
    given_up: AtomicUsize,
}

/// An act of a device.
const KINDS: [&str; 5] = ["send", "retry", "edit", "delete", "mark"];

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how long to go on, and how")]
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// `SOAK` operations for each device (150 unless set), generated from `SEED` (random unless set).
#[rstest]
#[tokio::test]
async fn what_is_unread_equals_a_recount(#[values(false, true)] with_retention: bool) {
    let operations = setting("SOAK").unwrap_or(150);
    let seed = setting("SEED").unwrap_or_else(|| fastrand::u64(..));
    let store = if with_retention { Some(TestStore::start(Single).await) } else { None };
    let app = match &store {
        Some(store) => App::builder().on_store(store).parameter("RetentionDays", "3").start().await,
        None => App::builder().on(SecureCluster).start().await,
    };
    let raw = match &store {
        Some(store) => Some(store.connect().await),
        None => None,
    };
    let users: Vec<_> = ["alice", "bob", "carol"].map(|name| app.user(name)).into();
    let soak = Arc::new(Soak {
        app,
        users,
        done: Default::default(),
        kills: AtomicUsize::new(0),
        repeated: AtomicUsize::new(0),
        given_up: AtomicUsize::new(0),
    });

    let device = async |number: u64| {
        let mut random = Rng::with_seed(seed.wrapping_add(number));
        let mut sent: Vec<(String, Value)> = Vec::new();
        let mut raw = raw.clone();
        for turn in 0..operations {
            if turn % BETWEEN_KILLS == number {
                let function = FUNCTIONS[random.usize(..FUNCTIONS.len())];
                soak.kills.fetch_add(usize::from(soak.app.try_kill(function)), Ordering::Relaxed);
            }
            if turn % BETWEEN_OLD == number
                && let Some(raw) = &mut raw
            {
                let pair = [0, 1].map(|_| soak.users[random.usize(..soak.users.len())].key.as_str());
                enter_old_entries(raw, pair, 4).await;
            }
            soak.step(&mut random, &format!("{number}-{turn}"), &mut sent).await;
        }
    };
    // Each acts as any of the users, so that sends, deletes and marks of one user meet each other.
    join_all((0..4).map(device)).await;

    let done: Vec<_> = KINDS
        .iter()
        .zip(&soak.done)
        .map(|(kind, done)| format!("{} {kind}", done.load(Ordering::Relaxed)))
        .collect();
    let [kills, repeated, given_up] =
        [&soak.kills, &soak.repeated, &soak.given_up].map(|count| count.load(Ordering::Relaxed));
    println!(
        "SEED={seed}, 4 devices: {}, {kills} kills, {repeated} repeated, {given_up} deletes given up",
        done.join(", ")
    );
    assert!(kills > 0);
    let mut compared = 0;
    for user in &soak.users {
        compared += soak.compare(user, seed).await;
    }
    println!("{compared} pairs compared, 0 differences");
    assert!(compared >= 6, "{compared}");
}

impl Soak {
    async fn step(&self, random: &mut Rng, name: &str, sent: &mut Vec<(String, Value)>) {
        let (one, other) = (random.usize(..self.users.len()), random.usize(..self.users.len()));
        let (from, to) = (&self.users[one], &self.users[other]);
        let kind = match random.usize(..10) {
            0..4 => 0,
            4 => 1,
            5 => 2,
            6 => 3,
            _ => 4,
        };
        self.done[kind].fetch_add(1, Ordering::Relaxed);
        let place = if sent.is_empty() { None } else { Some(random.usize(..sent.len())) };
        match (kind, place) {
            (1, Some(place)) => {
                // Twice at once, as an impatient client does.
                let draft = &sent[place].1;
                for reply in join_all([self.post(draft), self.post(draft)]).await {
                    assert_eq!(reply.header("idempotent-replayed"), "true", "{}", reply.text());
                }
            }
            (2, Some(place)) => {
                let path = format!("/messages/{}", sent[place].0);
                let body = r#"{"content":"edited"}"#;
                let reply = self.acknowledged(async || self.app.put(&path, body).await).await;
                assert!([200, 404].contains(&reply.status), "{}", reply.text());
            }
            (3, Some(place)) => {
                let path = format!("/messages/{}", sent[place].0);
                // A delete that is never repeated may have been done by half.
                let repeats = random.bool();
                let delete = async || match repeats {
                    true => self.acknowledged(async || self.app.delete(&path).await).await,
                    false => self.app.delete(&path).await,
                };
                for reply in join_all([delete(), delete()]).await {
                    let failed = !repeats && reply.status >= 500;
                    assert!(failed || [200, 404].contains(&reply.status), "{}", reply.text());
                    self.given_up.fetch_add(usize::from(failed), Ordering::Relaxed);
                }
            }
            (4, Some(_)) => {
                let listed = from.list_conversation(to).await;
                // The newest, another, or one beyond all.
                let id = match (random.usize(..4), listed.len()) {
                    (0, _) | (_, 0) => uuid::Uuid::now_v7().to_string(),
                    (1, count) => text(&listed[random.usize(..count)]["id"]),
                    (_, count) => text(&listed[count - 1]["id"]),
                };
                self.mark(from, to, &id).await;
            }
            _ => {
                let draft = json!({
                    "sender_id": from.key, "receiver_id": to.key, "content": "hello", "client_id": name,
                });
                let reply = self.post(&draft).await;
                sent.push((text(&reply.data()["id"]), draft));
            }
        }
    }

    /// Repeats a request whose function was killed, as clients do.
    async fn acknowledged(&self, request: impl AsyncFn() -> Reply) -> Reply {
        loop {
            let reply = request().await;
            if reply.status < 500 {
                return reply;
            }
            self.repeated.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    async fn post(&self, draft: &Value) -> Reply {
        let reply = self.acknowledged(async || self.app.post("/messages", draft.to_string()).await).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply
    }

    async fn mark(&self, reader: &User, with: &User, id: &str) -> u64 {
        let path = format!("/conversations/{}/read?user={}", encoded(&with.key), encoded(&reader.key));
        let body = json!({ "message_id": id }).to_string();
        let send = async || self.app.send(Method::PUT, &path, body.clone()).await;
        let reply = self.acknowledged(send).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["unread"].as_u64().expect("a number")
    }

    /// Compares each of a user's conversations with a recount; returns how many there are.
    async fn compare(&self, user: &User, seed: u64) -> usize {
        let path = format!("/conversations?user={}&limit=200", encoded(&user.key));
        let Value::Array(listed) = in_time("the list", self.app.get(&path)).await.json() else {
            panic!("not an array")
        };
        let mut found = 0;
        for peer in &self.users {
            let messages = user.list_conversation(peer).await;
            let entry = listed.iter().find(|entry| entry["with"] == peer.key.as_str());
            let Some(entry) = entry else {
                assert!(messages.is_empty(), "SEED={seed}: a conversation is not listed");
                continue;
            };
            found += 1;
            assert_eq!(Some(&entry["last_message"]), messages.last(), "SEED={seed}");
            let read = entry["read"].as_str().unwrap_or_default();
            let is_unread = |message: &&Value| {
                message["sender_id"] != user.key.as_str()
                    && message["id"].as_str().is_some_and(|id| id > read)
            };
            let recount = messages.iter().filter(is_unread).count() as u64;
            assert_eq!(entry["unread"], recount, "SEED={seed}: {} with {}", user.key, peer.key);
            // A mark that moves nothing tells the same.
            let lowest = "00000000-0000-0000-0000-000000000000";
            if !read.is_empty() {
                assert_eq!(self.mark(user, peer, lowest).await, recount, "SEED={seed}");
            }
            let theirs = format!("/conversations?user={}&limit=200", encoded(&peer.key));
            let Value::Array(theirs) = self.app.get(&theirs).await.json() else { panic!("not an array") };
            let mirror = theirs.iter().find(|entry| entry["with"] == user.key.as_str());
            // A delete that was given up may have left the peer no message.
            if let Some(mirror) = mirror.filter(|_| user.key != peer.key) {
                assert_eq!(mirror["read_by_peer"], entry["read"], "SEED={seed}");
            }
        }
        assert_eq!(found, listed.len(), "SEED={seed}");
        found
    }
}

fn text(id: &Value) -> String {
    id.as_str().expect("an id").to_owned()
}
