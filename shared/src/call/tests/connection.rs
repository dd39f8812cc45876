//! Rule 5, and the look again after a delivery.

use super::{ONE, Scene, TWO, device, id, user};
use crate::call::{AWAY_MS, Event, Reason, Route};

#[test]
fn a_delivery_that_comes_late_is_followed_by_what_holds() {
    let late = |scene: &mut Scene, name: &str| {
        let (from, to) = (Some(device("a1")), vec![device("b1"), device("b2")]);
        scene.happen(&Event::Delivered { from, offer: Some(id(name)), user: user("bob"), to })
    };
    let mut scene = Scene::new();
    scene.offer("a1", ONE);
    scene.answer("b1", ONE);
    assert_eq!(late(&mut scene, "call-one"), ["end b2 call-one answered_elsewhere"]);
    scene.end("a1", ONE, Reason::Hangup);
    let over = ["end b1 call-one hangup", "end b2 call-one hangup"];
    assert_eq!(late(&mut scene, "call-one"), over);
    scene.offer("a1", TWO);
    let rings = ["end b1 call-one hangup", "give b1", "end b2 call-one hangup", "give b2"];
    assert_eq!(late(&mut scene, "call-one"), rings);
    let told = Event::Told {
        id: id("call-one"),
        to: vec![(user("bob"), device("b1")), (user("alice"), device("a1"))],
    };
    assert_eq!(scene.happen(&told), ["give b1"]);
}

#[test]
fn a_side_that_may_come_back_is_waited_for() {
    for lost in ["a1", "b1"] {
        let (other, back) = if lost == "a1" { ("b1", "a2") } else { ("a1", "b2") };
        let mut scene = Scene::active(ONE);
        assert_eq!(scene.lose(lost), [format!("away {other}")]);
        assert_eq!(scene.offer(other, ONE), ["wait"]);
        assert_eq!(scene.route(other, ONE, None), Route::Early);
        assert_eq!(scene.resume(back, "call-one"), [format!("back {other}"), format!("waiting {back}")]);
        assert_eq!(scene.lose(lost), [] as [&str; 0]);
        assert_eq!(scene.resume(back, "call-one"), [] as [&str; 0]);
        assert_eq!(scene.answer(back, ONE), [format!("relay {other}")]);
        // Its candidates follow the description of before.
        assert_eq!(scene.end(back, ONE, Reason::Hangup), [format!("end {other} call-one hangup")]);
    }
}

#[test]
fn a_side_that_stays_away_has_left() {
    let mut scene = Scene::active(ONE);
    scene.lose("a1");
    scene.pass(AWAY_MS - 1);
    assert_eq!(scene.state(), "call-one active");
    scene.pass(1);
    assert_eq!(scene.state(), "call-one disconnected");
    assert_eq!(scene.resume("a2", "call-one"), [] as [&str; 0]);
    assert_eq!(scene.offer("b1", ONE), ["end b1 call-one disconnected"]);
}

#[test]
fn a_connection_that_takes_over_sends_the_former_away() {
    let mut scene = Scene::active(ONE);
    let told = ["back b1", "end a1 call-one answered_elsewhere", "waiting a2"];
    assert_eq!(scene.resume("a2", "call-one"), told);
    assert_eq!(scene.lose("a1"), [] as [&str; 0]);
    assert_eq!(scene.end("b1", ONE, Reason::Hangup), ["end a2 call-one hangup"]);
}

#[test]
fn a_call_that_nobody_can_resume_ends_with_a_connection() {
    let mut scene = Scene::ringing(ONE);
    // The callee has not shown that it knows the id.
    let told =
        ["end b1 call-one disconnected", "end b2 call-one disconnected", "end bob call-one disconnected"];
    assert_eq!(scene.lose("a1"), told);
    let mut scene = Scene::ringing(ONE);
    assert_eq!(scene.ring("b1", "call-one"), ["relay a1"]);
    assert_eq!(scene.lose("a1"), ["away b1", "away b2"]);
    let mut scene = Scene::ringing(ONE);
    assert_eq!(scene.lose("b2"), [] as [&str; 0]);
    assert_eq!(scene.state(), "call-one rings");
    let mut scene = Scene::active(None);
    assert_eq!(scene.lose("b1"), ["end a1 s-spare1 disconnected"]);
}
