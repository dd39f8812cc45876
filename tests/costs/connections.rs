//! What opening, registering and closing connections costs.

use serde_json::json;

use crate::meter::{DEVICES, Meter, assert_pushed};

#[tokio::test]
async fn a_connection_costs_nothing_until_it_registers() {
    let meter = Meter::start().await;
    let (device, bill) = meter.measure(meter.app.connect()).await;
    bill.assert(0);
    meter.measure_unseen(device.close()).await.assert(1);
}

#[tokio::test]
async fn a_register_costs_a_second_round_trip_only_when_it_is_new() {
    let meter = Meter::start().await;
    for count in DEVICES {
        let alice = meter.app.user("alice");
        let mut others = meter.connect(&alice, count - 1).await;
        let mut device = [meter.app.connect().await];
        let register = json!({ "type": "register", "userKey": alice.key });
        // The second enters the connection for good, once `registered` is the first frame it got.
        meter.measure_unseen(device[0].send(register.clone())).await.assert(2);
        assert_pushed(&mut device, &["registered"]).await;
        meter.measure_unseen(device[0].send(register)).await.assert(1);
        assert_pushed(&mut device, &["registered"]).await;
        assert_pushed(&mut others, &[]).await;

        let [device] = device;
        meter.measure_unseen(device.close()).await.assert(2);
        assert_pushed(&mut others, &[]).await;
    }
}

#[tokio::test]
async fn a_move_to_another_user_costs_one_round_trip_more() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let mut devices = meter.connect(&alice, 1).await;
    let register = json!({ "type": "register", "userKey": bob.key });
    // After it has left the one user, the store is asked whether it has come back to that user meanwhile.
    meter.measure_unseen(devices[0].send(register)).await.assert(3);
    assert_pushed(&mut devices, &["registered"]).await;
}

#[tokio::test]
async fn frames_that_ask_for_nothing_cost_nothing() {
    let meter = Meter::start().await;
    let mut devices = meter.connect(&meter.app.user("alice"), 1).await;
    let chatting = async {
        for kind in ["new_message", "update_message", "delete_message"] {
            devices[0].send(json!({ "type": kind })).await;
        }
        for frame in [json!({ "type": "unknown" }), json!([]), json!({})] {
            devices[0].send(frame).await;
            assert_eq!(devices[0].next().await["type"], "error");
        }
        devices[0].expect_silence().await;
    };
    let ((), bill) = meter.measure(chatting).await;
    bill.assert(0);
}

#[tokio::test]
async fn a_frame_that_is_refused_for_its_content_costs_one_round_trip_at_most() {
    let meter = Meter::start().await;
    let mut device = meter.app.connect().await;
    let refused = [
        (json!({ "type": "register" }), "invalid_user_key", 0),
        (json!({ "type": "offer" }), "invalid_target", 0),
        (json!({ "type": "offer", "target": "bob" }), "not_registered", 1),
    ];
    for (frame, code, round_trips) in refused {
        let answering = async {
            device.send(frame).await;
            device.next().await
        };
        let (answer, bill) = meter.measure(answering).await;
        assert_eq!(answer["code"], code);
        bill.assert(round_trips);
    }
}
