//! Each rule in the words of `docs/protocol.md`, in the module of its event. Connections `a1`, `a2` are Alice's, `b1`, `b2`
//! Bob's.

mod answer;
mod candidate;
mod connection;
mod end;
mod line;
mod offer;

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
