//! Calls whose frames and pushes overtake each other.

use hyper::Method;
use rstest::rstest;
use serde_json::json;
use support::Mode::{self, Guarded, Open};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, wait_until};

use crate::calling::{Phone, active, agree, read_call};

const ID: &str = "call-one";

#[rstest]
#[tokio::test]
async fn a_hang_up_that_overtakes_its_offer_keeps_it_from_ringing(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Some(ID), None)] id: Option<&str>,
) {
    let app = App::builder().mode(mode).faults(&["frames:offer:delay=300ms"]).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    phone.offer(&bob, id).await;
    // Frames that reach the platform in the same millisecond prove nothing to each other.
    phone.device.expect_silence().await;
    let sent = std::time::Instant::now();
    wait_until("the next millisecond", async || sent.elapsed().as_millis() > 1).await;
    phone.end(&bob, id, None).await;
    if id.is_some() {
        phone.sees_end(ID, "hangup").await;
    }
    let mut tablet = Phone::of(&alice).await;
    tablet.offer(&bob, Some("call-new")).await;
    assert_eq!(laptop.sees("offer").await["call_id"], "call-new");
    laptop.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn a_candidate_after_the_end_is_not_of_the_next_call(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    for _ in 0..3 {
        agree(&mut phone, &mut laptop, None).await;
        phone.end(&bob, None, None).await;
        laptop.sees("end_call").await;
        phone.send("candidate", &bob, None, json!({ "data": "late" })).await;
        phone.device.settle().await;
    }
    laptop.sees_nothing().await;
}

#[rstest]
#[tokio::test]
async fn redials_and_restarts_keep_candidates_behind_their_offers(#[values(Open, Guarded)] mode: Mode) {
    for serial in [false, true] {
        let builder = App::builder().mode(mode).on(SecureCluster);
        let app = if serial { builder.serial_frames() } else { builder }.start().await;
        let (alice, bob) = (app.user("alice"), app.user("bob"));
        let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
        for round in 0..40 {
            let ufrag = format!("u{round}");
            let id = format!("call-{:04}", round / 4);
            let sdp = json!({ "data": { "sdp": format!("v=0\r\na=ice-ufrag:{ufrag}\r\n") } });
            phone.send("offer", &bob, Some(&id), sdp).await;
            phone.send("candidate", &bob, Some(&id), json!({ "data": { "usernameFragment": ufrag } })).await;
            laptop.sees("offer").await;
            assert_eq!(laptop.sees("candidate").await["data"]["usernameFragment"], ufrag.as_str());
            laptop.answer(&alice, Some(&id)).await;
            phone.sees("answer").await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn offers_and_ends_back_to_back_ring_for_nobody(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Some(ID), None)] id: Option<&str>,
) {
    let app = App::shared(mode, SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    for round in 0..60 {
        let id = id.map(|id| format!("{id}-{round}"));
        phone.offer(&bob, id.as_deref()).await;
        phone.end(&bob, id.as_deref(), None).await;
        phone.device.settle().await;
        wait_until("the end", async || {
            let call = alice.request(Method::GET, &format!("/calls/{}", bob.key), None).await;
            call.status == 404 || call.json()["state"] == "ended"
        })
        .await;
    }
    // Each device that rang was told of the end.
    let frames = laptop.device.take_all().await;
    let count = |kind: &str| frames.iter().filter(|frame| frame["type"] == kind).count();
    assert!(count("end_call") >= count("offer"), "{frames:?}");
}

#[rstest]
#[tokio::test]
async fn an_offer_in_a_call_that_a_hang_up_overtakes_is_followed_by_the_end(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Some(ID), None)] id: Option<&str>,
) {
    let app = App::builder().mode(mode).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = active(&alice, &bob, id).await;
    // The offer's push is on its way while the call ends.
    app.gateway().faults().set("push:delay=500ms").expect("a fault");
    let lambda = app.gateway().lambda();
    phone.offer(&bob, id).await;
    wait_until("the offer's work", async || lambda.idle("Signaling") < lambda.instances("Signaling")).await;
    let call = read_call(&alice, &bob).await;
    app.gateway().faults().clear();
    let body = json!({ "call_id": call["call_id"] });
    let ended = bob.request(Method::POST, &format!("/calls/{}/end", alice.key), Some(body)).await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    phone.device.expect("end_call").await;
    wait_until("the end of the offer's work", async || {
        lambda.idle("Signaling") == lambda.instances("Signaling")
    })
    .await;
    laptop.device.settle().await;
    let frames = laptop.device.take_all().await;
    assert_eq!(frames.last().expect("a frame")["type"], "end_call", "{frames:?}");
}
