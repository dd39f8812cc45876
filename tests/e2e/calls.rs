//! Calls that end well: offers, answers and ends between one to four connections.

use hyper::Method;
use rstest::rstest;
use serde_json::json;
use support::Mode::{self, Guarded, Open};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, wait_until};

use crate::calling::{Phone, active, agree, read_call};

const ID: &str = "call-one";
const OTHER: &str = "call-two";

#[rstest]
#[tokio::test]
async fn a_call_is_offered_rung_answered_and_ended(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    phone.offer(&bob, Some(ID)).await;
    let offer = laptop.sees("offer").await;
    assert_eq!((&offer["call_id"], &offer["sender"]), (&json!(ID), &json!(alice.key)));
    laptop.ringing(&alice, ID).await;
    assert_eq!(phone.sees("ringing").await["sender"], bob.key);

    let call = read_call(&alice, &bob).await;
    assert_eq!(
        (&call["call_id"], &call["role"], &call["state"]),
        (&json!(ID), &json!("caller"), &json!("ringing"))
    );
    assert!(call["ends_in"].as_u64().is_some_and(|seconds| (55..=60).contains(&seconds)), "{call}");
    assert_eq!(
        (&call["reason"], &call["answered_at"], &call["ended_at"]),
        (&json!(null), &json!(null), &json!(null))
    );

    laptop.answer(&alice, Some(ID)).await;
    assert_eq!(phone.sees("answer").await["call_id"], ID);
    let call = read_call(&bob, &alice).await;
    assert_eq!(
        (&call["role"], &call["state"], &call["with"]),
        (&json!("callee"), &json!("active"), &json!(alice.key))
    );
    assert!(call["answered_at"].is_string() && call.get("ends_in").is_none(), "{call}");

    phone.end(&bob, Some(ID), Some("hangup")).await;
    laptop.sees_end(ID, "hangup").await;
    let call = read_call(&bob, &alice).await;
    assert_eq!((&call["state"], &call["reason"]), (&json!("ended"), &json!("hangup")));
    phone.sees_nothing().await;
    laptop.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn a_client_without_ids_is_given_one(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    phone.offer(&bob, None).await;
    let id = laptop.sees("offer").await["call_id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("s-"), "{id}");
    laptop.answer(&alice, None).await;
    assert_eq!(phone.sees("answer").await["call_id"], id.as_str());
    phone.send("candidate", &bob, None, json!({ "data": 1 })).await;
    assert_eq!(laptop.sees("candidate").await["call_id"], id.as_str());
    phone.end(&bob, None, None).await;
    assert_eq!(laptop.sees("end_call").await["call_id"], id.as_str());
}

#[rstest]
#[tokio::test]
async fn the_first_answer_counts_and_the_other_devices_stop_ringing(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
    #[values(Some(ID), None)] id: Option<&str>,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = Phone::of(&alice).await;
    let (mut laptop, mut tablet) = (Phone::of(&bob).await, Phone::of(&bob).await);
    phone.offer(&bob, id).await;
    let call = laptop.sees("offer").await["call_id"].as_str().expect("an id").to_owned();
    tablet.sees("offer").await;
    laptop.answer(&alice, id).await;
    phone.sees("answer").await;
    tablet.sees_end(&call, "answered_elsewhere").await;
    // The loser is told, and its answer goes nowhere.
    tablet.answer(&alice, id).await;
    tablet.sees_end(&call, "answered_elsewhere").await;
    phone.sees_nothing().await;
    // From now on the frames of the call go to the other connection alone.
    agree(&mut phone, &mut laptop, id).await;
    tablet.sees_nothing().await;
    // A late decline does not end what both sides want.
    tablet.end(&alice, id, Some("declined")).await;
    if id.is_some() {
        tablet.sees_end(&call, "answered_elsewhere").await;
    }
    tablet.sees_nothing().await;
    phone.sees_nothing().await;
    laptop.sees_nothing().await;
    assert_eq!(read_call(&alice, &bob).await["state"], "active");
}

#[rstest]
#[tokio::test]
async fn a_device_that_declines_stops_all(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = Phone::of(&alice).await;
    let (mut laptop, mut tablet) = (Phone::of(&bob).await, Phone::of(&bob).await);
    phone.offer(&bob, Some(ID)).await;
    laptop.sees("offer").await;
    tablet.sees("offer").await;
    tablet.end(&alice, Some(ID), Some("declined")).await;
    phone.sees_end(ID, "declined").await;
    laptop.sees_end(ID, "declined").await;
    laptop.answer(&alice, Some(ID)).await;
    laptop.sees_end(ID, "declined").await;
    laptop.ringing(&alice, ID).await;
    laptop.sees_end(ID, "declined").await;
    phone.offer(&bob, Some(ID)).await;
    phone.sees_end(ID, "declined").await;
    phone.sees_nothing().await;
    tablet.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn an_offer_waits_for_those_who_come_later(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = Phone::of(&alice).await;
    phone.offer(&bob, Some(ID)).await;
    let refused = phone.sees("error").await;
    assert_eq!((&refused["code"], &refused["held_for"]), (&json!("peer_unavailable"), &json!(60)));
    for number in 0..3 {
        phone.send("candidate", &bob, Some(ID), json!({ "data": number })).await;
        phone.device.settle().await;
    }
    let mut laptop = bob.open().await;
    laptop.send(json!({ "type": "register", "userKey": bob.key })).await;
    let registered = laptop.next().await;
    assert_eq!(registered["calls"][0]["call_id"], ID);
    let call = &registered["calls"][0];
    assert_eq!(
        (&call["role"], &call["state"], &call["here"]),
        (&json!("callee"), &json!("ringing"), &json!(false))
    );
    assert_eq!(laptop.next().await["type"], "offer");
    for number in 0..3 {
        assert_eq!(laptop.next().await["data"], number);
    }
    // A candidate that comes later goes to those that were given the offer; registering again gives nothing twice.
    phone.send("candidate", &bob, Some(ID), json!({ "data": "late" })).await;
    assert_eq!(laptop.next().await["data"], "late");
    laptop.register(&bob.key).await;
    laptop.expect_silence().await;
    let mut laptop = Phone { device: laptop, user: bob.clone() };
    laptop.answer(&alice, Some(ID)).await;
    phone.sees("answer").await;
}

#[rstest]
#[tokio::test]
async fn an_end_beforehand_keeps_an_offer_from_ringing(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    phone.end(&bob, Some(ID), Some("cancelled")).await;
    phone.device.settle().await;
    phone.offer(&bob, Some(ID)).await;
    phone.sees_end(ID, "cancelled").await;
    let path = format!("/calls/{}/end", bob.key);
    let ended = alice.request(Method::POST, &path, json!({ "call_id": OTHER })).await;
    assert_eq!((ended.status, ended.json()), (200, json!({ "message": "Call ended" })));
    phone.offer(&bob, Some(OTHER)).await;
    phone.sees_end(OTHER, "hangup").await;
    laptop.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn another_offer_takes_the_place_of_a_call(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = active(&alice, &bob, Some(ID)).await;
    let mut second = Phone::of(&alice).await;
    second.offer(&bob, Some(OTHER)).await;
    assert_eq!(laptop.sees("offer").await["call_id"], OTHER);
    phone.sees_end(ID, "replaced").await;
    // The former call's candidates go nowhere, those of the new one do.
    phone.send("candidate", &bob, Some(ID), json!({ "data": "old" })).await;
    second.send("candidate", &bob, Some(OTHER), json!({ "data": "new" })).await;
    assert_eq!(laptop.sees("candidate").await["data"], "new");
    laptop.answer(&alice, Some(OTHER)).await;
    second.sees("answer").await;
    laptop.sees_nothing().await;
    phone.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn offers_that_cross_make_one_call(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Some(ID), None)] id: Option<&str>,
) {
    let app = App::builder().mode(mode).faults(&["push:delay=200ms"]).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    let other = id.map(|_| OTHER);
    phone.offer(&bob, id).await;
    wait_until("the first offer rings", async || {
        alice.request(Method::GET, &format!("/calls/{}", bob.key), None).await.status == 200
    })
    .await;
    laptop.offer(&alice, other).await;
    laptop.send("candidate", &alice, other, json!({ "data": "refused" })).await;
    let error = laptop.device.expect("error").await;
    assert_eq!((&error["code"], &error["request_type"]), (&json!("glare"), &json!("offer")));
    let given = laptop.device.expect("offer").await;
    assert_eq!(given["sender"], alice.key);
    app.gateway().faults().clear();
    laptop.answer(&alice, id).await;
    phone.sees("answer").await;
    laptop.send("candidate", &alice, id, json!({ "data": "answered" })).await;
    assert_eq!(phone.sees("candidate").await["data"], "answered");
    phone.send("candidate", &bob, id, json!({ "data": "of the caller" })).await;
    assert_eq!(laptop.device.expect("candidate").await["data"], "of the caller");
    phone.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn calling_back_declines(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop, mut tablet) =
        (Phone::of(&alice).await, Phone::of(&bob).await, Phone::of(&bob).await);
    phone.offer(&bob, Some(ID)).await;
    laptop.sees("offer").await;
    tablet.sees("offer").await;
    // An offer within half a second after that would have crossed it, and is refused.
    loop {
        laptop.offer(&alice, Some(OTHER)).await;
        let crossed = tokio::select! {
            error = laptop.device.expect("error") => error,
            () = phone.sees_end(ID, "declined") => break,
        };
        assert_eq!(crossed["code"], "glare");
        laptop.device.expect("offer").await;
    }
    assert_eq!(phone.sees("offer").await["call_id"], OTHER);
    tablet.sees_end(ID, "declined").await;
    phone.answer(&bob, Some(OTHER)).await;
    laptop.sees("answer").await;
}

#[rstest]
#[tokio::test]
async fn a_third_person_ends_nothing(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob, mallory) = (app.user("alice"), app.user("bob"), app.user("mallory"));
    let (mut phone, mut laptop) = active(&alice, &bob, Some(ID)).await;
    let mut stranger = Phone::of(&mallory).await;
    for target in [&alice, &bob] {
        stranger.end(target, Some(ID), None).await;
        stranger.end(target, None, None).await;
    }
    stranger.sees_nothing().await;
    phone.sees_nothing().await;
    laptop.end(&alice, None, None).await;
    phone.sees("end_call").await;
}

#[rstest]
#[tokio::test]
async fn a_hang_up_to_another_peer_is_no_echo(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let (mut phone, mut laptop, mut tablet) =
        (Phone::of(&alice).await, Phone::of(&bob).await, Phone::of(&carol).await);
    for caller in [&mut phone, &mut tablet] {
        caller.offer(&bob, None).await;
        laptop.sees("offer").await;
        laptop.answer(&caller.user, None).await;
        caller.sees("answer").await;
    }
    phone.end(&bob, None, None).await;
    laptop.sees("end_call").await;
    laptop.end(&carol, None, None).await;
    tablet.sees("end_call").await;
    laptop.end(&alice, None, None).await;
    laptop.sees_nothing().await;
    phone.sees_nothing().await;
}
