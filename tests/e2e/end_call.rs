//! `end_call`, which existing front ends answer with another.

use rstest::rstest;
use serde_json::json;
use support::Mode::{self, Guarded, Open};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Device, User};

use crate::calling::{active, read_call};

/// Puts two users in a call.
async fn call(caller: &mut Device, alice: &User, callee: &mut Device, bob: &User) {
    caller.signal("offer", alice, bob, json!("v=0")).await;
    callee.expect("offer").await;
    callee.signal("answer", bob, alice, json!("v=0")).await;
    caller.expect("answer").await;
}

#[rstest]
#[tokio::test]
async fn an_end_is_relayed_once_with_its_reason(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    for reason in ["hangup", "declined", "busy", "cancelled", "timeout", "failed"] {
        let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
        call(&mut phone, &alice, &mut laptop, &bob).await;
        phone
            .send(json!({ "type": "end_call", "target": bob.key, "userKey": alice.key, "reason": reason }))
            .await;
        let ended = laptop.next().await;
        assert_eq!((&ended["type"], &ended["reason"]), (&json!("end_call"), &json!(reason)));
        assert_eq!(ended["sender"], alice.key.as_str());
        phone.settle().await;
        phone.expect_silence().await;
        laptop.expect_silence().await;
        phone.close().await;
        laptop.close().await;
    }
}

#[rstest]
#[tokio::test]
async fn a_reason_that_no_client_gives_is_a_hang_up(#[values(Open, Guarded)] mode: Mode) {
    let app = App::shared(mode, SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let of_the_server = ["answered_elsewhere", "replaced", "disconnected"].map(|reason| json!(reason));
    for reason in of_the_server.into_iter().chain([json!("xyz"), json!(7), json!(null)]) {
        let (mut phone, mut laptop) = active(&alice, &bob, None).await;
        phone.send("end_call", &bob, None, json!({ "reason": reason })).await;
        assert_eq!(laptop.sees("end_call").await["reason"], "hangup");
        assert_eq!(read_call(&alice, &bob).await["reason"], "hangup");
    }
}

#[rstest]
#[tokio::test]
async fn the_echo_of_an_end_is_dropped(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    for _ in 0..5 {
        call(&mut phone, &alice, &mut laptop, &bob).await;
        phone.signal("end_call", &alice, &bob, json!(null)).await;
        laptop.expect("end_call").await;
        laptop.signal("end_call", &bob, &alice, json!(null)).await;
        laptop.settle().await;
        phone.expect_silence().await;
        laptop.expect_silence().await;
    }
}

#[tokio::test]
async fn the_callee_may_hang_up_too() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    call(&mut phone, &alice, &mut laptop, &bob).await;
    laptop.signal("end_call", &bob, &alice, json!(null)).await;
    assert_eq!(phone.next().await["sender"], bob.key.as_str());
    phone.signal("end_call", &alice, &bob, json!(null)).await;
    phone.settle().await;
    laptop.expect_silence().await;
}

#[tokio::test]
async fn every_device_s_echo_is_dropped() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = alice.connect().await;
    let mut devices = [bob.connect().await, bob.connect().await];
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    for device in &mut devices {
        device.expect("offer").await;
    }
    phone.signal("end_call", &alice, &bob, json!(null)).await;
    for device in &mut devices {
        device.expect("end_call").await;
    }
    for device in &mut devices {
        device.signal("end_call", &bob, &alice, json!(null)).await;
        device.settle().await;
    }
    phone.expect_silence().await;
    for device in &mut devices {
        device.expect_silence().await;
    }
}

#[tokio::test]
async fn an_echo_does_not_end_the_next_call() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    call(&mut phone, &alice, &mut laptop, &bob).await;
    phone.signal("end_call", &alice, &bob, json!(null)).await;
    laptop.expect("end_call").await;
    // The front end echoes only once the next offer is there.
    phone.signal("offer", &alice, &bob, json!("again")).await;
    laptop.expect("offer").await;
    laptop.signal("end_call", &bob, &alice, json!(null)).await;
    laptop.settle().await;
    phone.expect_silence().await;
    laptop.signal("answer", &bob, &alice, json!("v=0")).await;
    assert_eq!(phone.next().await["type"], "answer");
}

#[tokio::test]
async fn an_end_without_a_call_is_dropped_in_silence() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    phone.signal("end_call", &alice, &bob, json!("late")).await;
    phone.settle().await;
    phone.expect_silence().await;
    laptop.expect_silence().await;
}

#[tokio::test]
async fn an_offer_after_an_end_opens_a_new_call() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    for _ in 0..3 {
        call(&mut phone, &alice, &mut laptop, &bob).await;
        phone.signal("candidate", &alice, &bob, json!(1)).await;
        laptop.expect("candidate").await;
        laptop.signal("end_call", &bob, &alice, json!(null)).await;
        phone.expect("end_call").await;
        phone.signal("end_call", &alice, &bob, json!(null)).await;
        phone.settle().await;
    }
    phone.expect_silence().await;
    laptop.expect_silence().await;
}
