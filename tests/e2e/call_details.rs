//! Calls in detail: what is held, who may end and renegotiate, and what REST says and does.

use hyper::Method;
use rstest::rstest;
use serde_json::{Value, json};
use support::Mode::{self, Guarded, Open};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, User};

use crate::calling::{Phone, active, agree, read_call};

const ID: &str = "call-one";

/// Rings a user who is not there, and returns the data of the candidates that reach them as they come.
async fn held_candidates(alice: &User, bob: &User, candidates: Vec<Value>) -> Vec<Value> {
    let mut phone = Phone::of(alice).await;
    phone.offer(bob, Some(ID)).await;
    phone.sees("error").await;
    for data in candidates {
        phone.send("candidate", bob, Some(ID), json!({ "data": data })).await;
    }
    phone.device.settle().await;
    let mut laptop = Phone::of(bob).await;
    laptop.sees("offer").await;
    // Those that were given the offer get what is held no more.
    laptop.device.settle().await;
    phone.send("candidate", bob, Some(ID), json!({ "data": "last" })).await;
    let mut given = Vec::new();
    loop {
        match laptop.sees("candidate").await["data"].take() {
            Value::String(last) if last == "last" => return given,
            data => given.push(data),
        }
    }
}

#[rstest]
#[tokio::test]
async fn at_most_64_frames_are_held(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::builder().mode(mode).on(store).serial_frames().start().await;
    let candidates: Vec<_> = (0..70).map(|number| json!(number)).collect();
    let given = held_candidates(&app.user("alice"), &app.user("bob"), candidates.clone()).await;
    // The offer is one of the 64.
    assert_eq!(given, candidates[..63]);
}

#[rstest]
#[tokio::test]
async fn at_most_256_kb_are_held(#[values(Open, Guarded)] mode: Mode) {
    let app = App::builder().mode(mode).serial_frames().start().await;
    let candidates = (0..12).map(|_| json!("x".repeat(30_000))).collect();
    let given = held_candidates(&app.user("alice"), &app.user("bob"), candidates).await;
    assert_eq!(given.len(), 8);
}

#[rstest]
#[tokio::test]
async fn a_call_whose_caller_has_gone_rings_for_nobody(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = Phone::of(&alice).await;
    phone.offer(&bob, Some(ID)).await;
    phone.sees("error").await;
    phone.device.cut().await;
    support::wait_until("the end of the call", async || read_call(&alice, &bob).await["state"] == "ended")
        .await;
    let mut laptop = bob.open().await;
    assert_eq!(laptop.register(&bob.key).await["calls"], json!([]));
    laptop.settle().await;
    laptop.expect_silence().await;
}

#[rstest]
#[tokio::test]
async fn either_side_renegotiates_with_the_other_alone(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
    #[values(Some(ID), None)] id: Option<&str>,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = active(&alice, &bob, id).await;
    let (mut watch, mut tablet) = (Phone::of(&alice).await, Phone::of(&bob).await);
    agree(&mut laptop, &mut phone, id).await;
    agree(&mut phone, &mut laptop, id).await;
    for idle in [&mut watch, &mut tablet] {
        idle.sees_nothing().await;
    }
    assert_eq!(read_call(&alice, &bob).await["role"], "caller");
}

#[rstest]
#[tokio::test]
async fn any_connection_of_the_two_ends_a_call_by_its_id(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
    #[values(true, false)] is_callers: bool,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = active(&alice, &bob, Some(ID)).await;
    let (user, peer) = if is_callers { (&alice, &bob) } else { (&bob, &alice) };
    let mut idle = Phone::of(user).await;
    // Without the id it takes no part.
    idle.end(peer, None, None).await;
    idle.sees_nothing().await;
    idle.end(peer, Some(ID), Some("for no reason")).await;
    for one in [&mut phone, &mut laptop] {
        let ended = one.sees("end_call").await;
        assert_eq!((&ended["call_id"], &ended["reason"]), (&json!(ID), &json!("hangup")));
    }
    assert_eq!(read_call(&alice, &bob).await["reason"], "hangup");
    idle.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn a_call_is_ended_over_rest(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
    #[values(true, false)] rings: bool,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    phone.offer(&bob, Some(ID)).await;
    laptop.sees("offer").await;
    if !rings {
        laptop.answer(&alice, Some(ID)).await;
        phone.sees("answer").await;
    }
    let path = format!("/calls/{}/end", alice.key);
    for body in [json!({}), json!({ "call_id": "short" }), json!({ "call_id": 12_345_678 })] {
        let refused = bob.request(Method::POST, &path, body).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
    }
    // A decline that comes after another device's answer would end nothing.
    let reason = if rings { "declined" } else { "failed" };
    for _ in 0..2 {
        let ended = bob.request(Method::POST, &path, json!({ "call_id": ID, "reason": reason })).await;
        assert_eq!((ended.status, ended.json()), (200, json!({ "message": "Call ended" })));
    }
    phone.sees_end(ID, reason).await;
    laptop.sees_end(ID, reason).await;
    assert_eq!(read_call(&alice, &bob).await["reason"], reason);
    phone.sees_nothing().await;
    laptop.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn calls_are_listed_as_each_connection_sees_them(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let none = alice.request(Method::GET, &format!("/calls/{}", bob.key), None).await;
    assert_eq!(none.status, 404, "{}", none.text());
    assert_eq!(alice.request(Method::GET, "/calls", None).await.json(), json!([]));
    let (mut phone, laptop) = active(&alice, &bob, Some(ID)).await;
    let entry = json!({ "call_id": ID, "with": bob.key, "role": "caller", "state": "active" });
    let mut here = entry.clone();
    here["here"] = json!(true);
    assert_eq!(phone.device.register(&alice.key).await["calls"], json!([here]));
    here["here"] = json!(false);
    let mut idle = alice.open().await;
    assert_eq!(idle.register(&alice.key).await["calls"], json!([here]));
    assert_eq!(alice.request(Method::GET, "/calls", None).await.json(), json!([entry]));
    laptop.device.cut().await;
    phone.sees("peer_disconnected").await;
    let away = alice.request(Method::GET, "/calls", None).await.json();
    assert!(away[0]["away"].as_u64().is_some_and(|seconds| seconds < 30), "{away}");
}

#[rstest]
#[tokio::test]
async fn an_answer_without_id_to_an_offer_it_has_not_seen_is_given_that_offer(
    #[values(Open, Guarded)] mode: Mode,
) {
    let app = App::builder().mode(mode).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = active(&alice, &bob, None).await;
    phone.end(&bob, None, None).await;
    laptop.sees("end_call").await;
    // The redial's push is still on its way when the device answers the call before it.
    app.gateway().faults().set("push:delay=300ms").expect("a fault");
    phone.offer(&bob, None).await;
    support::wait_until("it rings", async || read_call(&alice, &bob).await["state"] == "ringing").await;
    laptop.answer(&alice, None).await;
    laptop.sees("offer").await;
    app.gateway().faults().clear();
    laptop.answer(&alice, None).await;
    phone.device.expect("answer").await;
}

#[rstest]
#[tokio::test]
async fn every_device_that_rings_takes_part(#[values(Open, Guarded)] mode: Mode) {
    let app = App::shared(mode, SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    phone.offer(&bob, Some(ID)).await;
    laptop.sees("offer").await;
    phone.device.settle().await;
    for (device, user) in [(&mut phone.device, &alice), (&mut laptop.device, &bob)] {
        assert_eq!(device.register(&user.key).await["calls"][0]["here"], true);
    }
    laptop.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn what_is_no_id_reaches_nobody(
    #[values(Open, Guarded)] mode: Mode,
    #[values(json!(12_345_678), json!({}), json!(["call-one"]), json!(true), json!("short"), json!(""), json!(null))]
    odd: Value,
) {
    let app = App::builder().mode(mode).serial_frames().start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    let offer = json!({ "type": "offer", "target": bob.key, "call_id": odd, "data": { "sdp": "v=0" } });
    phone.device.send(offer).await;
    let id =
        laptop.sees("offer").await["call_id"].as_str().expect("an id that the server made up").to_owned();
    assert!(id.starts_with("s-"), "{id}");
    assert_eq!(read_call(&bob, &alice).await["call_id"], id.as_str());
}
