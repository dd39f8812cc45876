//! Messages that are older than `RetentionDays`: they go with their index entries and events, and pages stay right.

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use shared::ids::{MessageId, UserKey};
use support::StoreKind::Single;
use support::{App, TestStore, encoded};

const DAY_SECONDS: i64 = 24 * 3600;

/// A message's own expiry is so much later than that of its index entries.
const MARGIN_SECONDS: i64 = 3600;

/// Entries of a message that was sent this many days ago, as they are left when its own key has expired.
async fn enter_old_message(
    raw: &mut MultiplexedConnection,
    [sender, receiver]: [&str; 2],
    days: i64,
    number: u64,
) -> MessageId {
    let id = enter_old_entries(raw, [sender, receiver], days).await;
    for user in [sender, receiver] {
        let event = format!("{number}-ab c {}", id.short());
        let _: () = raw.rpush(format!("u:{{{user}}}:events"), event).await.expect("written");
    }
    id
}

/// The same without its events.
pub(crate) async fn enter_old_entries(
    raw: &mut MultiplexedConnection,
    [sender, receiver]: [&str; 2],
    days: i64,
) -> MessageId {
    let key = |name: &str| UserKey::try_from(name.to_owned()).expect("a valid key");
    let now: i64 = redis::cmd("TIME").query_async::<(i64, i64)>(raw).await.expect("a time").0;
    let sent = lambda_time(now - days * DAY_SECONDS);
    let id = MessageId::generate(&key(sender), &key(receiver), sent).expect("randomness");
    for (user, index, peer) in [(sender, "to", receiver), (receiver, "from", sender)] {
        let short = id.short();
        for index in ["all".to_owned(), format!("{index}:{peer}")] {
            let _: () = raw.zadd(format!("u:{{{user}}}:{index}"), &short, 0).await.expect("written");
        }
        let conversations = format!("u:{{{user}}}:conversations");
        let _: () = raw.zadd(conversations, format!("{short}{peer}"), 0).await.expect("written");
    }
    let _: () = raw.zadd("all", id.short(), 0).await.expect("written");
    id
}

fn lambda_time(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(seconds, 0).expect("a time")
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_in_no_page_and_goes_with_its_index_entries_and_events() {
    let store = TestStore::start(Single).await;
    let app = App::builder().on_store(&store).parameter("RetentionDays", "3").start().await;
    let (alice, bob) = (app.user_called("alice"), app.user_called("bob"));
    let mut raw = store.connect().await;
    let mut old = Vec::new();
    for number in 1..=5 {
        old.push(enter_old_message(&mut raw, ["alice", "bob"], 4, number).await);
    }
    // Nothing was sent since, and yet nothing old is read.
    let queries = ["", "user=alice", "user=bob", "user=alice&with=bob", "user=bob&with=alice"];
    for query in queries {
        let reply = app.get(&format!("/messages?limit=2&{query}")).await;
        assert_eq!((reply.status, reply.text()), (200, "[]"), "{query}");
        assert_eq!(reply.headers.get("link"), None, "{query}");
    }

    let mut sent = Vec::new();
    for text in ["one", "two", "three"] {
        sent.push(alice.post_message(&bob, text).await);
    }
    let before_all = MessageId::lowest_at(lambda_time(0)).to_string();
    for query in queries {
        assert_eq!(app.list(query).await, sent, "{query}");
        assert_eq!(app.list(&format!("limit=2&{query}")).await, sent[1..], "{query}");
        let from_the_first = format!("limit=2&after={before_all}&{query}");
        assert_eq!(app.list(&from_the_first).await, sent[..2], "{query}");
        let before = format!("before={}&{query}", sent[0]["id"].as_str().expect("an id"));
        assert_eq!(app.list(&before).await, [Value::Null; 0], "{query}");
    }

    for (user, index) in [("alice", "to:bob"), ("bob", "from:alice")] {
        for (key, entries) in [("all", 3), (index, 3), ("conversations", 1)] {
            let key = format!("u:{{{user}}}:{key}");
            let count: i64 = raw.zcard(&key).await.expect("read");
            assert_eq!(count, entries, "{key}");
            let left: i64 = raw.ttl(&key).await.expect("read");
            assert!((1..=3 * DAY_SECONDS).contains(&left), "{key} stays {left} s");
        }
        let log = format!("u:{{{user}}}:events");
        let events: Vec<String> = raw.lrange(&log, 0, -1).await.expect("read");
        assert!(events.len() == 3 && events[0].starts_with("6-"), "{events:?}");
        let left: i64 = raw.ttl(&log).await.expect("read");
        assert!((1..=3 * DAY_SECONDS).contains(&left), "{log} stays {left} s");
    }
    let all: i64 = raw.zcard("all").await.expect("read");
    assert_eq!(all, 3);
    let stored: Vec<String> = raw.keys("m:*").await.expect("read");
    assert_eq!(stored.len(), 3);
    for key in stored {
        let left: i64 = raw.ttl(&key).await.expect("read");
        let kept = 3 * DAY_SECONDS + MARGIN_SECONDS;
        assert!((kept - 600..=kept).contains(&left), "{key} stays {left} s");
    }

    // A client that has not seen the old ones' events lists again; one that has goes on.
    let missed = app.get("/events?user=alice&since=2-ab").await;
    assert_eq!((missed.status, &missed.json()["code"]), (410, &"resync".into()));
    let position = app.get(&format!("/events?user={}", encoded("bob"))).await.json()["event_id"].clone();
    assert!(position.as_str().is_some_and(|position| position.starts_with("8-")), "{position}");
    for id in old {
        assert_eq!(app.get(&format!("/messages/{id}")).await.status, 404);
    }
}
