//! Rule 2.

use super::{ONE, Scene, TWO};
use crate::call::Reason;

#[test]
fn the_first_answer_counts() {
    for name in [ONE, None] {
        let mut scene = Scene::ringing(name);
        let call = name.unwrap_or("s-spare1");
        let elsewhere = |to| format!("end {to} {call} answered_elsewhere");
        assert_eq!(scene.answer("b1", name), ["relay a1".to_owned(), elsewhere("b2"), elsewhere("bob")]);
        assert_eq!(scene.answer("b2", name), [elsewhere("b2")]);
        assert_eq!(scene.ring("b2", call), [elsewhere("b2")]);
        assert_eq!(scene.state(), format!("{call} active"));
    }
}

#[test]
fn whoever_answers_what_is_over_is_told() {
    let mut scene = Scene::ringing(ONE);
    scene.end("a1", ONE, Reason::Cancelled);
    for name in [ONE, None] {
        assert_eq!(scene.answer("b1", name), ["end b1 call-one cancelled"]);
    }
    assert_eq!(scene.ring("b1", "call-one"), ["end b1 call-one cancelled"]);
    assert_eq!(scene.answer("b1", TWO), ["end b1 call-two hangup"]);
}

#[test]
fn an_answer_without_id_by_a_connection_without_the_offer_is_given_it() {
    let mut scene = Scene::ringing(None);
    assert_eq!(scene.answer("b3", None), ["give b3"]);
    // While the offer is on its way, nobody knows who has it.
    let mut scene = Scene::new();
    scene.offer("a1", None);
    assert_eq!(scene.answer("b1", None), ["again"]);
    scene.pass(3_000);
    assert_eq!(scene.answer("b1", None), ["give b1"]);
}
