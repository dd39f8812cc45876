//! The costs of limits: no round trip more, and at most two for what is refused.

use hyper::Method;
use serde_json::{Value, json};
use support::{ApiClient, Device, Reply, User};

use crate::meter::{Meter, assert_pushed, pushed};

const VARIABLES: [&str; 3] = ["MESSAGES_PER_SECOND", "REGISTERS_PER_MINUTE", "FRAMES_PER_SECOND"];

fn draft(from: &User, to: &User, client_id: Option<&str>) -> Value {
    let mut draft = json!({ "sender_id": from.key, "receiver_id": to.key, "content": "hello" });
    if let Some(client_id) = client_id {
        draft["client_id"] = json!(client_id);
    }
    draft
}

async fn post(client: &ApiClient, draft: Value) -> Reply {
    client.send(Method::POST, "/messages", draft).await
}

#[tokio::test]
async fn with_limits_nothing_costs_a_round_trip_more() {
    let meter = Meter::guarded(&VARIABLES.map(|name| (name, "1000"))).await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let client = meter.app.sign_in(&alice);

    let (ticket, bill) = meter.measure(client.take_ticket()).await;
    bill.assert(1);
    let (device, bill) = meter.measure(meter.app.enter(&ticket)).await;
    let mut device = [device.expect("a good ticket")];
    bill.assert(2);
    // The first asks whose ticket it was.
    meter.measure_unseen(device[0].send(json!({ "type": "register" }))).await.assert(2);
    assert_pushed(&mut device, &["registered"]).await;

    let (reply, bill) = meter.measure(post(&client, draft(&alice, &bob, None))).await;
    let message = reply.data();
    bill.assert(2);
    let (reply, bill) = meter.measure(post(&client, draft(&alice, &bob, Some("1")))).await;
    reply.data();
    bill.assert(2);
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    let (reply, bill) = meter.measure(client.send(Method::PUT, &path, json!({ "content": "edited" }))).await;
    reply.data();
    bill.assert(3);
    let (reply, bill) = meter.measure(client.send(Method::DELETE, &path, None)).await;
    assert_eq!(reply.status, 200);
    bill.assert(3);
    meter.measure_unseen(device[0].send(json!({ "type": "typing", "target": bob.key }))).await.assert(2);
    pushed(&mut device[0]).await;
    let [device] = device;
    meter.measure_unseen(device.close()).await.assert(2);
}

#[tokio::test]
async fn a_refused_send_costs_two_round_trips_of_three_commands() {
    let meter = Meter::guarded(&[(VARIABLES[0], "1")]).await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let client = meter.app.sign_in(&alice);
    let message = client.post_message(&bob, "hello").await;
    for client_id in [None, Some("1")] {
        let bill = loop {
            let (reply, bill) = meter.measure(post(&client, draft(&alice, &bob, client_id))).await;
            if reply.status == 429 {
                break bill;
            }
        };
        bill.assert(2);
        assert_eq!((bill.count("EVALSHA"), bill.count("DEL")), (vec![2, 0], vec![0, 1]));
    }
    // An edit and a delete are read, and refused, in one.
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    for (method, body) in [(Method::PUT, json!({ "content": "edited" })), (Method::DELETE, Value::Null)] {
        let bill = loop {
            let (reply, bill) = meter.measure(client.send(method.clone(), &path, body.clone())).await;
            if reply.status == 429 {
                break bill;
            }
        };
        bill.assert(1);
        assert_eq!(bill.count("GET"), [1]);
    }
}

#[tokio::test]
async fn a_refused_frame_and_a_refused_ticket_cost_one_round_trip() {
    let meter = Meter::guarded(&[(VARIABLES[1], "1"), (VARIABLES[2], "1")]).await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let client = meter.app.sign_in(&alice);
    let mut device = client.connect().await;
    let (reply, bill) = meter.measure(client.send(Method::POST, "/tickets", None)).await;
    assert_eq!(reply.status, 429);
    bill.assert(1);
    let refused = async |device: &mut Device| loop {
        let typing = json!({ "type": "typing", "target": bob.key });
        let bill = meter.measure_unseen(device.send(typing)).await;
        if pushed(device).await == ["error"] {
            return bill;
        }
    };
    refused(&mut device).await.assert(1);
}
