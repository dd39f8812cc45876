//! Rules 1 and 4.

use super::{ONE, Scene, TWO, device, user};
use crate::call::Route;

#[test]
fn an_offer_starts_a_call_and_repeats_it() {
    let mut scene = Scene::new();
    assert_eq!(scene.offer("a1", None), ["all s-spare1"]);
    scene.given(&["b1"]);
    scene.pass(59_000);
    assert_eq!(scene.offer("a1", None), ["all s-spare1"]);
    let ends_in = scene.line.summary(&user("alice"), scene.now).and_then(|call| call.ends_in);
    assert_eq!((scene.state().as_str(), ends_in), ("s-spare1 rings", Some(60)));
    // The 60 s bound what is held; a later answer still counts.
    scene.pass(300_000);
    assert!(!scene.line.waits_for(&user("bob"), &device("b2"), true, scene.now));
    assert_eq!(scene.answer("b1", None)[0], "relay a1");
}

#[test]
fn an_offer_in_an_active_call_renegotiates_with_the_other_alone() {
    for name in [ONE, None] {
        let mut scene = Scene::active(name);
        assert_eq!(scene.offer("b1", name), ["relay a1"]);
        assert_eq!(scene.answer("a1", name), ["relay b1"]);
        assert_eq!(scene.offer("a1", name), ["relay b1"]);
    }
}

#[test]
fn an_offer_takes_the_place_of_a_call() {
    let mut scene = Scene::active(ONE);
    // The other side is told by the offer, if it is given it.
    assert_eq!(scene.offer("a1", TWO), ["end b1 call-one replaced", "all call-two"]);
    let mut scene = Scene::active(ONE);
    let told = ["end a1 call-one replaced", "end b1 call-one replaced", "all s-spare1"];
    assert_eq!(scene.offer("a2", None), told);
    assert_eq!(scene.offer("a1", ONE), ["end a1 call-one replaced"]);
}

#[test]
fn offers_that_cross_make_one_call() {
    for (name, other) in [(ONE, TWO), (None, None)] {
        // Not yet given, or for less than half a second.
        for given in [false, true] {
            let mut scene = Scene::new();
            scene.offer("a1", name);
            if given {
                scene.given(&["b1"]);
                scene.pass(499);
            }
            assert_eq!(scene.offer("b1", other), ["glare", "give b1"]);
            // Its own candidates go nowhere, those of its answer wait for it.
            assert_eq!(scene.route("b1", other, None), Route::Drop);
            scene.given(&["b1"]);
            assert_eq!(scene.answer("b1", name)[0], "relay a1");
        }
    }
}

#[test]
fn an_offer_by_one_who_has_seen_the_call_declines_it() {
    let mut scene = Scene::ringing(ONE);
    let told =
        ["end a1 call-one declined", "end b2 call-one declined", "end bob call-one declined", "all call-two"];
    assert_eq!(scene.offer("b1", TWO), told);
    assert_eq!(scene.state(), "call-two rings");
    assert_eq!(scene.offer("a1", ONE), ["end a1 call-one declined"]);
}
