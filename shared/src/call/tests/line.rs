//! Rule 7, and what is remembered.

use super::{ONE, Scene, TWO};
use crate::call::{Ender, Event, Line, OVER_MS, Reason};

#[test]
fn what_was_overtaken_is_of_the_past() {
    // An offer that comes after the hang-up meant for it.
    let mut scene = Scene::new();
    let early = scene.description("a1", None);
    scene.end("a1", None, Reason::Hangup);
    assert_eq!(scene.offer_at(early), [] as [&str; 0]);
    // One that comes after a later offer, whose id is over then.
    let early = scene.description("a1", ONE);
    scene.offer("a1", TWO);
    assert_eq!(scene.offer_at(early), [] as [&str; 0]);
    assert_eq!(scene.offer("a1", ONE), ["end a1 call-one cancelled"]);
    // A hang-up that comes after a later offer.
    let mut scene = Scene::active(None);
    let by = Ender::Connection(scene.sender("a1"));
    scene.offer("a1", None);
    let late = Event::End { by, id: None, reason: Reason::Hangup };
    assert_eq!(scene.happen(&late), [] as [&str; 0]);
    assert_eq!(scene.state(), "s-spare1 active");
    // An answer to an offer of before.
    let mut scene = Scene::ringing(None);
    let early = scene.description("b1", None);
    scene.offer("a1", None);
    assert_eq!(scene.happen(&Event::Answer(early)), [] as [&str; 0]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut scene = Scene::new();
    for number in 0..200 {
        scene.end(&format!("a{number}"), Some(&format!("call-{number:04}")), Reason::Hangup);
        scene.end(&format!("a{number}"), None, Reason::Hangup);
    }
    let size = serde_json::to_string(&scene.line).expect("JSON").len();
    assert!(size < 8_000, "{size} bytes");
    let line: Line =
        serde_json::from_str(&serde_json::to_string(&scene.line).expect("JSON")).expect("a line");
    assert_eq!(line, scene.line);
    assert_eq!(scene.line.at(scene.now + OVER_MS), Line::default());
}
