//! Sends that are repeated under a `client_id`, or an `Idempotency-Key`.

use std::collections::BTreeSet;

use futures_util::future::{join, join_all};
use hyper::Method;
use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Message, Reply, User, encoded, wait_until};

fn draft(sender: &User, receiver: &User, content: &str, client_id: &str) -> Value {
    json!({ "sender_id": sender.key, "receiver_id": receiver.key, "content": content, "client_id": client_id })
}

async fn send(app: &App, draft: &Value) -> Reply {
    app.post("/messages", draft.to_string()).await
}

/// A first send.
async fn sent(app: &App, draft: &Value) -> Message {
    let reply = send(app, draft).await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (201, ""), "{}", reply.text());
    reply.data()
}

/// A send that was answered before.
async fn replayed(app: &App, draft: &Value) -> Message {
    let reply = send(app, draft).await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (201, "true"), "{}", reply.text());
    reply.data()
}

async fn events(app: &App, user: &User) -> Vec<Value> {
    let reply = app.get(&format!("/events?since=0-0&user={}", encoded(&user.key))).await;
    reply.json()["events"].as_array().expect("events").clone()
}

/// The number of the user's last event, which is how many there were.
async fn event_count(app: &App, user: &User) -> String {
    let reply = app.get(&format!("/events?user={}", encoded(&user.key))).await;
    let position = reply.json()["event_id"].as_str().expect("a position").to_owned();
    position.split_once('-').expect("a number and a tag").0.to_owned()
}

#[rstest]
#[tokio::test]
async fn ten_repetitions_at_once_are_one_send(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phones = [alice.connect().await, bob.connect().await];
    let draft = draft(&alice, &bob, "hello", "once");
    let replies = join_all((0..10).map(|_| send(&app, &draft))).await;

    let message = replies[0].data();
    assert_eq!(replies.iter().map(Reply::data).collect::<Vec<_>>(), vec![message.clone(); 10]);
    let first = replies.iter().filter(|reply| reply.header("idempotent-replayed").is_empty());
    assert_eq!(first.count(), 1);
    for (user, phone) in [&alice, &bob].into_iter().zip(&mut phones) {
        assert_eq!(phone.expect("new_message").await["data"], message);
        phone.expect_silence().await;
        assert_eq!(event_count(&app, user).await, "1");
        assert_eq!(user.list_messages().await, std::slice::from_ref(&message));
    }
    assert_eq!(alice.list_conversation(&bob).await, [message]);
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_tells_nobody() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let draft = draft(&alice, &bob, "hello", "once");
    let message = sent(&app, &draft).await;
    assert_eq!(message["client_id"], "once");
    let edited = alice.edit_message(&message, "edited").await;
    let mut phone = bob.connect().await;

    assert_eq!(replayed(&app, &draft).await, message, "the content as sent");
    phone.expect_silence().await;
    assert_eq!(bob.list_messages().await, std::slice::from_ref(&edited));
    assert_eq!(event_count(&app, &bob).await, "2");
    assert_eq!(edited["client_id"], "once");
}

#[tokio::test]
async fn a_repetition_brings_nothing_back() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let draft = draft(&alice, &bob, "hello", "once");
    let message = sent(&app, &draft).await;
    alice.delete_message(&message).await;
    let mut phone = bob.connect().await;
    for _ in 0..2 {
        assert_eq!(replayed(&app, &draft).await, message);
    }
    phone.expect_silence().await;
    alice.read_message(&message).await.assert_not_found();
    for user in [&alice, &bob] {
        assert_eq!(user.list_messages().await, [Value::Null; 0]);
        assert_eq!(event_count(&app, user).await, "2");
    }
}

#[tokio::test]
async fn repetitions_that_meet_a_delete_bring_nothing_back() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    for turn in 0..20 {
        let draft = draft(&alice, &bob, "hello", &turn.to_string());
        let message = sent(&app, &draft).await;
        let repeating = join_all((0..4).map(|_| send(&app, &draft)));
        let (replies, ()) = join(repeating, alice.delete_message(&message)).await;
        for reply in replies {
            assert_eq!(reply.data(), message);
        }
        alice.read_message(&message).await.assert_not_found();
    }
    for user in [&alice, &bob] {
        assert_eq!(user.list_messages().await, [Value::Null; 0]);
        let told = events(&app, user).await;
        assert_eq!(told.len(), 20);
        assert!(told.iter().all(|event| event["type"] == "delete_message"), "{told:?}");
        assert_eq!(event_count(&app, user).await, "40", "one for each create and delete");
    }
}

#[tokio::test]
async fn another_message_under_the_same_client_id_is_refused() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let mut first = draft(&alice, &bob, "hello", "once");
    first["metadata"] = json!({ "a": 1 });
    let message = sent(&app, &first).await;
    let mut another_metadata = first.clone();
    another_metadata["metadata"] = json!({ "a": 2 });
    let mut no_metadata = first.clone();
    no_metadata["metadata"] = Value::Null;
    let mut another_receiver = first.clone();
    another_receiver["receiver_id"] = carol.key.as_str().into();
    let mut another_content = first.clone();
    another_content["content"] = json!("hello!");
    for other in [another_metadata, no_metadata, another_receiver, another_content] {
        let reply = send(&app, &other).await;
        reply.assert_refused(422, "key_reused", "This client_id was used for another message");
    }
    assert_eq!(replayed(&app, &first).await, message);
    assert_eq!(alice.list_messages().await, [message]);
    assert_eq!(carol.list_messages().await, [Value::Null; 0]);
    assert_eq!(event_count(&app, &alice).await, "1");
}

#[tokio::test]
async fn a_client_id_is_its_senders_own() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let there = sent(&app, &draft(&alice, &bob, "hello", "1")).await;
    let back = sent(&app, &draft(&bob, &alice, "hello", "1")).await;
    let another = sent(&app, &draft(&alice, &bob, "hello", "2")).await;
    assert_eq!(ids(&alice.list_messages().await), ids(&[there, back, another]));
}

#[tokio::test]
async fn without_a_client_id_every_send_is_one() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "hello").await;
    let again = alice.post_message(&bob, "hello").await;
    assert_eq!(message.get("client_id"), None);
    assert_eq!(bob.list_messages().await, [message, again]);
}

fn ids(messages: &[Message]) -> BTreeSet<&str> {
    messages.iter().map(|message| message["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn an_idempotency_key_is_taken_for_a_missing_client_id() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let send = async |key: &str, draft: &Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        app.send_with(Method::POST, "/messages", &headers, draft.to_string()).await
    };
    let named = draft(&alice, &bob, "hello", "once");
    let mut unnamed = named.clone();
    unnamed.as_object_mut().expect("an object").remove("client_id");

    let first = send("once", &unnamed).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""));
    assert_eq!(first.data()["client_id"], "once");
    let again = send("once", &unnamed).await;
    assert_eq!((again.text(), again.header("idempotent-replayed")), (first.text(), "true"));
    assert_eq!(replayed(&app, &named).await, first.data(), "the same name in the body");
    let body_counts = send("another", &named).await;
    assert_eq!(body_counts.header("idempotent-replayed"), "true");
    let another = send("another", &unnamed).await;
    assert_ne!(another.data()["id"], first.data()["id"]);
    for bad in ["", &"x".repeat(65)] {
        let sentence = "client_id must have 1 to 64 bytes of UTF-8";
        send(bad, &unnamed).await.assert_refused(400, "invalid_request", sentence);
    }
}

#[tokio::test]
async fn a_client_id_has_1_to_64_bytes() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    for good in ["x".repeat(64), "é".repeat(32), "{}:* \n😀\u{0}".to_owned()] {
        let draft = draft(&alice, &bob, "hello", &good);
        let message = sent(&app, &draft).await;
        assert_eq!(message["client_id"], good);
        assert_eq!(replayed(&app, &draft).await, message);
    }
    for bad in [String::new(), "x".repeat(65), "é".repeat(33)] {
        let reply = send(&app, &draft(&alice, &bob, "hello", &bad)).await;
        reply.assert_refused(400, "invalid_request", "client_id must have 1 to 64 bytes of UTF-8");
    }
    for other in [json!(7), json!(true), json!(["once"]), json!({})] {
        let mut draft = draft(&alice, &bob, "hello", "");
        draft["client_id"] = other;
        send(&app, &draft).await.assert_refused(400, "invalid_request", "client_id must be a string");
    }
    let mut none = draft(&alice, &bob, "hello", "");
    none["client_id"] = Value::Null;
    assert_eq!(sent(&app, &none).await.get("client_id"), None);
}

#[tokio::test]
async fn what_a_killed_function_left_undone_is_finished_by_the_repetition() {
    let app = App::builder().on(SecureCluster).faults(&["push:delay=1500ms"]).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let shared = App::open_on(SecureCluster).await;
    let _phone = shared.user_called(&bob.key).connect().await;
    let draft = draft(&alice, &bob, "hello", "once");
    let killing = async {
        wait_until("the message is stored", async || !bob.list_messages().await.is_empty()).await;
        assert!(app.try_kill("CreateMessage"));
    };
    let (reply, ()) = join(send(&app, &draft), killing).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    app.gateway().faults().clear();

    let message = replayed(&app, &draft).await;
    for user in [&alice, &bob] {
        assert_eq!(user.list_messages().await, std::slice::from_ref(&message));
        assert_eq!(event_count(&app, user).await, "1");
    }
}
