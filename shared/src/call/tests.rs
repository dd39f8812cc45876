//! Each rule in the words of `docs/protocol.md`. Connections `a1`, `a2` are Alice's, `b1`, `b2` Bob's.

use super::*;
use crate::ids::{CallId, ConnectionId, UserKey};

const ONE: Option<&str> = Some("call-one");
const TWO: Option<&str> = Some("call-two");

/// Any time; the store's clock and the platform's differ.
const START: u64 = 1_700_000_000_000;

fn user(name: &str) -> UserKey {
    UserKey::try_from(name.to_owned()).expect("a valid key")
}

fn id(text: &str) -> CallId {
    CallId::try_from(text.to_owned()).expect("a valid id")
}

fn device(name: &str) -> ConnectionId {
    ConnectionId::from_platform(name)
}

fn owner(device: &str) -> UserKey {
    user(if device.starts_with('a') { "alice" } else { "bob" })
}

fn peer(device: &str) -> UserKey {
    user(if device.starts_with('a') { "bob" } else { "alice" })
}

/// A line, the store's clock, and the platform's, which goes on with every frame.
struct Scene {
    line: Line,
    now: u64,
    at: u64,
}

impl Scene {
    fn new() -> Self {
        Self { line: Line::default(), now: START, at: 10 }
    }

    /// A call from `a1` that has been given to `b1` and `b2` for a while.
    fn ringing(name: Option<&str>) -> Self {
        let mut scene = Self::new();
        scene.offer("a1", name);
        scene.given(&["b1", "b2"]);
        scene.pass(1_000);
        scene
    }

    /// A call between `a1` and `b1`.
    fn active(name: Option<&str>) -> Self {
        let mut scene = Self::ringing(name);
        scene.answer("b1", name);
        scene
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds;
    }

    fn happen(&mut self, event: &Event) -> Vec<String> {
        let (line, effects) = apply(self.line.clone(), event, self.now);
        self.line = line;
        effects.iter().map(words).collect()
    }

    fn sender(&mut self, name: &str) -> Sender {
        self.at += 1;
        Sender { connection: device(name), user: owner(name), at: self.at }
    }

    fn description(&mut self, from: &str, name: Option<&str>) -> Description {
        Description { from: self.sender(from), to: peer(from), id: name.map(id), ufrags: Vec::new() }
    }

    fn offer(&mut self, from: &str, name: Option<&str>) -> Vec<String> {
        let offer = self.description(from, name);
        self.offer_at(offer)
    }

    fn offer_at(&mut self, offer: Description) -> Vec<String> {
        self.happen(&Event::Offer { offer, spare: id("s-spare1") })
    }

    fn answer(&mut self, from: &str, name: Option<&str>) -> Vec<String> {
        let answer = self.description(from, name);
        self.happen(&Event::Answer(answer))
    }

    fn ring(&mut self, from: &str, name: &str) -> Vec<String> {
        let from = self.sender(from);
        self.happen(&Event::Ringing { from, id: id(name) })
    }

    fn end(&mut self, from: &str, name: Option<&str>, reason: Reason) -> Vec<String> {
        let by = Ender::Connection(self.sender(from));
        self.happen(&Event::End { by, id: name.map(id), reason })
    }

    /// The offer that rings was delivered to these.
    fn given(&mut self, to: &[&str]) -> Vec<String> {
        let call = self.line.live().expect("a call");
        let event = Event::Delivered {
            from: call.caller.connection.clone(),
            offer: Some(call.id.clone()),
            user: call.callee.user.clone(),
            to: to.iter().map(|name| device(name)).collect(),
        };
        self.happen(&event)
    }

    fn lose(&mut self, name: &str) -> Vec<String> {
        self.happen(&Event::Lost(device(name)))
    }

    fn resume(&mut self, name: &str, call: &str) -> Vec<String> {
        self.happen(&Event::Resumed { user: owner(name), connection: device(name), id: id(call) })
    }

    fn route(&mut self, from: &str, name: Option<&str>, ufrag: Option<&str>) -> Route {
        let candidate = Candidate {
            from: self.sender(from),
            to: peer(from),
            id: name.map(id),
            ufrag: ufrag.map(str::to_owned),
        };
        self.line.route(&candidate, self.now)
    }

    fn state(&self) -> String {
        let call = self.line.at(self.now).call;
        call.map_or("none".to_owned(), |call| match call.state {
            State::Ringing => format!("{} rings", call.id.as_str()),
            State::Active => format!("{} active", call.id.as_str()),
            State::Ended(ended) => format!("{} {}", call.id.as_str(), ended.reason.as_str()),
        })
    }
}

fn words(effect: &Effect) -> String {
    let end = |to: &str, id: &CallId, reason: Reason| format!("end {to} {} {}", id.as_str(), reason.as_str());
    match effect {
        Effect::RelayToAll { id } => format!("all {}", id.as_ref().map_or("-", |id| id.as_str())),
        Effect::Relay { to, .. } => format!("relay {}", to.as_str()),
        Effect::Wait { .. } => "wait".to_owned(),
        Effect::Give { to } => format!("give {}", to.as_str()),
        Effect::End { to, id, reason, .. } => end(to.as_str(), id, *reason),
        Effect::EndAll { user, id, reason, .. } => end(user.as_str(), id, *reason),
        Effect::Replaced { to, id, .. } => end(to.as_str(), id, Reason::Replaced),
        Effect::Away { to, .. } => format!("away {}", to.as_str()),
        Effect::Back { to, .. } => format!("back {}", to.as_str()),
        Effect::GiveWaiting { to, .. } => format!("waiting {}", to.as_str()),
        Effect::Glare => "glare".to_owned(),
        Effect::TryAgain => "again".to_owned(),
    }
}

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
