//! Which description a candidate belongs to, and where it goes.

use super::{ONE, Scene, TWO, device, user};
use crate::call::{Event, Reason, Route};

#[test]
fn a_candidate_follows_its_description() {
    let mut scene = Scene::new();
    assert_eq!(scene.route("a1", ONE, None), Route::Early);
    scene.offer("a1", ONE);
    assert_eq!(scene.route("a1", ONE, None), Route::Early);
    scene.given(&["b1"]);
    assert_eq!(scene.route("a1", ONE, None), Route::Ring(vec![device("b1")]));
    assert_eq!(scene.route("a1", TWO, None), Route::Early);
    assert_eq!(scene.route("b1", ONE, None), Route::Early);
    scene.answer("b1", ONE);
    assert_eq!(scene.route("a1", None, None), Route::Pass(device("b1")));
    scene.end("a1", ONE, Reason::Hangup);
    assert_eq!(scene.route("a1", ONE, None), Route::Drop);
    // One that was left over is of no later call.
    let late = scene.at;
    scene.offer("a1", None);
    assert!(!scene.line.follows(&device("a1"), None, None, late));
}

#[test]
fn a_username_fragment_tells_the_description() {
    let mut scene = Scene::active(ONE);
    let mut restart = scene.description("a1", ONE);
    restart.ufrags = vec!["new".to_owned()];
    assert_eq!(scene.route("a1", ONE, Some("new")), Route::Pass(device("b1")));
    scene.offer_at(restart);
    scene.happen(&Event::Delivered {
        from: Some(device("a1")),
        offer: None,
        user: user("bob"),
        to: vec![device("b1")],
    });
    assert_eq!(scene.route("a1", ONE, Some("new")), Route::Pass(device("b1")));
    assert_eq!(scene.route("a1", ONE, Some("newer")), Route::Early);
}
