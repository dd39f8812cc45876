//! The costs of messages.

use hyper::Method;
use serde_json::json;

use crate::meter::{DEVICES, Meter, assert_pushed};

#[tokio::test]
async fn a_message_costs_the_same_however_many_devices_get_it() {
    let meter = Meter::start().await;
    // A connection that closes costs something as well, so none does meanwhile.
    let mut open = Vec::new();
    for count in DEVICES {
        let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
        let mut devices = meter.connect(&alice, count).await;
        devices.extend(meter.connect(&bob, count).await);

        let (message, bill) = meter.measure(alice.post_message(&bob, "hello")).await;
        bill.assert(2);
        assert_pushed(&mut devices, &["new_message"]).await;

        let (_, bill) = meter.measure(alice.edit_message(&message, "bye")).await;
        bill.assert(3);
        assert_pushed(&mut devices, &["update_message"]).await;

        let (reply, bill) = meter.measure(bob.read_message(&message)).await;
        assert_eq!(reply.status, 200);
        bill.assert(1);

        for query in [format!("user={}", alice.key), String::new()] {
            let (listed, bill) = meter.measure(meter.app.list(&query)).await;
            assert!(!listed.is_empty());
            bill.assert(2);
        }

        let ((), bill) = meter.measure(alice.delete_message(&message)).await;
        bill.assert(3);
        assert_pushed(&mut devices, &["delete_message"]).await;

        let (listed, bill) = meter.measure(alice.list_messages()).await;
        assert!(listed.is_empty());
        bill.assert(1);
        assert_pushed(&mut devices, &[]).await;
        open.extend(devices);
    }
}

#[tokio::test]
async fn erasing_costs_the_same_however_many_messages_a_step_takes() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    for count in [1, 3, 20] {
        for _ in 0..count {
            alice.post_message(&bob, "hello").await;
        }
        let (reply, bill) = meter.measure(alice.request(Method::DELETE, "/me", None)).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        bill.assert(5);
    }
    let (reply, bill) = meter.measure(alice.request(Method::DELETE, "/me", None)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    bill.assert(3);
    let (reply, bill) = meter.measure(alice.request(Method::DELETE, "/me", None)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    bill.assert(3);
}

#[tokio::test]
async fn a_message_to_oneself_and_one_that_no_device_gets_cost_no_less_and_no_more() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let (_, bill) = meter.measure(alice.post_message(&bob, "hello")).await;
    bill.assert(2);
    let mut devices = meter.connect(&alice, 2).await;
    let (_, bill) = meter.measure(alice.post_message(&alice, "remember")).await;
    bill.assert(2);
    assert_pushed(&mut devices, &["new_message"]).await;
}

#[tokio::test]
async fn what_is_refused_costs_little() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let mut devices = meter.connect(&alice, 1).await;
    let message = alice.post_message(&bob, "hello").await;
    alice.delete_message(&message).await;
    assert_pushed(&mut devices, &["new_message", "delete_message"]).await;

    let (reply, bill) = meter.measure(alice.read_message(&message)).await;
    reply.assert_not_found();
    bill.assert(1);
    let (reply, bill) = meter.measure(alice.try_edit_message(&message, "again")).await;
    reply.assert_not_found();
    bill.assert(1);
    let (reply, bill) = meter.measure(alice.try_delete_message(&message)).await;
    reply.assert_not_found();
    bill.assert(1);

    let unknown = format!("/messages/{}", uuid::Uuid::now_v7());
    for (method, body) in [(Method::GET, ""), (Method::PUT, r#"{"content":"x"}"#), (Method::DELETE, "")] {
        let (reply, bill) = meter.measure(meter.app.send(method, &unknown, body)).await;
        reply.assert_not_found();
        bill.assert(1);
    }
    for (method, path, status) in [
        (Method::POST, "/messages", 400),
        (Method::PUT, unknown.as_str(), 400),
        (Method::GET, "/messages?limit=0", 400),
        (Method::GET, "/messages/1", 404),
        (Method::DELETE, "/messages/1", 404),
    ] {
        let (reply, bill) = meter.measure(meter.app.send(method, path, "{}")).await;
        assert_eq!(reply.status, status, "{path}");
        bill.assert(0);
    }
    assert_pushed(&mut devices, &[]).await;
}

#[tokio::test]
async fn a_send_under_a_name_costs_no_more_and_its_repetition_little() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let mut devices = meter.connect(&bob, 2).await;
    let draft = |content: &str| {
        json!({ "sender_id": alice.key, "receiver_id": bob.key, "content": content, "client_id": "name" })
            .to_string()
    };
    let (first, bill) = meter.measure(meter.app.post("/messages", draft("hello"))).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""));
    bill.assert(2);
    assert_pushed(&mut devices, &["new_message"]).await;

    let (again, bill) = meter.measure(meter.app.post("/messages", draft("hello"))).await;
    assert_eq!((again.text(), again.header("idempotent-replayed")), (first.text(), "true"));
    // In open mode the last one asks whether a delete came between, for the sake of the index of all messages.
    bill.assert(4);
    let (other, bill) = meter.measure(meter.app.post("/messages", draft("bye"))).await;
    assert_eq!(other.status, 422);
    bill.assert(2);

    alice.delete_message(&first.data()).await;
    let (late, bill) = meter.measure(meter.app.post("/messages", draft("hello"))).await;
    assert_eq!(late.text(), first.text());
    bill.assert(2);
    assert_pushed(&mut devices, &["delete_message"]).await;
}

#[tokio::test]
async fn reading_events_costs_two_round_trips_however_many_there_are() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let follow = async |query: &str| {
        let path = format!("/events?user={}{query}", bob.key);
        let (reply, bill) = meter.measure(meter.app.get(&path)).await;
        (reply.json(), bill)
    };
    follow("").await.1.assert(1);
    follow("&since=0-0").await.1.assert(1);
    let mut messages = Vec::new();
    for turn in 0..20 {
        messages.push(alice.post_message(&bob, &turn.to_string()).await);
    }
    alice.edit_message(&messages[3], "bye").await;
    alice.delete_message(&messages[5]).await;
    let (all, bill) = follow("&since=0-0").await;
    assert_eq!(all["events"].as_array().map(Vec::len), Some(20));
    bill.assert(2);
    follow("&since=0-0&limit=5").await.1.assert(2);
    let position = all["event_id"].as_str().expect("a position");
    follow(&format!("&since={position}")).await.1.assert(1);
    let (resync, bill) = follow("&since=7-7").await;
    assert_eq!(resync["code"], "resync");
    bill.assert(1);
}

#[tokio::test]
async fn gone_connections_cost_one_round_trip_together_and_once() {
    let meter = Meter::start().await;
    meter.inject("disconnect:lost=1");
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let mut devices = meter.connect(&bob, 1).await;
    for user in [&alice, &bob] {
        for device in meter.connect(user, 2).await {
            device.cut().await;
        }
    }
    let (_, bill) = meter.measure(alice.post_message(&bob, "hello")).await;
    bill.assert(3);
    let (_, bill) = meter.measure(alice.post_message(&bob, "hello again")).await;
    bill.assert(2);
    assert_pushed(&mut devices, &["new_message", "new_message"]).await;
}
