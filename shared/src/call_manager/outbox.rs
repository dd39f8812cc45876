//! The frames that the effects of one event make, gathered by connection.

use std::collections::HashMap;

use crate::call::{AWAY_MS, Effect, Reason};
use crate::ids::{CallId, ConnectionId, UserKey};
use crate::protocol::client::Signal;
use crate::protocol::server::{EndCall, PeerPresence, to_json};
use crate::push::{Delivery, Push};
use crate::store::{Connection, Held, Pair};

/// Frames for connections, in the order in which they came in.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pushes: Vec<Push>,
    marks: Vec<Mark>,
}

/// Says which kinds of frames a connection is sent.
#[derive(Debug, Default)]
pub(super) struct Mark {
    /// Whether a description is among the frames.
    described: bool,
    /// Whether an offer that rings is.
    offered: bool,
    /// The calls whose end is.
    ended: Vec<CallId>,
}

/// How the pushes of an outbox went.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The connections that took the event's own description.
    pub(super) described: Vec<ConnectionId>,
    /// Those that took the offer that rings.
    pub(super) offered: Vec<ConnectionId>,
    /// Those that took an `end_call`, and no offer after it.
    pub(super) told: HashMap<CallId, Vec<(UserKey, ConnectionId)>>,
    /// Those that are gone.
    pub(super) gone: Vec<(UserKey, ConnectionId)>,
    /// Those that missed a frame.
    pub(super) missed: Vec<(UserKey, ConnectionId)>,
}

/// The parts that frames are made of.
pub(super) struct Material<'a> {
    /// The two users.
    pub(super) pair: &'a Pair,
    /// The open connections of users, as far as effects need them.
    pub(super) connections: &'a HashMap<UserKey, Vec<Connection>>,
    /// The event's frame, and where it came from.
    pub(super) relayed: Option<Relayed<'a>>,
    /// The offer that rings and its candidates, and the user they are for.
    pub(super) ring: Option<(&'a UserKey, Vec<String>)>,
    /// The frames that waited for a user that was away.
    pub(super) waiting: &'a [Held],
}

/// The event's frame.
pub(super) struct Relayed<'a> {
    /// The user that sent it.
    pub(super) user: &'a UserKey,
    /// The connection that it came on.
    pub(super) connection: &'a ConnectionId,
    /// The frame.
    pub(super) signal: &'a Signal<'a>,
    /// Whether it is an offer or answer.
    pub(super) describes: bool,
    /// Whether it ends a call.
    pub(super) ends: bool,
}

impl Relayed<'_> {
    /// The frame, of a call. It has been relayed before, and fitted.
    fn text(&self, id: Option<&CallId>) -> String {
        self.signal.relay(self.user, id).unwrap_or_default()
    }
}

impl Outbox {
    /// The frames of these effects.
    pub(super) fn of(effects: &[Effect], material: &Material<'_>) -> Self {
        let mut outbox = Self::default();
        for effect in effects {
            outbox.add(effect, material);
        }
        outbox
    }

    /// These pushes.
    pub(super) fn plain(pushes: Vec<Push>) -> Self {
        let marks = pushes.iter().map(|_| Mark::default()).collect();
        Self { pushes, marks }
    }

    fn add(&mut self, effect: &Effect, material: &Material<'_>) {
        let Material { pair, connections, relayed, ring, waiting } = material;
        match effect {
            Effect::RelayToAll { id } => {
                let Some(relayed) = relayed else { return };
                let target = pair.peer_of(relayed.user);
                let others = connections.get(target).into_iter().flatten();
                for to in others.filter(|to| to.id != *relayed.connection) {
                    let mark = self.frame(target, &to.id, relayed.text(id.as_ref()));
                    mark.described |= relayed.describes;
                }
            }
            Effect::Relay { to, id } => {
                let Some(relayed) = relayed else { return };
                let mark = self.frame(pair.peer_of(relayed.user), to, relayed.text(Some(id)));
                mark.described |= relayed.describes;
            }
            Effect::Give { to } => {
                let Some((user, frames)) = ring else { return };
                for frame in frames {
                    self.frame(user, to, frame.clone()).offered = true;
                }
            }
            Effect::End { to, user, id, reason } => self.end(user, to, id, *reason, material),
            Effect::EndAll { user, but, id, reason } => {
                for to in connections.get(user).into_iter().flatten() {
                    if Some(&to.id) != but.as_ref() {
                        self.end(user, &to.id, id, *reason, material);
                    }
                }
            }
            Effect::Replaced { to, user, id } => {
                let reached = connections.values().flatten().any(|connection| connection.id == *to);
                let given = relayed.as_ref().is_some_and(|relayed| relayed.user != user) && reached;
                if !given {
                    self.end(user, to, id, Reason::Replaced, material);
                }
            }
            Effect::Away { to, peer, id } => {
                let frame =
                    PeerPresence::PeerDisconnected { sender: peer, call_id: id, seconds: AWAY_MS / 1000 };
                self.frame(pair.peer_of(peer), to, to_json(&frame));
            }
            Effect::Back { to, peer, id } => {
                let frame = PeerPresence::PeerReconnected { sender: peer, call_id: id };
                self.frame(pair.peer_of(peer), to, to_json(&frame));
            }
            Effect::GiveWaiting { to, user } => {
                for held in *waiting {
                    self.frame(user, to, held.frame.clone());
                }
            }
            Effect::Wait { .. } | Effect::Glare | Effect::TryAgain => {}
        }
    }

    /// An `end_call`: the client's own for the other user, the server's for the same one.
    fn end(
        &mut self,
        user: &UserKey,
        to: &ConnectionId,
        id: &CallId,
        reason: Reason,
        material: &Material<'_>,
    ) {
        let place = self.pushes.iter().position(|push| push.connection == *to);
        if place.is_some_and(|place| self.marks[place].ended.contains(id)) {
            return;
        }
        let text = match &material.relayed {
            Some(relayed) if relayed.ends && relayed.user != user => relayed.text(Some(id)),
            _ => to_json(&EndCall { sender: material.pair.peer_of(user), call_id: id, reason }),
        };
        self.frame(user, to, text).ended.push(id.clone());
    }

    fn frame(&mut self, user: &UserKey, to: &ConnectionId, text: String) -> &mut Mark {
        let place = self.pushes.iter().position(|push| push.connection == *to);
        let place = place.unwrap_or_else(|| {
            self.pushes.push(Push { user: user.clone(), connection: to.clone(), frames: Vec::new() });
            self.marks.push(Mark::default());
            self.pushes.len() - 1
        });
        self.pushes[place].frames.push(text);
        &mut self.marks[place]
    }

    /// The pushes to make, and what is among their frames.
    pub(super) fn into_parts(self) -> (Vec<Push>, Vec<Mark>) {
        (self.pushes, self.marks)
    }
}

impl Sent {
    /// The outcome of pushes, by the kinds of their frames.
    pub(super) fn of(done: Vec<(Push, Delivery)>, marks: Vec<Mark>) -> Self {
        let mut sent = Self::default();
        for ((Push { user, connection, .. }, delivery), mark) in done.into_iter().zip(marks) {
            match delivery {
                Delivery::Gone => sent.gone.push((user, connection)),
                Delivery::Failed => sent.missed.push((user, connection)),
                Delivery::Delivered => {
                    if !mark.described && !mark.offered {
                        for id in mark.ended {
                            sent.told.entry(id).or_default().push((user.clone(), connection.clone()));
                        }
                    }
                    if mark.described {
                        sent.described.push(connection.clone());
                    }
                    if mark.offered {
                        sent.offered.push(connection);
                    }
                }
            }
        }
        sent
    }
}
