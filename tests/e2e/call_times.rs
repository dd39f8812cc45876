//! Times of calls, by clocks that are moved: the functions' and the store's.

use std::time::Duration;

use hyper::Method;
use rstest::rstest;
use serde_json::{Value, json};
use support::Mode::{self, Guarded, Open};
use support::{App, Clock, Device, TestStore, User, wait_until};

use crate::calling::{FUNCTIONS, Phone, active, read_call};

const ID: &str = "call-one";
const OTHER: &str = "call-two";

/// An app whose time is the test's own.
struct Timed {
    clock: Clock,
    app: App,
    store: TestStore,
}

impl Timed {
    /// `None`, and why, where clocks cannot be moved.
    async fn start(mode: Mode) -> Option<Self> {
        let clock = Clock::start()?;
        let store = TestStore::start_by(&clock).await;
        let app = App::builder().on_store(&store).mode(mode).clock(&clock).start().await;
        Some(Self { clock, app, store })
    }

    /// Time passes once what has been sent is dealt with: a function would take it for a store that hangs.
    async fn pass(&self, seconds: u64) {
        let lambda = self.app.gateway().lambda();
        wait_until("the end of the functions' work", async || {
            FUNCTIONS.iter().all(|function| lambda.idle(function) == lambda.instances(function))
        })
        .await;
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn users(&self) -> (User, User) {
        (self.app.user("alice"), self.app.user("bob"))
    }
}

/// A device that registers, and the calls that `registered` lists.
async fn come(user: &User) -> (Device, Value) {
    let mut device = user.open().await;
    let mut registered = device.register(&user.key).await;
    (device, registered["calls"].take())
}

#[rstest]
#[tokio::test]
async fn an_offer_is_held_for_60_seconds_from_its_last_repeat(#[values(Open, Guarded)] mode: Mode) {
    let Some(timed) = Timed::start(mode).await else { return };
    let (alice, bob) = timed.users();
    let mut phone = Phone::of(&alice).await;
    phone.offer(&bob, Some(ID)).await;
    assert_eq!(phone.sees("error").await["held_for"], 60);
    timed.pass(50).await;
    let (mut laptop, calls) = come(&bob).await;
    assert!(calls[0]["ends_in"].as_u64().is_some_and(|seconds| (1..=10).contains(&seconds)), "{calls}");
    assert_eq!(laptop.next().await["call_id"], ID);
    // The repeat rings everybody again.
    phone.offer(&bob, Some(ID)).await;
    assert_eq!(laptop.next().await["call_id"], ID);
    timed.pass(50).await;
    let (mut tablet, calls) = come(&bob).await;
    assert!(calls[0]["ends_in"].as_u64().is_some_and(|seconds| (1..=10).contains(&seconds)), "{calls}");
    assert_eq!(tablet.next().await["call_id"], ID);
    timed.pass(11).await;
    let (mut late, calls) = come(&bob).await;
    assert_eq!((&calls[0]["state"], &calls[0]["ends_in"]), (&json!("ringing"), &json!(0)));
    late.settle().await;
    late.expect_silence().await;
    // The call itself goes on until somebody ends it: a late answer counts.
    let mut laptop = Phone { device: laptop, user: bob.clone() };
    laptop.answer(&alice, Some(ID)).await;
    phone.sees("answer").await;
    assert_eq!(read_call(&alice, &bob).await["state"], "active");
}

#[rstest]
#[tokio::test]
async fn an_ended_call_is_readable_and_its_id_dead_for_2_minutes(#[values(Open, Guarded)] mode: Mode) {
    let Some(timed) = Timed::start(mode).await else { return };
    let (alice, bob) = timed.users();
    let (mut phone, mut laptop) = active(&alice, &bob, Some(ID)).await;
    phone.end(&bob, Some(ID), Some("hangup")).await;
    laptop.sees_end(ID, "hangup").await;
    timed.pass(115).await;
    let call = read_call(&bob, &alice).await;
    assert_eq!((&call["state"], &call["reason"]), (&json!("ended"), &json!("hangup")));
    phone.offer(&bob, Some(ID)).await;
    phone.sees_end(ID, "hangup").await;
    timed.pass(10).await;
    let reply = bob.request(Method::GET, &format!("/calls/{}", alice.key), None).await;
    assert_eq!(reply.status, 404, "{}", reply.text());
    laptop.sees_nothing().await;
    phone.offer(&bob, Some(ID)).await;
    assert_eq!(laptop.sees("offer").await["call_id"], ID);
}

#[rstest]
#[tokio::test]
async fn a_side_may_be_away_for_30_seconds(#[values(Open, Guarded)] mode: Mode) {
    let Some(timed) = Timed::start(mode).await else { return };
    let (alice, bob) = timed.users();
    for (away, goes_on) in [(25, true), (31, false)] {
        let (phone, mut laptop) = active(&alice, &bob, Some(ID)).await;
        phone.device.cut().await;
        assert_eq!(laptop.sees("peer_disconnected").await["for"], 30);
        timed.pass(away).await;
        let call = read_call(&bob, &alice).await;
        let expected = if goes_on { json!(["active", null]) } else { json!(["ended", "disconnected"]) };
        assert_eq!(json!([call["state"], call["reason"]]), expected, "{call}");
        let (mut back, registered) = Phone::resuming(&alice, ID).await;
        assert_eq!(registered["calls"].as_array().map(Vec::len), Some(usize::from(goes_on)));
        if goes_on {
            laptop.sees("peer_reconnected").await;
            laptop.end(&alice, Some(ID), None).await;
            back.sees("end_call").await;
            // Beyond the time for which its id is dead.
            timed.pass(125).await;
        } else {
            back.offer(&bob, Some(ID)).await;
            back.sees_end(ID, "disconnected").await;
        }
        laptop.sees_nothing().await;
        back.device.close().await;
        laptop.device.close().await;
    }
}

#[rstest]
#[tokio::test]
async fn offers_to_users_who_never_were_leave_no_key_3_minutes_later(#[values(Open, Guarded)] mode: Mode) {
    let Some(timed) = Timed::start(mode).await else { return };
    let alice = timed.app.user("alice");
    let mut phone = Phone::of(&alice).await;
    for number in 0..50 {
        let nobody = timed.app.user(&format!("nobody-{number}"));
        phone.offer(&nobody, Some(&format!("call-{number:04}"))).await;
        phone.sees("error").await;
    }
    let calls = async || alice.request(Method::GET, "/calls", None).await.json();
    assert_eq!(calls().await.as_array().map(Vec::len), Some(20));
    phone.device.cut().await;
    wait_until("every call is over", async || calls().await == json!([])).await;
    timed.pass(180).await;
    let keys = timed.store.tell("KEYS *").await;
    assert_eq!(keys, redis::Value::Array(Vec::new()));
}

#[rstest]
#[tokio::test]
async fn an_end_is_an_echo_for_5_seconds(#[values(Open, Guarded)] mode: Mode) {
    let Some(timed) = Timed::start(mode).await else { return };
    let (alice, bob) = timed.users();
    let (mut phone, mut laptop) = active(&alice, &bob, None).await;
    for (later, is_echo) in [(0, true), (6, false)] {
        phone.end(&bob, None, None).await;
        laptop.sees("end_call").await;
        timed.pass(later).await;
        phone.offer(&bob, None).await;
        laptop.sees("offer").await;
        laptop.end(&alice, None, None).await;
        if is_echo {
            laptop.device.settle().await;
            laptop.answer(&alice, None).await;
            phone.sees("answer").await;
        } else {
            phone.sees("end_call").await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn an_offer_against_one_of_a_minute_ago_is_a_call_of_its_own(#[values(Open, Guarded)] mode: Mode) {
    let Some(timed) = Timed::start(mode).await else { return };
    let (alice, bob) = timed.users();
    let mut phone = Phone::of(&alice).await;
    phone.offer(&bob, Some(ID)).await;
    phone.sees("error").await;
    timed.pass(61).await;
    // The ringing one was never given to this connection, and would be glare if it were younger.
    let mut laptop = Phone::of(&bob).await;
    laptop.offer(&alice, Some(OTHER)).await;
    phone.sees_end(ID, "declined").await;
    assert_eq!(phone.sees("offer").await["call_id"], OTHER);
    phone.answer(&bob, Some(OTHER)).await;
    laptop.sees("answer").await;
}

#[rstest]
#[tokio::test]
async fn a_record_lives_for_24_hours_after_the_last_frame_but_candidates(
    #[values(Open, Guarded)] mode: Mode,
) {
    const HOUR: u64 = 3600;
    let Some(timed) = Timed::start(mode).await else { return };
    let (alice, bob) = timed.users();
    let (mut phone, mut laptop) = active(&alice, &bob, Some(ID)).await;
    timed.pass(23 * HOUR).await;
    register_again(&mut [&mut phone, &mut laptop]).await;
    phone.offer(&bob, Some(ID)).await;
    laptop.sees("offer").await;
    timed.pass(23 * HOUR).await;
    register_again(&mut [&mut phone, &mut laptop]).await;
    assert_eq!(read_call(&alice, &bob).await["state"], "active");
    phone.send("candidate", &bob, Some(ID), json!({ "data": 1 })).await;
    laptop.sees("candidate").await;
    timed.pass(2 * HOUR).await;
    let reply = alice.request(Method::GET, &format!("/calls/{}", bob.key), None).await;
    assert_eq!(reply.status, 404, "{}", reply.text());
}

/// The platform closes connections after 2 hours, and the registry forgets them; these live on, and say so.
async fn register_again(phones: &mut [&mut Phone]) {
    for phone in phones {
        phone.device.register(&phone.user.key).await;
    }
}
