//! `GET /events`: what changed for a user since a position.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};
use hyper::Method;
use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Message, Reply, User, encoded, root};

/// Most events that a log holds.
const LOG_LENGTH: usize = 1000;

async fn read(app: &App, user: &User, query: &str) -> Reply {
    app.get(&format!("/events?user={}{query}", encoded(&user.key))).await
}

/// The present position.
async fn position(app: &App, user: &User) -> String {
    text(&read(app, user, "").await.json()["event_id"])
}

/// All events since a position, in pages of at most so many; each goes on where the one before ended.
async fn pages(app: &App, user: &User, since: &str, limit: usize) -> Vec<Vec<Value>> {
    let (mut since, mut pages) = (since.to_owned(), Vec::new());
    loop {
        let reply = read(app, user, &format!("&since={since}&limit={limit}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page = reply.json();
        let events = page["events"].as_array().expect("events").clone();
        let more = page["more"].as_bool().expect("more");
        since = text(&page["event_id"]);
        if more {
            assert_eq!(events.last().expect("a page with more has events")["event_id"], since.as_str());
        }
        pages.push(events);
        if !more {
            assert_eq!(since, position(app, user).await, "the last page leads to the end");
            return pages;
        }
    }
}

async fn events(app: &App, user: &User, since: &str) -> Vec<Value> {
    pages(app, user, since, LOG_LENGTH).await.concat()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn id(message: &Message) -> String {
    text(&message["id"])
}

fn number(event: &Value) -> u64 {
    text(&event["event_id"]).split_once('-').expect("a number and a tag").0.parse().expect("a number")
}

/// An event without its id, which is each user's own.
fn change(event: &Value) -> Value {
    json!({ "type": event["type"], "data": event["data"] })
}

fn deleted(message: &Message) -> Value {
    json!({ "type": "delete_message", "data": { "id": message["id"] } })
}

#[rstest]
#[tokio::test]
async fn without_a_position_the_present_one_is_told_and_no_event(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let reply = read(&app, &alice, "").await;
    assert_eq!((reply.status, reply.text()), (200, r#"{"events":[],"event_id":"0-0","more":false}"#));
    assert_eq!(reply.header("content-type"), "application/json");

    let mut phone = alice.connect().await;
    alice.post_message(&bob, "hello").await;
    let event_id = phone.next().await["event_id"].clone();
    let reply = read(&app, &alice, "").await;
    assert_eq!(reply.json(), json!({ "events": [], "event_id": event_id, "more": false }));
    assert_eq!(app.connect().await.register(&alice.key).await["event_id"], event_id);
}

#[rstest]
#[tokio::test]
async fn an_event_is_told_as_connections_were_told_it(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    for user in [&alice, &bob] {
        let mut phone = user.connect().await;
        let before = position(&app, user).await;
        let message = alice.post_message(&bob, "hello").await;
        let created = phone.next_text().await;
        let event_id = position(&app, user).await;
        let reply = read(&app, user, &format!("&since={before}")).await;
        let expected = format!(r#"{{"events":[{created}],"event_id":"{event_id}","more":false}}"#);
        assert_eq!((reply.status, reply.text()), (200, expected.as_str()));

        alice.edit_message(&message, "bye").await;
        let edited = phone.next().await;
        assert_eq!(events(&app, user, &event_id).await, [edited]);
        let event_id = position(&app, user).await;
        alice.delete_message(&message).await;
        let gone = phone.next().await;
        assert_eq!(events(&app, user, &event_id).await, [gone]);
        assert_eq!(events(&app, user, &position(&app, user).await).await, [Value::Null; 0]);
    }
}

#[tokio::test]
async fn each_message_is_told_once_as_its_last_event_in_its_present_state() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let kept = alice.post_message(&bob, "kept").await;
    let edited_later = bob.post_message(&alice, "edited").await;
    let deleted_later = alice.post_message(&bob, "deleted").await;
    alice.edit_message(&deleted_later, "still here").await;
    let note = alice.post_message(&alice, "to myself").await;
    bob.edit_message(&edited_later, "once").await;
    alice.delete_message(&deleted_later).await;
    let edited = bob.edit_message(&edited_later, "twice").await;

    let told = events(&app, &bob, "0-0").await;
    assert!(told.is_sorted_by_key(number));
    let expected = [
        json!({ "type": "new_message", "data": kept }),
        deleted(&deleted_later),
        json!({ "type": "update_message", "data": edited }),
    ];
    assert_eq!(told.iter().map(change).collect::<Vec<_>>(), expected);

    let told = events(&app, &alice, "0-0").await;
    let expected =
        [&expected[..1], &[json!({ "type": "new_message", "data": note })], &expected[1..]].concat();
    assert_eq!(told.iter().map(change).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn page_by_page_each_message_is_told_once() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut messages = Vec::new();
    for turn in 0..7 {
        messages.push(alice.post_message(&bob, &turn.to_string()).await);
    }
    for message in &messages[2..5] {
        alice.edit_message(message, "edited").await;
    }
    alice.delete_message(&messages[0]).await;
    let pages = pages(&app, &bob, "0-0", 3).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    let told = pages.concat();
    assert!(told.is_sorted_by_key(number));
    let order = [1, 5, 6, 2, 3, 4, 0].map(|place: usize| id(&messages[place]));
    assert_eq!(told.iter().map(|event| id(&event["data"])).collect::<Vec<_>>(), order);
    assert_eq!(told, events(&app, &bob, "0-0").await, "pages differ from the whole");
}

#[tokio::test]
async fn what_changes_between_two_pages_is_told_on_a_later_one() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let first = alice.post_message(&bob, "first").await;
    let second = alice.post_message(&bob, "second").await;
    let page = read(&app, &bob, "&since=0-0&limit=1").await.json();
    assert_eq!((&page["events"][0]["data"], &page["more"]), (&first, &json!(true)));
    let edited = alice.edit_message(&first, "edited").await;
    let rest = events(&app, &bob, &text(&page["event_id"])).await;
    assert_eq!(rest.iter().map(|event| &event["data"]).collect::<Vec<_>>(), [&second, &edited]);
}

#[tokio::test]
async fn a_page_of_events_is_never_larger_than_a_function_may_answer() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let posted = alice.post_largest_messages(&bob, 60).await;
    let pages = pages(&app, &bob, "0-0", LOG_LENGTH).await;
    assert!(pages.len() > 1, "one page held all");
    for page in &pages {
        let escaped = serde_json::to_string(&Value::from(page.clone()).to_string()).expect("a string");
        assert!(escaped.len() < 5_100_000, "a page of {} bytes", escaped.len());
    }
    let told: Vec<_> = pages.concat().iter().map(|event| event["data"].clone()).collect();
    assert!(told == posted, "pages overlap or miss something");
}

fn assert_resync(reply: &Reply, position: &str) {
    let expected = format!(
        r#"{{"error":"Events since then are not known, list the messages again","code":"resync","event_id":"{position}"}}"#
    );
    assert_eq!((reply.status, reply.text()), (410, expected.as_str()));
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_position_that_the_log_never_held_is_answered_with_the_present_one() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    for unknown in ["0-1", "1-0", "1-00ff00ff00", "9007199254740993-1", "9999999999999999-1"] {
        assert_resync(&read(&app, &alice, &format!("&since={unknown}")).await, "0-0");
    }
    alice.post_message(&bob, "hello").await;
    let present = position(&app, &alice).await;
    let (number, tag) = present.split_once('-').expect("a number and a tag");
    let another_tag: String = tag.chars().rev().map(|digit| if digit == '0' { '1' } else { '0' }).collect();
    for unknown in [format!("{number}-{another_tag}"), format!("2-{tag}"), "0-1".to_owned()] {
        assert_resync(&read(&app, &alice, &format!("&since={unknown}")).await, &present);
    }
    let elsewhere = position(&app, &bob).await;
    assert_resync(&read(&app, &alice, &format!("&since={elsewhere}")).await, &present);
}

#[tokio::test]
async fn the_log_holds_the_last_thousand_events() {
    let app = App::open().await;
    let alice = app.user("alice");
    for _ in 0..10 {
        join_all((0..LOG_LENGTH / 10).map(|_| alice.post_message(&alice, "note"))).await;
    }
    let told = events(&app, &alice, "0-0").await;
    assert_eq!(told.iter().map(number).collect::<Vec<_>>(), (1..=1000).collect::<Vec<_>>());
    let [first, second] = [0, 1].map(|place: usize| text(&told[place]["event_id"]));

    let message = alice.post_message(&alice, "one more").await;
    let present = position(&app, &alice).await;
    for too_old in ["0-0", &first] {
        assert_resync(&read(&app, &alice, &format!("&since={too_old}")).await, &present);
    }
    let told = events(&app, &alice, &second).await;
    assert_eq!((told.len(), &told[998]["data"]), (999, &message));
    let told = read(&app, &alice, &format!("&since={second}")).await.json();
    assert_eq!(told["events"].as_array().map(Vec::len), Some(200), "without a limit");
}

#[tokio::test]
async fn a_query_is_checked() {
    let app = App::open().await;
    let alice = app.user("alice");
    for bad in ["", "1", "-", "1-", "-1", "1-g", "1-1-1", "+1-1", "1-+1", "１-1", "x-1", "1.0-1", "%00-1"] {
        let reply = read(&app, &alice, &format!("&since={}", bad.replace('+', "%2B"))).await;
        reply.assert_refused(400, "invalid_request", "since must be an event_id");
    }
    for bad in ["0", "1001", "-1", "x", ""] {
        let reply = read(&app, &alice, &format!("&limit={bad}")).await;
        reply.assert_refused(400, "invalid_request", "limit must be a number from 1 to 1000");
    }
    app.get("/events").await.assert_refused(400, "invalid_request", "user is required");
    let no_key = "user must be a user key: 1 to 128 bytes, no control characters";
    app.get("/events?user=").await.assert_refused(400, "invalid_request", no_key);
    let reply = read(&app, &alice, "&since=x&since=0-0&limit=0&limit=5&unknown=1").await;
    assert_eq!(reply.status, 200, "of a repeated parameter the last counts: {}", reply.text());
}

#[tokio::test]
async fn one_reads_ones_own_events_only() {
    let app = App::guarded_on(SecureCluster).await;
    let (alice, bob, mallory) = (app.user("alice"), app.user("bob"), app.user("mallory"));
    let message = app.sign_in(&alice).post_message(&bob, "hello").await;
    for user in [&alice, &bob] {
        let reply = app.sign_in(user).get("/events?since=0-0").await;
        assert_eq!(reply.json()["events"][0]["data"], message);
        let named = app.sign_in(user).get(&format!("/events?since=0-0&user={}", encoded(&user.key))).await;
        assert_eq!(named.text(), reply.text());
    }
    let stranger = app.sign_in(&mallory);
    assert_eq!(stranger.get("/events?since=0-0").await.json()["events"], json!([]));
    let reply = stranger.get(&format!("/events?since=0-0&user={}", encoded(&alice.key))).await;
    reply.assert_refused(403, "forbidden", "That is another user's own");
}

#[tokio::test]
async fn edits_and_a_delete_at_once_are_told_as_one_delete() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    for turn in 0..20 {
        let message = alice.post_message(&bob, &turn.to_string()).await;
        let before = [position(&app, &alice).await, position(&app, &bob).await];
        let edits = (0..4).map(|_| alice.try_edit_message(&message, "edited"));
        let deletes = (0..3).map(|_| alice.try_delete_message(&message));
        let (_, replies) = join(join_all(edits), join_all(deletes)).await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
        for (user, before) in [&alice, &bob].into_iter().zip(before) {
            let told = events(&app, user, &before).await;
            assert_eq!(told.iter().map(change).collect::<Vec<_>>(), [deleted(&message)]);
        }
    }
}

/// A client's messages, with events applied as the protocol says.
#[derive(Clone, Debug, Default, PartialEq)]
struct Held {
    messages: BTreeMap<String, Message>,
    deleted: BTreeSet<String>,
}

impl Held {
    fn of(messages: Vec<Message>) -> Self {
        let messages = messages.into_iter().map(|message| (id(&message), message)).collect();
        Self { messages, deleted: BTreeSet::new() }
    }

    fn apply(&mut self, event: &Value) {
        let id = id(&event["data"]);
        if event["type"] == "delete_message" {
            self.messages.remove(&id);
            self.deleted.insert(id);
        } else if !self.deleted.contains(&id) {
            self.messages.insert(id, event["data"].clone());
        }
    }
}

/// The functions that may change what `GET /messages` shows, by what their folder is called.
const CHANGING: [&str; 3] = ["create-message", "delete-message", "update-message"];

/// Functions that change no message.
const OTHERS: [&str; 17] = [
    "connect",
    "create-ticket",
    "default",
    "disconnect",
    "end-call",
    // It deletes as `delete-message` does; `erasure.rs` says who hears of it.
    "erase-me",
    "export-me",
    "get-call",
    "get-message",
    "ice-servers",
    "list-calls",
    "list-conversations",
    "list-events",
    "list-messages",
    "mark-read",
    "register",
    "signaling",
];

#[test]
fn every_function_is_known_to_change_messages_or_not_to() {
    let folders = std::fs::read_dir(root().join("functions")).expect("the functions");
    let folders: BTreeSet<_> =
        folders.map(|entry| entry.expect("a folder").file_name().into_string().expect("UTF-8")).collect();
    let known = CHANGING.iter().chain(&OTHERS).map(|name| (*name).to_owned());
    assert_eq!(folders, known.collect(), "what does the new function change, and is it told?");
}

/// A request to a function that changes messages.
#[derive(Debug)]
struct Change {
    function: &'static str,
    method: Method,
    body: Value,
}

#[rstest]
#[tokio::test]
async fn the_state_before_and_the_events_since_make_the_state_after(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let draft = |receiver: &User, content: &str| json!({ "sender_id": alice.key, "receiver_id": receiver.key, "content": content });
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let named = |content| with(draft(&bob, content), "client_id", json!("name"));
    let create = |body| Change { function: "create-message", method: Method::POST, body };
    let update = |body| Change { function: "update-message", method: Method::PUT, body };
    let delete = || Change { function: "delete-message", method: Method::DELETE, body: Value::Null };
    // Each is about the message that the last successful create made.
    let changes = [
        create(draft(&alice, "to myself")),
        update(json!({ "content": "edited" })),
        delete(),
        create(draft(&bob, "hello")),
        update(json!({ "content": "edited", "metadata": { "a": 1 } })),
        update(json!({ "content": "edited again", "metadata": null })),
        update(json!({ "content": "" })),
        delete(),
        delete(),
        update(json!({ "content": "back" })),
        create(with(draft(&bob, "with metadata"), "metadata", json!({ "b": [] }))),
        create(draft(&bob, "")),
        create(named("once")),
        create(named("once")),
        update(json!({ "content": "edited" })),
        create(named("once")),
        create(named("another")),
        delete(),
        create(named("once")),
    ];
    let used: BTreeSet<_> = changes.iter().map(|change| change.function).collect();
    assert_eq!(used, CHANGING.into());

    let mut message = String::new();
    let mut statuses = Vec::new();
    for change in changes {
        let users = [&alice, &bob];
        let before = join_all(
            users.map(async |user| (position(&app, user).await, Held::of(user.list_messages().await))),
        );
        let before = before.await;
        let path = if change.method == Method::POST { "/messages" } else { &format!("/messages/{message}") };
        let reply = app.send(change.method.clone(), path, change.body.to_string()).await;
        statuses.push(reply.status);
        if reply.status == 201 {
            message = id(&reply.data());
        }
        for (user, (position, mut held)) in users.into_iter().zip(before) {
            for event in events(&app, user, &position).await {
                held.apply(&event);
            }
            let after = Held::of(user.list_messages().await);
            assert_eq!(held.messages, after.messages, "{change:?} at {}", user.key);
        }
    }
    let expected =
        [201, 200, 200, 201, 200, 200, 400, 200, 404, 404, 201, 400, 201, 201, 200, 201, 422, 200, 201];
    assert_eq!(statuses, expected);
}
