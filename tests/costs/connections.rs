//! The costs of opening, registering and closing connections.

use serde_json::json;

use support::App;

use crate::meter::{DEVICES, Meter, assert_pushed};

#[tokio::test]
async fn a_connection_costs_nothing_until_it_registers() {
    let meter = Meter::start().await;
    let (device, bill) = meter.measure(meter.app.connect()).await;
    bill.assert(0);
    meter.measure_unseen(device.close()).await.assert(1);
}

#[tokio::test]
async fn a_register_costs_one_round_trip_and_a_close_two() {
    let meter = Meter::start().await;
    // A connection that closes costs something as well, so none does meanwhile.
    let mut open = Vec::new();
    for count in DEVICES {
        let alice = meter.app.user("alice");
        let mut others = meter.connect(&alice, count - 1).await;
        let mut device = [meter.app.connect().await];
        for recover in [false, true, false] {
            let register = json!({ "type": "register", "userKey": alice.key, "recover": recover });
            meter.measure_unseen(device[0].send(register)).await.assert(1);
            assert_pushed(&mut device, &["registered"]).await;
            assert_pushed(&mut others, &[]).await;
        }
        let [device] = device;
        meter.measure_unseen(device.close()).await.assert(2);
        assert_pushed(&mut others, &[]).await;
        open.extend(others);
    }
}

#[tokio::test]
async fn the_twenty_first_connection_costs_its_register_no_more() {
    let meter = Meter::start().await;
    let alice = meter.app.user("alice");
    let mut others = meter.connect(&alice, 20).await;
    let mut device = meter.app.connect().await;
    let register = json!({ "type": "register", "userKey": alice.key });
    let registering = async {
        device.send(register).await;
        device.expect("registered").await;
    };
    let ((), bill) = meter.measure(registering).await;
    // The oldest one's `$disconnect` comes as for any connection that closes.
    others[0].expect_close().await;
    meter.idle().await;
    bill.assert_at_most(1 + 2);
}

#[tokio::test]
async fn a_move_to_another_user_costs_one_round_trip_more() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let mut devices = meter.connect(&alice, 1).await;
    for user in [&bob, &alice, &bob] {
        let register = json!({ "type": "register", "userKey": user.key });
        meter.measure_unseen(devices[0].send(register)).await.assert(2);
        assert_pushed(&mut devices, &["registered"]).await;
    }
}

#[tokio::test]
async fn a_ticket_costs_one_round_trip_and_binds_a_connection_in_two() {
    let meter = Meter::start_with(App::builder().guarded()).await;
    let alice = meter.app.sign_in(&meter.app.user("alice"));
    let (ticket, bill) = meter.measure(alice.take_ticket()).await;
    bill.assert(1);
    let (device, bill) = meter.measure(meter.app.enter(&ticket)).await;
    bill.assert(2);
    let mut device = device.expect("a good ticket");
    // The user that the connection is bound to has to be read first.
    meter.measure_unseen(device.send(json!({ "type": "register" }))).await.assert(2);
    device.expect("registered").await;
    meter.measure_unseen(device.close()).await.assert(2);
    let (refused, bill) = meter.measure(meter.app.enter(&ticket)).await;
    assert_eq!(refused.expect_err("it was used"), 401);
    bill.assert(1);
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
