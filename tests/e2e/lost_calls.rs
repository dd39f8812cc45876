//! Calls whose connections are lost, and taken up again.

use rstest::rstest;
use serde_json::json;
use support::App;
use support::Mode::{self, Guarded, Open};
use support::StoreKind::{self, SecureCluster, Single};

use crate::calling::{Phone, active, agree, read_call};

const ID: &str = "call-one";
const OTHER: &str = "call-two";

#[rstest]
#[rstest]
#[tokio::test]
async fn a_lost_caller_stops_the_ringing(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
    #[values(Some(ID), None)] id: Option<&str>,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    phone.offer(&bob, id).await;
    let call = laptop.sees("offer").await["call_id"].as_str().expect("an id").to_owned();
    phone.device.cut().await;
    laptop.sees_end(&call, "disconnected").await;
    laptop.answer(&alice, id).await;
    laptop.sees_end(&call, "disconnected").await;
}

#[rstest]
#[tokio::test]
async fn another_ringing_device_that_goes_is_forgotten(
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
    tablet.device.cut().await;
    phone.sees_nothing().await;
    laptop.answer(&alice, Some(ID)).await;
    phone.sees("answer").await;
}

#[rstest]
#[rstest]
#[tokio::test]
async fn a_side_that_is_lost_goes_on_from_another_connection(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
    #[values(true, false)] caller_is_lost: bool,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (phone, laptop) = active(&alice, &bob, Some(ID)).await;
    let (lost, mut other) = if caller_is_lost { (phone, laptop) } else { (laptop, phone) };
    let (away, here) = (lost.user.clone(), other.user.clone());
    lost.device.cut().await;
    let told = other.sees("peer_disconnected").await;
    assert_eq!((&told["sender"], &told["call_id"], &told["for"]), (&json!(away.key), &json!(ID), &json!(30)));
    assert!(read_call(&here, &away).await["away"].as_u64().is_some_and(|seconds| seconds < 30));
    // A frame that is sent meanwhile waits.
    other.send("candidate", &away, Some(ID), json!({ "data": "waited" })).await;
    other.device.settle().await;
    let (mut back, registered) = Phone::resuming(&away, ID).await;
    assert_eq!(
        (&registered["calls"][0]["call_id"], &registered["calls"][0]["here"]),
        (&json!(ID), &json!(true))
    );
    assert_eq!(other.sees("peer_reconnected").await["call_id"], ID);
    assert_eq!(back.device.expect("candidate").await["data"], "waited");
    back.send("candidate", &here, Some(ID), json!({ "data": "goes on" })).await;
    assert_eq!(other.sees("candidate").await["data"], "goes on");
    agree(&mut other, &mut back, Some(ID)).await;
    other.end(&away, Some(ID), None).await;
    back.sees("end_call").await;
}

#[rstest]
#[tokio::test]
async fn a_connection_that_takes_over_sends_the_former_away(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = active(&alice, &bob, Some(ID)).await;
    let (mut tablet, _) = Phone::resuming(&alice, ID).await;
    phone.sees_end(ID, "answered_elsewhere").await;
    laptop.sees("peer_reconnected").await;
    // Its later loss means nothing.
    phone.device.cut().await;
    laptop.sees_nothing().await;
    laptop.end(&alice, Some(ID), None).await;
    tablet.sees("end_call").await;
}

#[rstest]
#[tokio::test]
async fn a_call_without_ids_ends_with_a_connection(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::shared(mode, store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, laptop) = active(&alice, &bob, None).await;
    laptop.device.cut().await;
    assert_eq!(phone.sees("end_call").await["reason"], "disconnected");
}

/// Where tokens are asked for, nobody registers as somebody else.
#[rstest]
#[tokio::test]
async fn registering_as_somebody_else_leaves_the_call(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    phone.offer(&bob, None).await;
    laptop.sees("offer").await;
    phone.device.register(&carol.key).await;
    assert_eq!(laptop.sees("end_call").await["reason"], "disconnected");
}

#[rstest]
#[tokio::test]
async fn a_push_that_finds_the_caller_gone_ends_the_call(#[values(Open, Guarded)] mode: Mode) {
    let app = App::builder().mode(mode).on(SecureCluster).faults(&["disconnect:lost=1"]).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
    phone.offer(&bob, None).await;
    laptop.sees("offer").await;
    phone.device.cut().await;
    laptop.answer(&alice, None).await;
    let mut kinds =
        [laptop.device.next().await, laptop.device.next().await].map(|frame| frame["type"].clone());
    kinds.sort_by_key(|kind| kind.to_string());
    assert_eq!(kinds, ["end_call", "error"]);
}

#[rstest]
#[tokio::test]
async fn frames_that_find_the_other_side_gone_wait_for_it(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    // Only the frames tell that a connection is lost.
    let app =
        App::builder().mode(mode).on(store).serial_frames().faults(&["disconnect:lost=1"]).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let candidate = |number: u64| json!({ "data": number });

    let (mut phone, laptop) = active(&alice, &bob, Some(ID)).await;
    laptop.device.cut().await;
    phone.offer(&bob, Some(ID)).await;
    phone.send("candidate", &bob, Some(ID), candidate(1)).await;
    phone.sees("peer_disconnected").await;
    let refused = phone.sees("error").await;
    assert_eq!(refused["code"], "peer_unavailable");
    assert!(refused["held_for"].as_u64().is_some_and(|seconds| (25..=30).contains(&seconds)), "{refused}");
    let mut laptop = Phone { device: bob.open().await, user: bob.clone() };
    laptop.device.send(json!({ "type": "register", "userKey": bob.key, "call_id": ID })).await;
    phone.sees("peer_reconnected").await;
    let given = [laptop.device.expect("offer").await, laptop.device.expect("candidate").await];
    assert_eq!(given[1]["data"], 1);
    laptop.device.expect("registered").await;
    laptop.answer(&alice, Some(ID)).await;
    phone.sees("answer").await;

    // A candidate finds it out.
    laptop.device.cut().await;
    for number in [2, 3] {
        phone.send("candidate", &bob, Some(ID), candidate(number)).await;
    }
    phone.sees("peer_disconnected").await;
    let (mut laptop, _) = Phone::resuming(&bob, ID).await;
    // A frame that waited and one that comes now may cross.
    let mut given = laptop.device.expect_many("candidate", 2).await;
    given.sort_by_key(|frame| frame["data"].as_u64());
    assert_eq!((&given[0]["data"], &given[1]["data"]), (&json!(2), &json!(3)));

    // The answer finds it out.
    let mut other = Phone::of(&app.user("carol")).await;
    let carol = other.user.clone();
    phone.offer(&carol, Some(OTHER)).await;
    other.sees("offer").await;
    other.ringing(&alice, OTHER).await;
    phone.device.expect("ringing").await;
    phone.device.cut().await;
    other.answer(&alice, Some(OTHER)).await;
    other.sees("peer_disconnected").await;
    assert_eq!(other.sees("error").await["code"], "peer_unavailable");
    let mut phone = Phone { device: alice.open().await, user: alice.clone() };
    phone.device.send(json!({ "type": "register", "userKey": alice.key, "call_id": OTHER })).await;
    assert_eq!(phone.device.expect("answer").await["call_id"], OTHER);
}
