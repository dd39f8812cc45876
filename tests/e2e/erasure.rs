//! `GET /me/export` and `DELETE /me`: a user takes all messages along, and leaves none behind.

use std::collections::BTreeSet;
use std::process::Stdio;

use hyper::Method;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value as Kept};
use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Message, Mode, Reply, TestStore, User, admin, encoded, wait_until};
use tokio::process::Command;

/// More messages than one step erases.
const MESSAGES: usize = 130;

/// The longest that a trace of a user may stay, in seconds.
const LONGEST: i64 = 25 * 3600;

/// The keys in which a trace of a user may stay until they expire.
const TRANSIENT: [&str; 4] = ["m:", ":sent:", ":gone", "c:"];

async fn post(from: &User, to: &User, draft: Value) -> Message {
    let mut draft = draft;
    draft["sender_id"] = from.key.as_str().into();
    draft["receiver_id"] = to.key.as_str().into();
    let reply = from.request(Method::POST, "/messages", draft).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.data()
}

async fn mark_read(reader: &User, with: &User, message: &Message) {
    let path = format!("/conversations/{}/read", encoded(&with.key));
    let reply = reader.request(Method::PUT, &path, json!({ "message_id": message["id"] })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// The messages of an export, page by page.
async fn export(user: &User, limit: usize) -> Vec<Message> {
    // In open mode the path already has a query.
    let query = format!("/me/export?limit={limit}&user={}", encoded(&user.key));
    let (mut path, mut messages) = (query, Vec::new());
    loop {
        let reply = user.app().sign_in(user).get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("content-type"), "application/x-ndjson");
        let page = reply.text().lines().map(|line| serde_json::from_str(line).expect("JSON on a line"));
        let before = messages.len();
        messages.extend(page);
        assert!(messages.len() - before <= limit);
        let link = reply.header("link");
        if link.is_empty() {
            return messages;
        }
        let (target, relation) = link.split_once('>').expect("a target");
        assert_eq!(relation, "; rel=\"next\"");
        path = target.trim_start_matches('<').to_owned();
    }
}

/// The answers of an erasure up to the one that says that it is done.
async fn erase(user: &User) -> Vec<Reply> {
    let mut replies = Vec::new();
    loop {
        let reply = user.request(Method::DELETE, "/me", None).await;
        let done = reply.status == 200;
        let (status, expected) =
            if done { (200, json!({ "done": true })) } else { (202, json!({ "done": false })) };
        assert_eq!((reply.status, reply.json()), (status, expected));
        replies.push(reply);
        if done {
            return replies;
        }
        assert!(replies.len() < 20, "it does not end");
    }
}

/// Erases a user as an administrator does who has the store's URL; the functions need no part in it.
async fn erase_as_administrator(user: &User, store: &TestStore, mode: Mode) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut erasing = Command::new(admin());
    erasing.env_clear().args(["erase", "--user", &user.key, "--store", store.url()]);
    erasing.args(["--push-to", &format!("http://localhost:{}", user.app().port()), "--region", "us-east-1"]);
    erasing.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    if mode == Mode::Open {
        erasing.arg("--open");
    }
    if let Some(authority) = store.authority() {
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, authority).expect("a file");
        erasing.arg("--store-ca").arg(file);
    }
    let done = erasing.stderr(Stdio::piped()).kill_on_drop(true).output().await.expect("the tool runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains(&format!("{} messages in all", MESSAGES + 1)), "{said}");
}

/// A key's value as text.
async fn value(connection: &mut MultiplexedConnection, key: &str) -> RedisResult<String> {
    let kind: String = redis::cmd("TYPE").arg(key).query_async(connection).await?;
    let read = match kind.as_str() {
        "string" => redis::cmd("GET").arg(key).take(),
        "hash" => redis::cmd("HGETALL").arg(key).take(),
        "list" => redis::cmd("LRANGE").arg(key).arg(0).arg(-1).take(),
        "zset" => redis::cmd("ZRANGE").arg(key).arg(0).arg(-1).take(),
        "none" => return Ok(String::new()),
        other => panic!("{key} is a {other}"),
    };
    let kept: Kept = read.query_async(connection).await?;
    Ok(match kept {
        Kept::Map(_) | Kept::Array(_) => format!("{:?}", redis::from_redis_value::<Vec<String>>(kept)),
        kept => redis::from_redis_value(kept).unwrap_or_default(),
    })
}

/// Every key that names the user, in its own name or in its value, with the seconds after which it expires.
async fn traces(store: &TestStore, user: &User) -> BTreeSet<(String, i64)> {
    let mut found = BTreeSet::new();
    for mut connection in store.connect_to_all().await {
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("the keys");
        for key in keys {
            let value = value(&mut connection, &key).await.expect("a value");
            if key.contains(&user.key) || value.contains(&user.key) {
                let ttl = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.expect("its expiry");
                found.insert((key, ttl));
            }
        }
    }
    found
}

fn is_transient((key, ttl): &(String, i64)) -> bool {
    // -2 is a key that has expired since.
    let passing = (0..=LONGEST).contains(ttl) || *ttl == -2;
    passing && TRANSIENT.iter().any(|kind| key.starts_with(kind) || key.contains(kind))
}

#[rstest]
#[tokio::test]
async fn a_user_who_leaves_leaves_no_message_and_no_name(
    #[values((Mode::Open, Single), (Mode::Guarded, SecureCluster))] (mode, kind): (Mode, StoreKind),
    #[values(false, true)] by_administrator: bool,
) {
    let store = TestStore::start(kind).await;
    let app = App::builder().on_store(&store).mode(mode).start().await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| app.user(name));
    let kept = post(&bob, &carol, json!({ "content": "kept" })).await;
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        let draft = json!({ "content": format!("number {number}"), "client_id": format!("name-{number}") });
        let (from, to) = if number % 3 == 0 { (&bob, &alice) } else { (&alice, &bob) };
        sent.push(post(from, to, draft).await);
    }
    let note = post(&alice, &alice, json!({ "content": "remember" })).await;
    mark_read(&alice, &bob, &sent[3]).await;
    mark_read(&bob, &alice, &sent[4]).await;
    mark_read(&alice, &alice, &note).await;
    laptop.expect_many("new_message", MESSAGES).await;
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    laptop.expect("offer").await;
    let held = traces(&store, &alice).await;
    assert!(held.iter().any(|trace| !is_transient(trace)), "{held:?}");

    if by_administrator {
        erase_as_administrator(&alice, &store, mode).await;
    } else {
        let replies = erase(&alice).await;
        assert!(replies.len() > 2, "{} steps", replies.len());
    }

    let told = laptop.expect_many("delete_message", MESSAGES).await;
    let told: BTreeSet<_> = told.iter().map(|frame| frame["data"]["id"].to_string()).collect();
    assert_eq!(told, sent.iter().map(|message| message["id"].to_string()).collect());
    for message in sent.iter().take(3).chain([&note]) {
        let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
        bob.request(Method::GET, &path, None).await.assert_not_found();
    }
    for user in [&alice, &bob] {
        let left = user.request(Method::GET, "/messages", None).await.json();
        let expected = if user.key == bob.key { json!([kept]) } else { json!([]) };
        assert_eq!(left, expected);
    }
    let conversations = bob.request(Method::GET, "/conversations", None).await.json();
    assert_eq!(conversations.as_array().map(Vec::len), Some(1), "{conversations}");
    assert_eq!(conversations[0]["with"], carol.key.as_str());

    wait_until("the end of the user's connection", async || {
        traces(&store, &alice).await.iter().all(is_transient)
    })
    .await;
    let left = traces(&store, &alice).await;
    assert!(left.iter().any(|(key, _)| key.starts_with("m:")), "the scan sees tombstones: {left:?}");
    assert_eq!(erase(&alice).await.len(), 1, "there is nothing to do");
}

#[tokio::test]
async fn an_export_holds_every_message_once() {
    let app = App::guarded_on(SecureCluster).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| app.user(name));
    let mut sent = Vec::new();
    for (from, to) in [(&alice, &bob), (&bob, &alice), (&carol, &alice), (&alice, &alice), (&alice, &carol)] {
        sent.push(post(from, to, json!({ "content": "line\nbreak", "metadata": { "a": [1] } })).await);
    }
    post(&bob, &carol, json!({ "content": "another's" })).await;
    sent.sort_by_key(|message| message["id"].to_string());
    for limit in [1, 2, 5, 1000] {
        assert_eq!(export(&alice, limit).await, sent, "{limit} on a page");
    }
    assert_eq!(export(&app.user("nobody"), 1000).await, Vec::<Message>::new());
}

#[tokio::test]
async fn what_is_wrong_with_an_export_is_said() {
    let app = App::open().await;
    let refused = async |query: &str, sentence: &str| {
        let reply = app.get(&format!("/me/export?{query}")).await;
        reply.assert_refused(400, "invalid_request", sentence);
    };
    refused("", "user is required").await;
    refused("user=a&after=x", "after must be a message id").await;
    refused("user=a&limit=0", "limit must be a number from 1 to 1000").await;
    let reply = app.delete("/me").await;
    reply.assert_refused(400, "invalid_request", "user is required");
}
