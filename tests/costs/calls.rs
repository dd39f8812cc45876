//! The costs of signaling.

use serde_json::json;

use crate::meter::{DEVICES, Meter, assert_pushed};

#[tokio::test]
async fn a_signal_costs_the_same_however_many_devices_get_it() {
    let meter = Meter::start().await;
    // A connection that closes costs something as well, so none does meanwhile.
    let mut open = Vec::new();
    for count in DEVICES {
        let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
        let (mut hers, mut his) = (meter.connect(&alice, count).await, meter.connect(&bob, count).await);

        for (kind, round_trips) in [("offer", 3), ("candidate", 2)] {
            // While it rings, candidates are kept for devices that are still to come.
            let bill = meter.measure_unseen(hers[0].signal(kind, &alice, &bob, json!("v=0"))).await;
            bill.assert(round_trips);
            assert_pushed(&mut his, &[kind]).await;
        }
        // From now on frames go to the connection that takes part alone.
        for (kind, round_trips) in [("answer", 3), ("candidate", 1)] {
            let bill = meter.measure_unseen(his[0].signal(kind, &bob, &alice, json!("v=0"))).await;
            bill.assert(round_trips);
            assert_pushed(&mut hers[..1], &[kind]).await;
        }
        assert_pushed(&mut his[1..], &["end_call"]).await;
        meter.measure_unseen(hers[0].signal("end_call", &alice, &bob, json!(null))).await.assert(3);
        assert_pushed(&mut his[..1], &["end_call"]).await;
        for device in &mut his {
            // An echo is noted, and goes nowhere.
            meter.measure_unseen(device.signal("end_call", &bob, &alice, json!(null))).await.assert(2);
        }
        assert_pushed(&mut hers, &[]).await;
        assert_pushed(&mut his, &[]).await;
        open.extend(hers.into_iter().chain(his));
    }
}

#[tokio::test]
async fn signals_to_nobody_cost_no_more() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let mut devices = meter.connect(&alice, 1).await;
    let told: [(&str, usize, &[&str]); 4] =
        [("offer", 3, &["error"]), ("candidate", 2, &[]), ("answer", 3, &["error"]), ("end_call", 2, &[])];
    for (kind, round_trips, answered) in told {
        meter.measure_unseen(devices[0].signal(kind, &alice, &bob, json!(null))).await.assert(round_trips);
        assert_pushed(&mut devices, answered).await;
    }
}

#[tokio::test]
async fn candidates_that_overtook_their_offer_cost_nothing_more() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let (mut hers, mut his) = (meter.connect(&alice, 1).await, meter.connect(&bob, 2).await);
    meter.inject("frames:offer:delay=100ms");
    let calling = async {
        for kind in ["offer", "candidate", "candidate"] {
            hers[0].signal(kind, &alice, &bob, json!(null)).await;
        }
        his[0].expect_many("candidate", 2).await;
    };
    let ((), bill) = meter.measure(calling).await;
    bill.assert(3 + 2 + 2);
    his[0].expect("offer").await;
    assert_pushed(&mut his[1..], &["offer", "candidate", "candidate"]).await;
}

#[tokio::test]
async fn a_signal_to_gone_connections_costs_one_round_trip_more_and_once() {
    let meter = Meter::start().await;
    meter.inject("disconnect:lost=1");
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let (mut hers, gone) = (meter.connect(&alice, 1).await, meter.connect(&bob, 3).await);
    for device in gone {
        device.cut().await;
    }
    for round_trips in [4, 3] {
        let bill = meter.measure_unseen(hers[0].signal("offer", &alice, &bob, json!("v=0"))).await;
        bill.assert(round_trips);
        assert_pushed(&mut hers, &["error"]).await;
    }
}

#[tokio::test]
async fn reading_a_call_and_ending_it_costs_the_same_at_any_time() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let (mut hers, mut his) = (meter.connect(&alice, 1).await, meter.connect(&bob, 2).await);
    let path = |rest: &str| format!("/calls{rest}?user={}", alice.key);
    let with = format!("/{}", bob.key);
    let end = json!({ "call_id": "call-one" }).to_string();

    meter.measure(meter.app.get(&path(""))).await.1.assert(1);
    meter.measure(meter.app.get(&path(&with))).await.1.assert(1);
    let offer = json!({ "type": "offer", "target": bob.key, "userKey": alice.key, "call_id": "call-one" });
    meter.measure_unseen(hers[0].send(offer)).await.assert(3);
    let ringing =
        json!({ "type": "ringing", "target": alice.key, "userKey": bob.key, "call_id": "call-one" });
    meter.measure_unseen(his[0].send(ringing)).await.assert(2);
    assert_pushed(&mut hers, &["ringing"]).await;
    meter.measure(meter.app.get(&path(""))).await.1.assert(2);
    meter.measure(meter.app.get(&path(&with))).await.1.assert(1);

    meter.measure(meter.app.post(&path(&format!("{with}/end")), end.clone())).await.1.assert(3);
    assert_pushed(&mut hers, &["end_call"]).await;
    assert_pushed(&mut his, &["offer", "end_call"]).await;
    meter.measure(meter.app.post(&path(&format!("{with}/end")), end)).await.1.assert(1);
}

#[tokio::test]
async fn a_frame_that_does_not_name_its_sender_costs_one_round_trip_more() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let (mut hers, _his) = (meter.connect(&alice, 1).await, meter.connect(&bob, 1).await);
    for (kind, round_trips) in [("offer", 4), ("candidate", 3), ("end_call", 4)] {
        let frame = json!({ "type": kind, "target": bob.key });
        meter.measure_unseen(hers[0].send(frame)).await.assert(round_trips);
    }
}

#[tokio::test]
async fn coming_and_going_in_a_call_costs_two_round_trips_more() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let (mut hers, mut his) = (meter.connect(&alice, 1).await, meter.connect(&bob, 1).await);
    for user in [&alice, &bob] {
        // A connection that comes while it rings is given the offer.
        let offer =
            json!({ "type": "offer", "target": bob.key, "userKey": alice.key, "call_id": "call-one" });
        meter.measure_unseen(hers[0].send(offer)).await.assert(3);
        let mut device = meter.app.connect().await;
        meter.idle().await;
        let frame = json!({ "type": "register", "userKey": user.key });
        let more = if user.key == bob.key { 2 } else { 1 };
        meter.measure_unseen(device.send(frame)).await.assert(1 + more);
        his.push(device);
    }
    let lost = hers.pop().expect("a device");
    meter.measure_unseen(lost.cut()).await.assert(4);
    assert_eq!(his[0].expect("end_call").await["reason"], "disconnected");
}

#[tokio::test]
async fn ice_servers_cost_nothing() {
    let meter = Meter::start().await;
    let (reply, bill) = meter.measure(meter.app.get("/ice-servers?user=alice")).await;
    assert_eq!(reply.status, 200);
    bill.assert(0);
}
