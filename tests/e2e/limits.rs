//! Limits per user and per connection: what is refused, how, for how long, and what never is.

use std::collections::BTreeSet;
use std::time::Instant;

use futures_util::future::join_all;
use hyper::Method;
use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{SecureCluster, Single};
use support::{ApiClient, App, Device, Message, Reply, TestStore, User, wait_until};

/// A limit as the template's parameter and the functions' variable have it.
const MESSAGES: (&str, &str) = ("MessagesPerSecond", "MESSAGES_PER_SECOND");
const REGISTERS: (&str, &str) = ("RegistersPerMinute", "REGISTERS_PER_MINUTE");
const FRAMES: (&str, &str) = ("FramesPerSecond", "FRAMES_PER_SECOND");

async fn guarded(limit: (&str, &str), number: &str) -> App {
    App::builder().on(SecureCluster).guarded().parameter(limit.0, number).start().await
}

async fn open(store: &TestStore, limit: (&str, &str), number: &str) -> App {
    App::builder().on_store(store).environment(limit.1, number).start().await
}

fn path(message: &Message) -> String {
    format!("/messages/{}", message["id"].as_str().expect("an id"))
}

#[track_caller]
fn assert_limited(reply: &Reply, most_seconds: u64) {
    reply.assert_refused(429, "rate_limited", "Too many requests, try again later");
    let seconds: u64 = reply.header("retry-after").parse().expect("a number");
    assert!((1..=most_seconds).contains(&seconds), "{seconds}");
}

/// Does something until it is refused; returns how often it was not.
async fn exhaust(mut attempt: impl AsyncFnMut() -> bool) -> usize {
    for done in 0..1000 {
        if !attempt().await {
            return done;
        }
    }
    panic!("never refused");
}

/// Fails unless a bucket of so many tokens gave this many since it was full, one an interval coming back.
#[track_caller]
fn assert_bucket(taken: usize, burst: usize, seconds_each: f64, since: Instant) {
    let most = burst + (since.elapsed().as_secs_f64() / seconds_each) as usize + 1;
    assert!((burst..=most).contains(&taken), "{taken} of {burst} to {most}");
}

async fn send(client: &ApiClient, to: &User, client_id: Option<&str>) -> Reply {
    let mut draft = json!({ "receiver_id": to.key, "content": "hello" });
    if let Some(client_id) = client_id {
        draft["client_id"] = json!(client_id);
    }
    client.send(Method::POST, "/messages", draft).await
}

#[tokio::test]
async fn sends_edits_and_deletes_share_one_bucket_of_their_user() {
    let app = guarded(MESSAGES, "1").await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (client, other) = (app.sign_in(&alice), app.sign_in(&bob));
    other.post_message(&alice, "starts the functions").await;

    let since = Instant::now();
    let message = client.post_message(&bob, "hello").await;
    let edit = json!({ "content": "edited" });
    let taken = exhaust(async || {
        let reply = client.send(Method::PUT, &path(&message), edit.clone()).await;
        if reply.status != 200 {
            assert_limited(&reply, 1);
        }
        reply.status == 200
    });
    assert_bucket(1 + taken.await, 4, 1.0, since);
    // A refused request changes nothing, and another user's bucket is another one.
    assert_eq!(send(&other, &alice, None).await.status, 201);
    assert_eq!(client.get(&path(&message)).await.json()["content"], "edited");

    // Reading is free, and a token comes back.
    wait_until("a token", async || {
        let reply = client.send(Method::DELETE, &path(&message), None).await;
        if reply.status != 200 {
            assert_limited(&reply, 1);
            assert_eq!(client.get(&path(&message)).await.status, 200);
        }
        reply.status == 200
    })
    .await;
    client.get(&path(&message)).await.assert_not_found();
}

#[rstest]
#[case("5", 20)]
#[case("1", 4)]
#[tokio::test]
async fn a_burst_is_four_seconds_worth_whatever_its_order(#[case] number: &str, #[case] burst: usize) {
    let app = guarded(MESSAGES, number).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (client, since) = (app.sign_in(&alice), Instant::now());
    let replies = join_all((0..40).map(|_| send(&client, &bob, None))).await;
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        assert_limited(reply, 1);
    }
    let sent = replies.iter().filter(|reply| reply.status == 201).count();
    assert_bucket(sent, burst, 4.0 / burst as f64, since);
}

/// The bucket outlives the time that it takes to fill, as long as it is used: its key expires when it is full.
#[tokio::test]
async fn who_goes_on_sending_gets_no_second_burst() {
    let app = guarded(MESSAGES, "10").await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (client, since) = (app.sign_in(&alice), Instant::now());
    let mut sent = 0;
    // Longer than it takes to fill; the condition that is waited for is the passing of this time.
    while since.elapsed().as_secs_f64() < 6.0 {
        let replies = join_all((0..4).map(|_| send(&client, &bob, None))).await;
        sent += replies.iter().filter(|reply| reply.status == 201).count();
    }
    let most = 40 + (since.elapsed().as_secs_f64() / 0.1) as usize + 1;
    assert!(sent <= most, "{sent} of {most}");
}

#[tokio::test]
async fn a_refused_send_leaves_nothing_and_a_repeat_counts() {
    let store = TestStore::start(Single).await;
    let app = open(&store, MESSAGES, "1").await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    let draft = |client_id: &str| {
        json!({ "sender_id": alice.key, "receiver_id": bob.key, "content": "x", "client_id": client_id })
            .to_string()
    };
    let post = async |client_id: &str| app.post("/messages", draft(client_id)).await;

    let since = Instant::now();
    let first = post("first").await.data();
    let repeats = exhaust(async || {
        let reply = post("first").await;
        if reply.status == 201 {
            assert_eq!((reply.data(), reply.header("idempotent-replayed")), (first.clone(), "true"));
        } else {
            assert_limited(&reply, 1);
        }
        reply.status == 201
    });
    assert_bucket(1 + repeats.await, 4, 1.0, since);

    let mut refused = BTreeSet::new();
    let mut accepted = 1;
    for turn in 0..20 {
        match post(&turn.to_string()).await.status {
            201 => accepted += 1,
            _ => drop(refused.insert(turn)),
        }
    }
    assert!(!refused.is_empty());
    let keys = async |pattern: &str| {
        let mut connection = store.connect().await;
        let keys: Vec<String> =
            redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.expect("it lists");
        keys.len()
    };
    assert_eq!(keys("*m:{*").await, accepted, "messages");
    assert_eq!(keys("*:sent:*").await, accepted, "claims");
    assert_eq!(alice.list_messages().await.len(), accepted);
    for _ in 0..accepted {
        phone.expect("new_message").await;
    }
    phone.expect_silence().await;

    // The name of a refused send is still free.
    let name = refused.first().expect("one was refused").to_string();
    wait_until("a token", async || {
        let reply = post(&name).await;
        assert_eq!(reply.header("idempotent-replayed"), "");
        reply.status == 201
    })
    .await;
}

#[tokio::test]
async fn nothing_is_limited_in_open_mode_or_where_the_limit_is_0() {
    let guarded = App::builder().guarded().start().await;
    let (alice, bob) = (guarded.user("alice"), guarded.user("bob"));
    let client = guarded.sign_in(&alice);
    let replies = join_all((0..100).map(|_| send(&client, &bob, None))).await;
    assert!(replies.iter().all(|reply| reply.status == 201));
    for _ in 0..40 {
        client.take_ticket().await;
    }

    let open = App::open().await;
    let (alice, bob) = (open.user("alice"), open.user("bob"));
    let replies = join_all((0..100).map(|_| alice.try_post_message(&bob, "hello"))).await;
    assert!(replies.iter().all(|reply| reply.status == 201));
    let (mut phone, mut target) = (alice.connect().await, bob.connect().await);
    for _ in 0..40 {
        phone.register(&alice.key).await;
    }
    for _ in 0..300 {
        phone.send(json!({ "type": "typing", "target": bob.key })).await;
    }
    target.expect_many("typing", 300).await;
    phone.expect_silence().await;
}

#[tokio::test]
async fn deletes_work_while_the_store_is_full() {
    let store = TestStore::start(Single).await;
    let app = App::builder().on_store(&store).guarded().parameter(MESSAGES.0, "5").start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let client = app.sign_in(&alice);
    let message = client.post_message(&bob, "hello").await;
    let mut admin = store.connect().await;
    let mut fill = async |bytes: &str| {
        let set = redis::cmd("CONFIG").arg(&["SET", "maxmemory", bytes]).take();
        set.exec_async(&mut admin).await.expect("it takes the setting");
    };
    fill("1").await;
    send(&client, &bob, None).await.assert_unavailable();
    let edit = json!({ "content": "edited" });
    client.send(Method::PUT, &path(&message), edit).await.assert_unavailable();
    assert_eq!(client.get(&path(&message)).await.json(), message);
    assert_eq!(client.send(Method::DELETE, &path(&message), None).await.status, 200);
    fill("0").await;
    client.get(&path(&message)).await.assert_not_found();
    assert_eq!(send(&client, &bob, None).await.status, 201);
    assert_eq!(client.get("/messages").await.json().as_array().map(Vec::len), Some(1), "nothing half done");
}

/// Sends that many frames of this type, all at once.
async fn flood(device: &mut Device, kind: &str, target: &User, count: usize) {
    for number in 0..count {
        let frame = json!({ "type": kind, "target": target.key, "data": null, "ref": number.to_string() });
        device.send(frame).await;
    }
}

#[rstest]
#[case(true)]
#[case(false)]
#[tokio::test]
async fn frames_beyond_the_limit_are_answered_and_those_that_need_no_store_do_not_count(
    #[case] is_open: bool,
) {
    let store = TestStore::start(Single).await;
    let app = match is_open {
        true => open(&store, FRAMES, "1").await,
        false => App::builder().on_store(&store).guarded().parameter(FRAMES.0, "1").start().await,
    };
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let connect = async |user: &User| {
        if is_open { user.connect().await } else { app.sign_in(user).register().await }
    };
    let mut target = connect(&bob).await;
    let since = Instant::now();
    let mut phone = connect(&alice).await;
    // None of these counts.
    for kind in ["ping", "new_message", "update_message", "delete_message", "no such type"] {
        flood(&mut phone, kind, &bob, 20).await;
    }
    phone.expect_many("pong", 20).await;
    phone.expect_many("error", 20).await;

    flood(&mut phone, "typing", &bob, 40).await;
    // Every frame is either relayed or answered.
    let (mut relayed, mut refused) = (BTreeSet::new(), BTreeSet::new());
    while relayed.len() + refused.len() < 40 {
        tokio::select! {
            frame = target.expect("typing") => { relayed.insert(frame["ref"].to_string()); }
            mut error = phone.expect("error") => {
                let seconds = error["retry_after"].take();
                assert_eq!(seconds, 1);
                refused.insert(error["ref"].take().to_string());
                assert_eq!(
                    error,
                    json!({
                        "type": "error", "error": "Too many requests, try again later", "code": "rate_limited",
                        "retry_after": null, "request_type": "typing", "target": bob.key, "ref": null,
                    })
                );
            }
        }
    }
    assert!(relayed.is_disjoint(&refused));
    // The register was one.
    assert_bucket(1 + relayed.len(), 10, 1.0, since);

    // An end_call is never refused, with or without the id of its call; nor is another connection.
    for number in 0..30 {
        let mut end = json!({ "type": "end_call", "target": bob.key });
        if number % 2 == 0 {
            end["call_id"] = json!(format!("call-{number:04}"));
        }
        phone.send(end).await;
    }
    phone.expect_silence().await;
    let mut laptop = connect(&alice).await;
    laptop.send(json!({ "type": "typing", "target": bob.key })).await;
    target.expect("typing").await;
}

#[tokio::test]
async fn a_token_for_a_frame_comes_back() {
    let store = TestStore::start(Single).await;
    let app = open(&store, FRAMES, "1").await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut target) = (alice.connect().await, bob.connect().await);
    let seconds = loop {
        phone.send(json!({ "type": "typing", "target": bob.key })).await;
        let frame: Value = tokio::select! {
            frame = target.expect("typing") => frame,
            error = phone.expect("error") => error,
        };
        if frame["code"] == "rate_limited" {
            break frame["retry_after"].as_u64().expect("a number");
        }
    };
    assert_eq!(seconds, 1);
    loop {
        phone.send(json!({ "type": "typing", "target": bob.key })).await;
        let frame: Value = tokio::select! {
            frame = target.expect("typing") => frame,
            error = phone.expect("error") => error,
        };
        if frame["type"] == "typing" {
            break;
        }
    }
}

#[tokio::test]
async fn registers_and_tickets_share_one_bucket_of_their_user() {
    let app = guarded(REGISTERS, "2").await;
    let alice = app.user("alice");
    let client = app.sign_in(&alice);
    let since = Instant::now();
    let mut device = client.register().await;
    let mut more = 0;
    let error = loop {
        device.send(json!({ "type": "register", "ref": "r" })).await;
        let frame = device.next().await;
        if frame["type"] == "error" {
            break frame;
        }
        more += 1;
    };
    assert_bucket(2 + more, 2, 30.0, since);
    assert_eq!(
        (&error["code"], &error["request_type"], &error["ref"]),
        (&json!("rate_limited"), &json!("register"), &json!("r"))
    );
    let seconds = error["retry_after"].as_u64().expect("a number");
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert_limited(&client.send(Method::POST, "/tickets", None).await, 30);
    // Another user's bucket is another one; sending is none of these; and the device is registered as before.
    let bob = app.user("bob");
    app.sign_in(&bob).take_ticket().await;
    client.post_message(&bob, "hello").await;
    device.expect("new_message").await;
}

#[tokio::test]
async fn a_refused_register_enters_nobody() {
    let store = TestStore::start(Single).await;
    let app = open(&store, FRAMES, "1").await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = alice.connect().await;
    // Back and forth, until one is refused.
    let (mut current, mut other) = (&alice, &bob);
    let error = loop {
        flood(&mut phone, "typing", &alice, 20).await;
        phone.send(json!({ "type": "register", "userKey": other.key })).await;
        let outcome = phone.expect_where("the outcome of a register", |frame| {
            frame["type"] == "registered" || frame["request_type"] == "register"
        });
        let outcome = outcome.await;
        if outcome["type"] == "error" {
            break outcome;
        }
        std::mem::swap(&mut current, &mut other);
    };
    assert_eq!(error["code"], "rate_limited");
    let carol = app.user("carol");
    carol.post_message(other, "not for this connection").await;
    let message = carol.post_message(current, "for this connection").await;
    assert_eq!(phone.expect("new_message").await["data"], message);
}
