//! `GET /conversations` and `PUT /conversations/{peer}/read`: what is listed; `marks`: what is unread.

mod marks;

use std::collections::BTreeSet;

use futures_util::future::join_all;
use hyper::Method;
use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{self, SecureCluster, Single};
use support::{ApiClient, App, Device, Message, Reply, User, encoded};

/// Whether users say who they are, or show it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Open,
    Guarded,
}

use Mode::{Guarded, Open};

async fn app(mode: Mode, store: StoreKind) -> App {
    match mode {
        Open => App::open_on(store).await,
        Guarded => App::guarded_on(store).await,
    }
}

/// A user who sends and reads as the mode of the gateway asks for.
struct Person {
    mode: Mode,
    user: User,
    client: ApiClient,
}

impl Person {
    fn called(app: &App, mode: Mode, user: User) -> Self {
        let client = if mode == Open { app.client(None) } else { app.sign_in(&user) };
        Self { mode, user, client }
    }

    fn new(app: &App, mode: Mode, name: &str) -> Self {
        Self::called(app, mode, app.user(name))
    }

    fn key(&self) -> &str {
        &self.user.key
    }

    /// A path with this query, in open mode with the user's key in it.
    fn path(&self, path: &str, query: &str) -> String {
        let user = if self.mode == Open { format!("user={}", encoded(self.key())) } else { String::new() };
        format!("{path}?{user}&{query}")
    }

    async fn post(&self, to: &Person, content: &str) -> Message {
        let draft = json!({ "sender_id": self.key(), "receiver_id": to.key(), "content": content });
        self.client.send(Method::POST, "/messages", draft).await.data()
    }

    async fn edit(&self, message: &Message, content: &str) -> Message {
        let path = format!("/messages/{}", id(message));
        self.client.send(Method::PUT, &path, json!({ "content": content })).await.data()
    }

    async fn delete(&self, message: &Message) {
        let reply = self.client.send(Method::DELETE, &format!("/messages/{}", id(message)), None).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    async fn conversations(&self) -> Vec<Value> {
        let reply = self.client.get(&self.path("/conversations", "")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        listed(&reply)
    }

    async fn try_mark(&self, with: &Person, body: Value) -> Reply {
        let path = format!("/conversations/{}/read", encoded(with.key()));
        self.client.send(Method::PUT, &self.path(&path, ""), body).await
    }

    /// Marks everything up to a message as read; returns what is unread then.
    async fn mark(&self, with: &Person, id: &str) -> u64 {
        unread(&self.try_mark(with, json!({ "message_id": id })).await)
    }

    async fn connect(&self) -> Device {
        if self.mode == Open { self.user.connect().await } else { self.client.register().await }
    }
}

fn id(message: &Message) -> &str {
    message["id"].as_str().expect("a message has an id")
}

fn listed(reply: &Reply) -> Vec<Value> {
    match reply.json() {
        Value::Array(listed) => listed,
        other => panic!("not an array: {other}"),
    }
}

#[track_caller]
fn unread(reply: &Reply) -> u64 {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let unread = reply.json()["unread"].as_u64().expect("a number");
    assert_eq!(reply.text(), format!(r#"{{"unread":{unread}}}"#));
    unread
}

/// The unread counts of the conversations, the latest first.
fn unreads(listed: &[Value]) -> Vec<u64> {
    listed.iter().map(|entry| entry["unread"].as_u64().expect("a number")).collect()
}

fn entry(
    with: &Person,
    last: &Message,
    unread: u64,
    read: Option<&Message>,
    by_peer: Option<&Message>,
) -> Value {
    json!({
        "with": with.key(), "last_message": last, "unread": unread,
        "read": read.map(id), "read_by_peer": by_peer.map(id),
    })
}

fn frame_of(reader: &Person, with: &Person, id: &str) -> String {
    format!(
        r#"{{"type":"read","data":{{"reader":"{}","with":"{}","message_id":"{id}"}}}}"#,
        reader.key(),
        with.key()
    )
}

#[rstest]
#[case(Open, Single)]
#[case(Open, SecureCluster)]
#[case(Guarded, SecureCluster)]
#[tokio::test]
async fn conversations_are_listed_the_latest_first(#[case] mode: Mode, #[case] store: StoreKind) {
    let app = app(mode, store).await;
    let [alice, bob, carol, dave] =
        ["alice", "bob", "carol", "dave"].map(|name| Person::new(&app, mode, name));
    assert_eq!(alice.conversations().await, [] as [Value; 0]);
    let first = alice.post(&bob, "to bob").await;
    let second = carol.post(&alice, "from carol").await;
    let third = dave.post(&alice, "from dave").await;
    assert_eq!(
        alice.conversations().await,
        [
            entry(&dave, &third, 1, None, None),
            entry(&carol, &second, 1, None, None),
            entry(&bob, &first, 0, None, None)
        ]
    );
    let fourth = bob.post(&alice, "to alice").await;
    let edited = carol.edit(&second, "edited").await;
    assert_eq!(
        alice.conversations().await,
        [
            entry(&bob, &fourth, 1, None, None),
            entry(&dave, &third, 1, None, None),
            entry(&carol, &edited, 1, None, None)
        ]
    );
    assert_eq!(bob.conversations().await, [entry(&alice, &fourth, 1, None, None)]);
}

#[tokio::test]
async fn an_entry_has_exactly_these_fields_in_this_order() {
    let app = App::open().await;
    let (alice, bob) = (Person::new(&app, Open, "alice"), Person::new(&app, Open, "bob"));
    let sent = app
        .post("/messages", json!({ "sender_id": alice.key(), "receiver_id": bob.key(), "content": "x", "client_id": "1", "metadata": { "z": 1, "a": 2 } }).to_string())
        .await;
    let message = sent.text().strip_prefix(r#"{"message":"Message created","data":"#).expect("a message");
    let message = message.strip_suffix('}').expect("the end");
    let reply = app.get(&bob.path("/conversations", "")).await;
    let expected = format!(
        r#"[{{"with":"{}","last_message":{message},"unread":1,"read":null,"read_by_peer":null}}]"#,
        alice.key()
    );
    assert_eq!(reply.text(), expected);
    assert_eq!((reply.header("content-type"), reply.header("link")), ("application/json", ""));
}

#[rstest]
#[case(Open)]
#[case(Guarded)]
#[tokio::test]
async fn any_user_key_can_be_named(#[case] mode: Mode) {
    let app = app(mode, SecureCluster).await;
    let alice = Person::new(&app, mode, "alice");
    for name in ["b😀b", "a&b=c", "50%", "%2F", "{x}", "a b+c", "\"", "é"] {
        let bob = Person::new(&app, mode, name);
        let message = bob.post(&alice, "1").await;
        assert_eq!(alice.mark(&bob, id(&message)).await, 0, "{name}");
        assert_eq!(alice.conversations().await[0], entry(&bob, &message, 0, Some(&message), None), "{name}");
    }
    for name in ["a/b", "/", ".", "..", "-", "x"] {
        let bob = Person::called(&app, mode, app.user_called(name));
        let message = bob.post(&alice, "1").await;
        let path = alice.path("/conversations/-/read", &format!("peer={}", encoded(name)));
        let reply = alice.client.send(Method::PUT, &path, json!({ "message_id": id(&message) })).await;
        assert_eq!(unread(&reply), 0, "{name}");
        assert_eq!(alice.conversations().await[0], entry(&bob, &message, 0, Some(&message), None), "{name}");
    }
    // Without a `peer`, a user of that name; with one elsewhere than beside `-`, the path counts.
    let dash = Person::called(&app, mode, app.user_called("-"));
    let message = dash.post(&alice, "2").await;
    assert_eq!(alice.mark(&dash, id(&message)).await, 0);
    assert_eq!(alice.conversations().await[0], entry(&dash, &message, 0, Some(&message), None));
    let bob = Person::new(&app, mode, "bob");
    let message = bob.post(&alice, "3").await;
    let path = alice.path(&format!("/conversations/{}/read", encoded(bob.key())), "peer=carol");
    let reply = alice.client.send(Method::PUT, &path, json!({ "message_id": id(&message) })).await;
    assert_eq!(unread(&reply), 0);
    assert_eq!(alice.conversations().await[0]["read"], id(&message));

    let sentence = "peer must be a user key: 1 to 128 bytes, no control characters";
    for (peer, query) in [("-", "peer="), ("-", "peer=%00"), ("a%0Ab", ""), (&"x".repeat(129), "")] {
        let path = alice.path(&format!("/conversations/{peer}/read"), query);
        let reply = alice.client.send(Method::PUT, &path, json!({ "message_id": id(&message) })).await;
        reply.assert_refused(400, "invalid_request", sentence);
    }
}

#[rstest]
#[case(Open, Single)]
#[case(Guarded, SecureCluster)]
#[tokio::test]
async fn a_deleted_last_message_gives_way_to_the_one_before(#[case] mode: Mode, #[case] store: StoreKind) {
    let app = app(mode, store).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| Person::new(&app, mode, name));
    let first = alice.post(&bob, "1").await;
    let other = carol.post(&alice, "2").await;
    let last = bob.post(&alice, "3").await;
    bob.delete(&last).await;
    assert_eq!(
        alice.conversations().await,
        [entry(&carol, &other, 1, None, None), entry(&bob, &first, 0, None, None)]
    );
    alice.delete(&first).await;
    assert_eq!(alice.conversations().await, [entry(&carol, &other, 1, None, None)]);
    assert_eq!(bob.conversations().await, [] as [Value; 0]);
    let again = alice.post(&bob, "4").await;
    assert_eq!(bob.conversations().await, [entry(&alice, &again, 1, None, None)]);
}

#[rstest]
#[case(Open, Single)]
#[case(Guarded, SecureCluster)]
#[tokio::test]
async fn going_on_page_by_page_shows_every_conversation_once(#[case] mode: Mode, #[case] store: StoreKind) {
    let app = app(mode, store).await;
    let alice = Person::new(&app, mode, "al&ice>");
    let peers: Vec<_> = (0..7).map(|turn| Person::new(&app, mode, &format!("p{turn}"))).collect();
    for peer in &peers {
        peer.post(&alice, "hello").await;
    }
    let mut path = alice.path("/conversations", "limit=3");
    let mut pages = Vec::new();
    for _ in 0..4 {
        let reply = alice.client.get(&path).await;
        pages.push(listed(&reply).iter().map(|entry| entry["with"].clone()).collect::<Vec<_>>());
        let link = reply.header("link");
        let Some((target, relation)) = link.strip_prefix('<').and_then(|link| link.split_once(">; ")) else {
            break;
        };
        assert_eq!(relation, r#"rel="prev""#);
        path = target.to_owned();
    }
    let keys: Vec<_> = peers.iter().rev().map(|peer| json!(peer.key())).collect();
    assert_eq!(pages, [&keys[..3], &keys[3..6], &keys[6..]]);

    let whole = alice.client.get(&alice.path("/conversations", "limit=7")).await;
    assert_eq!((listed(&whole).len(), whole.header("link")), (7, ""));
    let last = listed(&whole)[3]["last_message"]["id"].clone();
    let below = alice
        .client
        .get(&alice.path("/conversations", &format!("before={}", last.as_str().expect("an id"))))
        .await;
    assert_eq!(listed(&below), listed(&whole)[4..]);
}

#[tokio::test]
async fn fifty_are_listed_unless_asked_for_others() {
    let app = App::open_on(SecureCluster).await;
    let alice = Person::new(&app, Open, "alice");
    let peers: Vec<_> = (0..51).map(|turn| Person::new(&app, Open, &format!("p{turn}"))).collect();
    join_all(peers.iter().map(|peer| peer.post(&alice, "hello"))).await;
    let reply = alice.client.get(&alice.path("/conversations", "")).await;
    assert_eq!(listed(&reply).len(), 50);
    assert!(!reply.header("link").is_empty());
    assert_eq!(listed(&alice.client.get(&alice.path("/conversations", "limit=200")).await).len(), 51);
}

#[tokio::test]
async fn a_page_ends_at_5_mb() {
    let app = App::open_on(SecureCluster).await;
    let alice = Person::new(&app, Open, "alice");
    // Six bytes of JSON each, and seven as escaped into the function's answer.
    let content = "\u{1}".repeat(16_384);
    let peers: Vec<_> = (0..60).map(|turn| Person::new(&app, Open, &format!("p{turn}"))).collect();
    for several in peers.chunks(10) {
        join_all(several.iter().map(|peer| peer.post(&alice, &content))).await;
    }
    let (mut path, mut seen) = (alice.path("/conversations", "limit=200"), BTreeSet::new());
    let mut pages = 0;
    loop {
        let reply = alice.client.get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let escaped = serde_json::to_string(reply.text()).expect("a text").len();
        assert!(escaped < 5_200_000, "{escaped}");
        for entry in listed(&reply) {
            assert_eq!((&entry["last_message"]["content"], &entry["unread"]), (&json!(content), &json!(1)));
            assert!(seen.insert(entry["with"].to_string()), "listed twice");
        }
        pages += 1;
        let Some((target, _)) = reply.header("link").strip_prefix('<').and_then(|link| link.split_once('>'))
        else {
            break;
        };
        path = target.to_owned();
    }
    assert_eq!(seen.len(), 60);
    assert_eq!(pages, 2);
}

#[tokio::test]
async fn a_bad_query_is_refused() {
    let app = App::open().await;
    let alice = Person::new(&app, Open, "alice");
    let limit = "limit must be a number from 1 to 200";
    let cursor = "before must be a message id";
    for (query, sentence) in [
        ("limit=0", limit),
        ("limit=201", limit),
        ("limit=", limit),
        ("limit=ten", limit),
        ("before=", cursor),
        ("before=1", cursor),
        ("before=undefined", cursor),
    ] {
        let reply = app.get(&alice.path("/conversations", query)).await;
        reply.assert_refused(400, "invalid_request", sentence);
    }
    let user = "user must be a user key: 1 to 128 bytes, no control characters";
    app.get("/conversations?user=").await.assert_refused(400, "invalid_request", user);
    app.get("/conversations").await.assert_refused(400, "invalid_request", "user is required");
    let mark = |path: &'static str| app.put(path, json!({ "message_id": uuid::Uuid::now_v7() }).to_string());
    mark("/conversations/bob/read").await.assert_refused(400, "invalid_request", "user is required");
    mark("/conversations/bob/read?user=%00").await.assert_refused(400, "invalid_request", user);
}

#[tokio::test]
async fn a_signed_in_user_has_ones_own_alone() {
    let app = App::guarded_on(SecureCluster).await;
    let (alice, bob) = (Person::new(&app, Guarded, "alice"), Person::new(&app, Guarded, "bob"));
    let message = bob.post(&alice, "1").await;
    let sentence = "That is another user's own";
    let of_alice = format!("user={}", encoded(alice.key()));
    let reply = bob.client.get(&format!("/conversations?{of_alice}")).await;
    reply.assert_refused(403, "forbidden", sentence);
    let path = format!("/conversations/{}/read?{of_alice}", encoded(bob.key()));
    let reply = bob.client.send(Method::PUT, &path, json!({ "message_id": id(&message) })).await;
    reply.assert_refused(403, "forbidden", sentence);
    let listed = alice.client.get(&format!("/conversations?{of_alice}")).await;
    assert_eq!(listed.json(), json!([entry(&bob, &message, 1, None, None)]), "nothing was marked");
}
