//! Rules 3 and 6.

use super::{ONE, Scene, TWO, device, id, user};
use crate::call::{Event, OVER_MS, Reason};

#[test]
fn everybody_who_takes_part_is_told_of_the_end() {
    let mut scene = Scene::ringing(ONE);
    let told = ["end a1 call-one declined", "end b2 call-one declined", "end bob call-one declined"];
    assert_eq!(scene.end("b1", ONE, Reason::Declined), told);
    let mut scene = Scene::active(ONE);
    assert_eq!(scene.end("a1", None, Reason::Hangup), ["end b1 call-one hangup"]);
    // Any connection of the two users may end it by its id.
    let mut scene = Scene::active(ONE);
    assert_eq!(scene.end("a2", ONE, Reason::Hangup), ["end a1 call-one hangup", "end b1 call-one hangup"]);
    let mut scene = Scene::active(ONE);
    assert_eq!(scene.end("a2", None, Reason::Hangup), [] as [&str; 0]);
}

#[test]
fn a_decline_that_crosses_an_answer_ends_nothing() {
    for reason in [Reason::Declined, Reason::Busy, Reason::Timeout] {
        let mut scene = Scene::active(ONE);
        assert_eq!(scene.end("b2", ONE, reason), ["end b2 call-one answered_elsewhere"]);
        assert_eq!(scene.state(), "call-one active");
        assert_eq!(scene.end("b1", ONE, reason).len(), 1);
    }
}

#[test]
fn a_hang_up_of_the_same_millisecond_that_ended_nothing_was_for_the_offer() {
    let mut scene = Scene::new();
    scene.end("a1", None, Reason::Hangup);
    scene.at -= 1;
    assert!(scene.offer("a1", None).is_empty());
    // One that ended a call was not.
    let mut scene = Scene::active(None);
    scene.end("a1", None, Reason::Hangup);
    scene.at -= 1;
    assert!(!scene.offer("a1", None).is_empty());
}

#[test]
fn a_caller_that_gives_up_from_another_connection_ends_what_was_answered_meanwhile() {
    for reason in [Reason::Cancelled, Reason::Timeout] {
        let mut scene = Scene::active(ONE);
        let told = scene.end("a2", ONE, reason);
        assert!(told.iter().any(|effect| effect.starts_with("end b1 call-one")), "{told:?}");
    }
}

#[test]
fn an_id_that_ended_beforehand_never_rings() {
    let mut scene = Scene::new();
    assert_eq!(scene.end("a1", ONE, Reason::Cancelled), [] as [&str; 0]);
    assert_eq!(scene.offer("a1", ONE), ["end a1 call-one cancelled"]);
    scene.pass(OVER_MS);
    assert_eq!(scene.offer("a1", ONE), ["all call-one"]);
}

#[test]
fn an_end_without_id_after_a_call_is_an_echo() {
    let mut scene = Scene::active(None);
    scene.end("a1", None, Reason::Hangup);
    scene.offer("a1", None);
    scene.given(&["b1"]);
    assert_eq!(scene.end("b1", None, Reason::Hangup), [] as [&str; 0]);
    assert_eq!(scene.state(), "s-spare1 rings");
    // Having answered, it means the new call.
    scene.answer("b1", None);
    assert_eq!(scene.end("b1", None, Reason::Hangup), ["end a1 s-spare1 hangup"]);
    // After 5 s it is no echo any more.
    scene.offer("a1", None);
    scene.given(&["b1"]);
    scene.pass(5_000);
    assert_eq!(scene.end("b1", None, Reason::Hangup)[0], "end a1 s-spare1 hangup");
}

#[test]
fn an_end_that_is_told_late_may_be_echoed_too() {
    let mut scene = Scene::new();
    scene.offer("a1", ONE);
    scene.end("a1", ONE, Reason::Hangup);
    scene.offer("a1", TWO);
    let late = Event::Delivered {
        from: Some(device("a1")),
        offer: Some(id("call-one")),
        user: user("bob"),
        to: vec![device("b1")],
    };
    assert_eq!(scene.happen(&late), ["end b1 call-one hangup", "give b1"]);
    scene.given(&["b1", "b2"]);
    assert_eq!(scene.end("b1", None, Reason::Hangup), [""; 0]);
    assert!(scene.line.rings(), "the echo ended another call");
    let told = Event::Told { id: id("call-one"), to: vec![(user("bob"), device("b2"))] };
    scene.happen(&told);
    assert_eq!(scene.end("b2", None, Reason::Hangup), [""; 0]);
    assert!(scene.line.rings(), "the echo ended another call");
    // Once it has answered, an end is meant.
    scene.answer("b1", TWO);
    scene.happen(&Event::Told { id: id("call-one"), to: vec![(user("bob"), device("b1"))] });
    scene.end("b1", None, Reason::Hangup);
    assert!(scene.line.live().is_none());
}
