//! From effects to pushes, and from pushes to the events that they are: as `shared/src/call_manager/outbox.rs` and
//! `delivery.rs` do.

use crate::call::{Effect, Event, Reason};
use crate::ids::CallId;
use crate::server::{Kind, Sent};
use crate::wave::Wave;
use crate::world::{Connection, Frame, World, user_key};

impl World {
    /// The pushes that effects are, in the order of the effects for each connection.
    pub(crate) fn wave(&mut self, sent: &Sent, effects: &[Effect], is_frame: bool) -> Wave {
        let user = self.clients[sent.from.client].user;
        let mut wave = Wave { live: self.call_and_callee(), ..Wave::default() };
        let frame = |id: Option<&CallId>| match (sent.kind, id) {
            (Kind::Offer, Some(id)) => Frame::Offer(id.clone()),
            (Kind::Ringing, Some(id)) => Frame::Ringing(id.clone()),
            _ => Frame::Answer(id.cloned()),
        };
        let describes = matches!(sent.kind, Kind::Offer | Kind::Answer);
        for effect in effects {
            match effect {
                Effect::RelayToAll { id } => {
                    wave.describes = Some(id.clone().filter(|_| sent.kind == Kind::Offer));
                    for to in self.connections(1 - user) {
                        let push = wave.push(to);
                        push.frames.push(frame(id.as_ref()));
                        push.described |= describes;
                    }
                }
                Effect::Relay { to, id } => {
                    wave.describes = Some(Some(id.clone()).filter(|_| sent.kind == Kind::Offer));
                    let push = wave.push(Connection::of(to));
                    push.frames.push(frame(Some(id)));
                    push.described |= describes;
                }
                Effect::Wait { id } => {
                    wave.describes = Some(Some(id.clone()).filter(|_| sent.kind == Kind::Offer));
                    self.waiting.push((1 - user, frame(Some(id))));
                }
                Effect::Give { to } => {
                    if let Some((id, _)) = wave.live.clone() {
                        let push = wave.push(Connection::of(to));
                        push.frames.push(Frame::Offer(id));
                        push.offered = true;
                    }
                }
                Effect::End { to, id, reason, .. } => wave.end(Connection::of(to), id, *reason),
                Effect::EndAll { user, but, id, reason } => {
                    let user = usize::from(*user != user_key(0));
                    for to in self.connections(user) {
                        if but.as_ref() != Some(&to.id()) {
                            wave.end(to, id, *reason);
                        }
                    }
                }
                Effect::Replaced { to, user: told, id } => {
                    let to = Connection::of(to);
                    let given = *told != user_key(user) && self.open.contains(&to);
                    if !given {
                        wave.end(to, id, Reason::Replaced);
                    }
                }
                Effect::GiveWaiting { to, user } => {
                    let user = usize::from(*user != user_key(0));
                    let (given, kept) = self.waiting.drain(..).partition::<Vec<_>, _>(|(of, _)| *of == user);
                    self.waiting = kept;
                    let frames = given.into_iter().map(|(_, frame)| frame);
                    wave.push(Connection::of(to)).frames.extend(frames);
                }
                Effect::Glare => wave.glare = true,
                Effect::Away { .. } | Effect::Back { .. } | Effect::TryAgain => {}
            }
        }
        if !is_frame || !describes {
            wave.describes = None;
        }
        wave
    }

    /// The events that deliveries are.
    pub(crate) fn follow_ups(&self, sent: &Sent, wave: &Wave) -> Vec<Event> {
        let ids = |connections: &[Connection]| connections.iter().map(|one| one.id()).collect::<Vec<_>>();
        let mut events = Vec::new();
        if let Some(offer) = &wave.describes {
            events.push(Event::Delivered {
                from: Some(sent.from.id()),
                offer: offer.clone(),
                user: user_key(1 - self.clients[sent.from.client].user),
                to: ids(&wave.described),
            });
        }
        if let Some((id, callee)) = wave.live.as_ref().filter(|_| !wave.offered.is_empty()) {
            events.push(Event::Delivered {
                from: None,
                offer: Some(id.clone()),
                user: user_key(*callee),
                to: ids(&wave.offered),
            });
        }
        let mut told: Vec<(CallId, Vec<Connection>)> = Vec::new();
        for (id, to) in &wave.told {
            match told.iter_mut().find(|(one, _)| one == id) {
                Some((_, connections)) => connections.push(*to),
                None => told.push((id.clone(), vec![*to])),
            }
        }
        events.extend(told.into_iter().map(|(id, to)| {
            let to = to.iter().map(|to| (user_key(self.clients[to.client].user), to.id())).collect();
            Event::Told { id, to }
        }));
        let lost = wave.lost.iter().filter(|lost| self.takes_part(**lost));
        events.extend(lost.map(|lost| Event::Lost(lost.id())));
        events
    }
}
