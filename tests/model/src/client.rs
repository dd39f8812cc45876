//! The clients: one that follows the contract, and one that was written before it.

use crate::call::{Reason, State};
use crate::ids::CallId;
use crate::server::{Invocation, Kind, Sent};
use crate::world::{CLIENTS, Connection, Frame, World, call_id, user_key};

/// A client, and what it believes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Client {
    /// Its user: 0 or 1.
    pub user: usize,
    /// Whether it follows the contract. Others name no call, answer every `end_call` with another, and decline without a
    /// word.
    pub modern: bool,
    /// Whether its connection is there.
    pub online: bool,
    /// Whether its connection has been answered `registered`.
    pub ready: bool,
    /// The number of its connections before this one.
    pub generation: u8,
    /// The calls that it has started.
    pub calls: u8,
    /// The state that it shows.
    pub phase: Phase,
    /// The call that it shows. A client that names no call does not know it; the search does.
    pub id: Option<CallId>,
    /// The call that it has registered with, until that is answered.
    pub resumed: Option<CallId>,
    /// The call that it has declined without a word.
    pub declined: Option<CallId>,
    /// Whether its offer in an active call is still to be answered.
    pub reoffers: bool,
    /// The frames that have reached its connection, and which it has not read yet.
    pub unread: Vec<Frame>,
}

/// The state that a client shows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Phase {
    /// No call.
    Idle,
    /// It calls.
    Calling,
    /// Its own offer was refused, so it answers the one that it is about to be given.
    Yielding,
    /// It rings.
    Ringing,
    /// A call.
    Active,
}

/// The act of a person.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Press {
    /// Call the other user.
    Call,
    /// Take the call that rings.
    Accept,
    /// Refuse it.
    Decline,
    /// End the call, or stop calling.
    HangUp,
    /// Change the media of a call.
    Reoffer,
}

/// Whether a client started a call.
fn is_of(client: usize, id: &CallId) -> bool {
    (0..=u8::MAX).take(4).any(|number| *id == call_id(client, number))
}

impl World {
    /// The connection of a client, while that is there.
    pub fn connection_of(&self, client: usize) -> Option<Connection> {
        let Client { online, generation, .. } = self.clients[client];
        online.then_some(Connection { client, generation })
    }

    fn show(&mut self, client: usize, phase: Phase, id: Option<CallId>) {
        let client = &mut self.clients[client];
        client.phase = phase;
        client.id = id;
        client.reoffers = false;
    }

    /// Sends a frame of a client.
    pub(crate) fn send(&mut self, client: usize, kind: Kind, id: Option<CallId>, pressed: bool) {
        self.clock += 1;
        if self.left.frames < u8::MAX {
            self.left.frames = self.left.frames.saturating_sub(1);
        }
        let Client { modern, generation, .. } = self.clients[client];
        let sent = Sent {
            kind,
            from: Connection { client, generation },
            shown: id.clone(),
            id: id.filter(|_| modern),
            at: self.clock,
            pressed,
        };
        self.invocations.push(Invocation::of(sent));
    }

    /// Whether a person may do this now.
    pub fn may(&self, client: usize, press: Press) -> bool {
        let Client { ready, modern, phase, .. } = self.clients[client];
        let can = match press {
            Press::Call => self.left.calls[client] > 0 && phase == Phase::Idle,
            Press::Accept | Press::Decline => phase == Phase::Ringing,
            Press::HangUp => self.left.hang_ups > 0 && matches!(phase, Phase::Calling | Phase::Active),
            Press::Reoffer => {
                let free = modern && self.left.reoffers > 0 && !self.clients[client].reoffers;
                free && phase == Phase::Active
            }
        };
        let by_rest = modern && press == Press::HangUp;
        can && self.left.frames > 0 && (ready || by_rest) && !self.is_excluded(client, press)
    }

    /// The cases that remain with clients that name no call, as `docs/protocol.md` says: a redial while what came of the
    /// call before is on its way; and a press while what came of the press before it, or an offer that is given a second
    /// time, is.
    fn is_excluded(&self, client: usize, press: Press) -> bool {
        let me = &self.clients[client];
        let is_peer = |other: usize| self.clients[other].user != me.user;
        let names = me.modern && (0..CLIENTS).all(|other| !is_peer(other) || self.clients[other].modern);
        if names {
            return false;
        }
        self.invocations.iter().any(|invocation| {
            let (sent, of_peer) = (&invocation.sent, is_peer(invocation.sent.from.client));
            let is_second = !me.modern && sent.from.client == client && sent.pressed;
            let ends =
                matches!(sent.kind, Kind::End(_)) && sent.pressed || of_peer && sent.kind == Kind::Answer;
            let offers = of_peer && sent.kind == Kind::Offer && !me.modern;
            match press {
                Press::Call => is_second || ends || sent.from.client == client,
                Press::HangUp => {
                    is_second && self.peer_rings(me.user)
                        || offers
                        || of_peer && !me.modern && sent.kind == Kind::Answer
                }
                Press::Accept => {
                    // The hang-up of another call than the one that rings.
                    let is_of_other = ends && !me.modern && sent.shown != me.id;
                    is_second
                        || is_of_other
                        || offers && (me.calls > 0 || me.generation > 0 || sent.is_redial())
                }
                Press::Decline => offers && (me.calls > 0 || me.generation > 0),
                Press::Reoffer => false,
            }
        })
    }

    fn lives(&self, id: &CallId) -> bool {
        self.line.at(self.now).live().is_some_and(|call| call.id == *id)
    }

    fn peer_rings(&self, user: usize) -> bool {
        self.line
            .live()
            .is_some_and(|call| call.state == State::Ringing && call.callee.user == user_key(user))
    }

    /// A person does this.
    pub fn press(&mut self, client: usize, press: Press) {
        let Client { modern, calls, .. } = self.clients[client];
        let id = self.clients[client].id.clone();
        match press {
            Press::Call => {
                let id = Some(call_id(client, calls));
                self.left.calls[client] -= 1;
                self.clients[client].calls += 1;
                self.show(client, Phase::Calling, id.clone());
                self.send(client, Kind::Offer, id, true);
            }
            Press::Accept => {
                self.show(client, Phase::Active, id.clone());
                self.send(client, Kind::Answer, id, true);
            }
            Press::Decline if modern => self.end(client, Reason::Declined),
            Press::Decline => {
                self.ended.extend(id.clone().map(|id| (id, client)));
                self.clients[client].declined = id;
                self.show(client, Phase::Idle, None);
            }
            Press::Reoffer => {
                self.left.reoffers -= 1;
                self.clients[client].reoffers = true;
                self.send(client, Kind::Offer, id, true);
            }
            Press::HangUp => {
                self.left.hang_ups -= 1;
                self.end(client, Reason::Hangup);
            }
        }
    }

    fn end(&mut self, client: usize, reason: Reason) {
        let id = self.clients[client].id.clone();
        self.ended.extend(id.clone().map(|id| (id, client)));
        self.show(client, Phase::Idle, None);
        let kind = if self.clients[client].ready { Kind::End(reason) } else { Kind::EndByRest(reason) };
        self.send(client, kind, id, true);
    }

    /// A client reads the next of the frames that have reached its connection.
    pub fn read(&mut self, client: usize) {
        let frame = self.clients[client].unread.remove(0);
        self.receive(client, &frame);
    }

    /// A client gets a frame.
    pub(crate) fn receive(&mut self, client: usize, frame: &Frame) {
        let me = &self.clients[client];
        let (phase, shown, modern) = (me.phase, me.id.clone(), me.modern);
        let is_mine = |id: &CallId| shown.as_ref() == Some(id);
        match frame {
            Frame::Registered { calls, here } => {
                self.clients[client].ready = true;
                // An offer may have come meanwhile, which the list does not know.
                let resumed = self.clients[client].resumed.take();
                if resumed.is_none() || resumed != shown {
                    return;
                }
                if !resumed.is_some_and(|id| calls.contains(&id)) {
                    self.show(client, Phase::Idle, None);
                } else if !here && phase != Phase::Ringing {
                    // It is too early to go on in the place of the connection that died.
                    self.end(client, Reason::Failed);
                }
            }
            Frame::Offer(id) if !modern => self.show(client, Phase::Ringing, Some(id.clone())),
            Frame::Offer(id) if is_mine(id) => {
                // Where two offers cross in a call, the caller's stands.
                let stands = me.reoffers && is_of(client, id);
                if phase == Phase::Active && !stands {
                    self.clients[client].reoffers = false;
                    self.send(client, Kind::Answer, Some(id.clone()), false);
                }
            }
            // It has ended this one itself; the server will hear of it.
            Frame::Offer(id) if self.ended.contains(&(id.clone(), client)) => {
                if phase == Phase::Yielding {
                    self.show(client, Phase::Idle, None);
                }
            }
            // A client that is in a call asks which one holds, since an offer may be late.
            Frame::Offer(id) if phase == Phase::Active && !self.lives(id) => {
                if !shown.is_some_and(|id| self.lives(&id)) {
                    self.show(client, Phase::Idle, None);
                }
            }
            Frame::Offer(id) => match phase {
                Phase::Calling | Phase::Yielding => {
                    if phase == Phase::Calling {
                        // Its own call is over: it answers the peer's, and ends its own by its id.
                        self.end(client, Reason::Cancelled);
                    }
                    self.show(client, Phase::Active, Some(id.clone()));
                    self.send(client, Kind::Answer, Some(id.clone()), false);
                }
                Phase::Idle | Phase::Ringing | Phase::Active => {
                    self.show(client, Phase::Ringing, Some(id.clone()));
                    if !self.habits.silent {
                        self.send(client, Kind::Ringing, Some(id.clone()), false);
                    }
                }
            },
            Frame::Answer(id) => {
                let fits = !modern || id.as_ref().is_some_and(is_mine);
                if phase == Phase::Calling && fits {
                    self.clients[client].phase = Phase::Active;
                } else if phase == Phase::Active && fits {
                    self.clients[client].reoffers = false;
                }
            }
            // It speaks of the connection before, or of what `registered` tells.
            Frame::Elsewhere(id) if modern && me.resumed.as_ref() == Some(id) => {}
            Frame::End(id) | Frame::Elsewhere(id) => {
                if !modern {
                    self.show(client, Phase::Idle, None);
                    self.send(client, Kind::End(Reason::Hangup), None, false);
                } else if is_mine(id) {
                    self.show(client, Phase::Idle, None);
                }
            }
            Frame::Glare(id) => {
                if modern && phase == Phase::Calling && id.as_ref().is_some_and(is_mine) {
                    self.show(client, Phase::Yielding, None);
                }
            }
            Frame::Ringing(_) => {}
        }
    }

    /// A connection dies. A client that follows the contract keeps its call; the page of another is loaded anew.
    pub fn die(&mut self, client: usize) {
        self.left.deaths -= 1;
        self.lose(client);
        self.send(client, Kind::Disconnect, None, false);
    }

    /// A connection dies, and no `$disconnect` ever tells of it.
    pub fn vanish(&mut self, client: usize) {
        self.left.vanishings -= 1;
        self.lose(client);
    }

    fn lose(&mut self, client: usize) {
        let me = &mut self.clients[client];
        me.online = false;
        me.ready = false;
        me.unread.clear();
        if !me.modern {
            let id = me.id.take();
            me.phase = Phase::Idle;
            self.ended.extend(id.map(|id| (id, client)));
        }
    }

    /// A client connects anew, and registers: with the id of its call, if it has one and names calls.
    pub fn connect(&mut self, client: usize) {
        self.left.connects -= 1;
        let me = &mut self.clients[client];
        me.online = true;
        me.generation += 1;
        let id = me.id.clone();
        me.resumed = id.clone();
        self.send(client, Kind::Register, id, false);
    }

    /// The state that a client that follows the contract shows once it has asked `GET /calls/{peer}`.
    pub fn after_asking(&self, client: usize) -> (Phase, Option<CallId>) {
        let me = &self.clients[client];
        let shown = (me.phase, me.id.clone());
        if !me.modern || me.phase == Phase::Idle {
            return shown;
        }
        let line = self.line.at(self.now);
        let Some(call) = line.live().filter(|call| Some(&call.id) == me.id.as_ref()) else {
            return (Phase::Idle, None);
        };
        let mine = call.side(&user_key(me.user)).connection.as_ref();
        let here = mine.is_some_and(|mine| Connection::of(mine).client == client);
        match call.state {
            State::Active if here => (Phase::Active, me.id.clone()),
            State::Active => (Phase::Idle, None),
            _ => shown,
        }
    }
}
