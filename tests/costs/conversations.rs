//! The costs of conversations, markers and typing.

use serde_json::json;
use support::{User, encoded};

use crate::meter::{DEVICES, Meter, assert_pushed};

async fn list(meter: &Meter, user: &User, query: &str) -> usize {
    let path = format!("/conversations?user={}&{query}", encoded(&user.key));
    let reply = meter.app.get(&path).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json().as_array().expect("an array").len()
}

async fn mark(meter: &Meter, user: &User, with: &User, id: &str) {
    let path = format!("/conversations/{}/read?user={}", encoded(&with.key), encoded(&user.key));
    let reply = meter.app.put(&path, json!({ "message_id": id }).to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn conversations_cost_two_round_trips_however_many_are_listed() {
    let meter = Meter::start().await;
    let alice = meter.app.user("alice");
    let (listed, bill) = meter.measure(list(&meter, &alice, "")).await;
    assert_eq!(listed, 0);
    bill.assert(1);
    for count in 1..=3 {
        meter.app.user("peer").post_message(&alice, "hello").await;
        let (listed, bill) = meter.measure(list(&meter, &alice, "")).await;
        assert_eq!(listed, count);
        bill.assert(2);
    }
    let (listed, bill) = meter.measure(list(&meter, &alice, "limit=2")).await;
    assert_eq!(listed, 2);
    bill.assert(2);
}

#[tokio::test]
async fn a_mark_costs_one_round_trip_however_many_devices_get_it() {
    let meter = Meter::start().await;
    // Of a conversation with oneself, and of one that does not exist.
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let note = alice.post_message(&alice, "remember").await;
    for with in [&alice, &bob] {
        let ((), bill) = meter.measure(mark(&meter, &alice, with, note["id"].as_str().expect("an id"))).await;
        bill.assert(1);
    }
    // A connection that closes costs something as well, so none does meanwhile.
    let mut open = Vec::new();
    for count in DEVICES {
        let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
        let message = bob.post_message(&alice, "hello").await;
        let mut devices = meter.connect(&alice, count).await;
        devices.extend(meter.connect(&bob, count).await);
        let id = message["id"].as_str().expect("an id");
        for kinds in [&["read"][..], &[]] {
            let ((), bill) = meter.measure(mark(&meter, &alice, &bob, id)).await;
            bill.assert(1);
            assert_pushed(&mut devices, kinds).await;
        }
        open.extend(devices);
    }
}

#[tokio::test]
async fn typing_costs_two_round_trips() {
    let meter = Meter::start().await;
    // A connection that closes costs something as well, so none does meanwhile.
    let mut open = Vec::new();
    for count in [0, 1, 3] {
        let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
        let mut targets = meter.connect(&bob, count).await;
        let mut phone = meter.connect(&alice, 1).await;
        let typing = json!({ "type": "typing", "target": bob.key });
        meter.measure_unseen(phone[0].send(typing)).await.assert(2);
        assert_pushed(&mut targets, &["typing"]).await;
        assert_pushed(&mut phone, &[]).await;
        open.extend(targets.into_iter().chain(phone));
    }
}
