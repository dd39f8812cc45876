//! The platform and the functions: each frame is an invocation of its own, which applies the rules, pushes, and asks the
//! rules again, as `shared/src/call_manager` does.

use crate::call::{self, Description, Effect, Ender, Event, Reason, Sender, State};
use crate::ids::CallId;
use crate::scenario::Mutation;
use crate::wave::{Fate, Wave};
use crate::world::{CLIENTS, Connection, Frame, World, call_id, user_key};

/// A frame of a client, or the end of its connection, on its way to a function.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Sent {
    /// Its kind.
    pub kind: Kind,
    /// The connection that it came on.
    pub from: Connection,
    /// The call that it names.
    pub id: Option<CallId>,
    /// The call that it is meant for; the server does not read this.
    pub shown: Option<CallId>,
    /// When it reached the platform.
    pub at: u64,
    /// Whether a person wanted it.
    pub pressed: bool,
}

/// The kinds of frames that a client sends.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// `offer`.
    Offer,
    /// `answer`.
    Answer,
    /// `ringing`.
    Ringing,
    /// `end_call`.
    End(Reason),
    /// `POST /calls/{peer}/end`.
    EndByRest(Reason),
    /// `register`.
    Register,
    /// `$disconnect`.
    Disconnect,
}

/// An invocation that is under way.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Invocation {
    /// The frame that started it.
    pub sent: Sent,
    /// Its next step.
    pub step: Step,
    /// Whether its frame is refused as glare, which is pushed once all else is done.
    pub glare: bool,
    /// Its frame, of this call, which found the other side's connection gone: it is for the one that takes its place.
    pub again: Option<(Event, CallId)>,
    /// Whether its connection had a record when it began, and the note there, where that is a step of its own.
    pub known: bool,
    /// Whether its connection is still to be noted as one that takes part, before it goes on.
    pub notes: bool,
    /// Whether that found the connection gone.
    pub vanished: bool,
}

/// The next step of an invocation.
#[expect(clippy::large_enum_variant, reason = "most are pushes, and a box more would slow the search down")]
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// It begins.
    Begin,
    /// A registration has been noted; it reads the calls.
    Join,
    /// It applies these events.
    Apply(Vec<Event>),
    /// The end of a connection has been noted; it ends or suspends the call, if the connection has been noted in it.
    Leave(bool),
    /// It pushes.
    Push(Wave),
}

/// Whether an event is a frame that is relayed.
fn is_frame(event: &Event) -> bool {
    matches!(event, Event::Offer { .. } | Event::Answer(_) | Event::Ringing { .. })
}

impl Invocation {
    /// One that is about to begin.
    pub fn of(sent: Sent) -> Self {
        let (step, again) = (Step::Begin, None);
        Self { sent, step, glare: false, again, known: false, notes: false, vanished: false }
    }
}

impl Sent {
    /// Whether its client has called before.
    pub fn is_redial(&self) -> bool {
        self.shown.as_ref().is_some_and(|id| *id != call_id(self.from.client, 0))
    }
}

impl World {
    /// An invocation takes its next step in the store. Returns whether it could.
    pub fn handle(&mut self, place: usize, mutation: Mutation) -> bool {
        let mut invocation = self.invocations.remove(place);
        let sent = invocation.sent.clone();
        let next = match std::mem::replace(&mut invocation.step, Step::Begin) {
            Step::Begin => match sent.kind {
                Kind::Register => {
                    if self.is_there(sent.from) {
                        self.open.push(sent.from);
                    }
                    Some(Step::Join)
                }
                Kind::Disconnect if self.habits.notes_apart => {
                    self.gone.extend(Some(sent.from).filter(|_| mutation != Mutation::WithoutMarkingTheGone));
                    Some(Step::Leave(self.noted.contains(&sent.from)))
                }
                Kind::Offer | Kind::Answer if self.habits.notes_apart => {
                    invocation.known = self.open.contains(&sent.from);
                    invocation.notes = true;
                    Some(Step::Apply(vec![self.event(&sent, mutation)]))
                }
                _ => {
                    let event = self.event(&sent, mutation);
                    if sent.kind == Kind::Disconnect {
                        self.open.retain(|open| *open != sent.from);
                    }
                    self.apply(&sent, vec![event], true, mutation)
                }
            },
            Step::Join => Some(self.join(&sent, mutation)),
            Step::Apply(events) => {
                let is_frame = events.first().is_some_and(is_frame);
                self.apply(&sent, events, is_frame, mutation)
            }
            Step::Leave(is_noted) => {
                self.open.retain(|open| *open != sent.from);
                self.noted.retain(|noted| *noted != sent.from);
                let lost = is_noted.then(|| self.event(&sent, mutation));
                self.apply(&sent, lost.into_iter().collect(), true, mutation)
            }
            Step::Push(_) => None,
        };
        let Some(step) = next else { return false };
        if let Step::Push(wave) = &step {
            invocation.glare |= wave.glare;
        }
        invocation.step = step;
        self.invocations.push(invocation);
        let place = self.invocations.len() - 1;
        self.go_on(place, mutation);
        true
    }

    /// An invocation notes at its connection that it takes part, beside what it does to the line.
    pub fn note(&mut self, place: usize, mutation: Mutation) {
        let invocation = &mut self.invocations[place];
        let from = invocation.sent.from;
        invocation.notes = false;
        invocation.vanished = self.gone.contains(&from) || invocation.known && !self.open.contains(&from);
        if !invocation.vanished && !self.noted.contains(&from) {
            self.noted.push(from);
        }
        self.go_on(place, mutation);
    }

    /// A push of an invocation is made.
    pub fn make_push(&mut self, place: usize, push: usize, fate: Fate, mutation: Mutation) {
        let Step::Push(wave) = &mut self.invocations[place].step else { return };
        let mut push = wave.pushes.remove(push);
        let client = push.to.client;
        let there = self.clients[client].online && self.clients[client].generation == push.to.generation;
        if push.repeated {
            // The second time changes nothing of what the function knows.
        } else if !there {
            wave.lost.push(push.to);
            self.open.retain(|open| *open != push.to);
        } else {
            if push.described {
                wave.described.push(push.to);
            }
            if push.offered {
                wave.offered.push(push.to);
            }
            if !push.described && !push.offered {
                wave.told.extend(push.ended.iter().map(|id| (id.clone(), push.to)));
            }
        }
        let frames = push.frames.clone();
        if fate == Fate::Repeats {
            push.repeated = true;
            wave.pushes.push(push);
        }
        if fate != Fate::Arrives {
            self.left.mishaps -= 1;
            self.mishap = true;
        }
        self.go_on(place, mutation);
        if there && fate != Fate::IsLost {
            for frame in frames {
                if self.habits.read_late && !matches!(frame, Frame::Ringing(_)) {
                    self.clients[client].unread.push(frame);
                } else {
                    self.receive(client, &frame);
                }
            }
        }
    }

    /// An invocation whose pushes are all made asks the rules again, or ends.
    fn go_on(&mut self, place: usize, mutation: Mutation) {
        let Invocation { sent, step, notes, vanished, .. } = &mut self.invocations[place];
        let Step::Push(wave) = step else { return };
        if !wave.pushes.is_empty() || *notes {
            return;
        }
        wave.lost.extend(std::mem::take(vanished).then_some(sent.from));
        let Step::Push(wave) = &self.invocations[place].step else { return };
        let mut events =
            if wave.last { Vec::new() } else { self.follow_ups(&self.invocations[place].sent, wave) };
        let live = self.line.live().map(|call| call.id.clone());
        let relayed = wave.relayed.as_ref().filter(|(to, _)| wave.lost.contains(to));
        let again = relayed.map(|(_, event)| event.clone()).zip(live.clone());
        if again.is_some() {
            events.retain(|event| !matches!(event, Event::Delivered { from: Some(_), .. }));
            // Another connection may have taken its place meanwhile; the frame is tried again after this.
            events.extend(relayed.map(|(to, _)| Event::Lost(to.id())).filter(|lost| !events.contains(lost)));
        }
        let invocation = &mut self.invocations[place];
        let waited = std::mem::replace(&mut invocation.again, again);
        events.splice(0..0, waited.filter(|(_, id)| live.as_ref() == Some(id)).map(|(event, _)| event));
        if !events.is_empty() {
            let looks_again =
                events.iter().any(|event| matches!(event, Event::Delivered { from: Some(_), .. }));
            invocation.notes =
                looks_again && self.habits.notes_apart && mutation != Mutation::WithoutNotingAgain;
            invocation.step = Step::Apply(events);
        } else if std::mem::take(&mut invocation.glare) {
            let mut wave = Wave { last: true, ..Wave::default() };
            let refusal = Frame::Glare(invocation.sent.id.clone());
            wave.push(invocation.sent.from).frames.push(refusal);
            invocation.step = Step::Push(wave);
        } else {
            self.invocations.remove(place);
        }
    }

    fn event(&self, sent: &Sent, mutation: Mutation) -> Event {
        let user = user_key(self.clients[sent.from.client].user);
        let at = if mutation == Mutation::WithoutRule7 { self.clock } else { sent.at };
        let from = Sender { connection: sent.from.id(), user: user.clone(), at };
        let to = user_key(1 - self.clients[sent.from.client].user);
        let description =
            || Description { from: from.clone(), to: to.clone(), id: sent.id.clone(), ufrags: Vec::new() };
        match (sent.kind, &sent.id) {
            (Kind::Offer, _) => {
                let spare = sent.shown.clone().expect("an offer is of a call");
                Event::Offer { offer: description(), spare }
            }
            (Kind::Answer, _) => Event::Answer(description()),
            (Kind::Ringing, Some(id)) => Event::Ringing { from, id: id.clone() },
            (Kind::End(reason), id) => Event::End { by: Ender::Connection(from), id: id.clone(), reason },
            (Kind::EndByRest(reason), id) => Event::End { by: Ender::User(user), id: id.clone(), reason },
            (Kind::Ringing | Kind::Register | Kind::Disconnect, _) => Event::Lost(sent.from.id()),
        }
    }

    /// Applies events, and notes the promises that this breaks. None where they came too early.
    fn apply(&mut self, sent: &Sent, events: Vec<Event>, is_frame: bool, mutation: Mutation) -> Option<Step> {
        let ends = events.iter().any(|event| matches!(event, Event::End { .. }));
        let before = self.line.live().filter(|_| ends).cloned();
        let (mut line, mut effects) = (std::mem::take(&mut self.line), Vec::new());
        let frame = events.first().filter(|_| is_frame).cloned();
        for event in &events {
            let unnamed = matches!(event, Event::End { id: None, .. });
            // An echo that comes later is none.
            let late = if unnamed && mutation == Mutation::WithoutEchoes { 5_000 } else { 0 };
            let (next, follows) = call::apply(line, event, self.now + late);
            line = next;
            let looks = matches!(event, Event::Delivered { .. } | Event::Told { .. });
            if !(looks && mutation == Mutation::WithoutLookingAgain) {
                effects.extend(follows);
            }
        }
        if effects.contains(&Effect::TryAgain) {
            return None;
        }
        self.line = line;
        if let Some(before) = before {
            self.judge(&before, sent);
        }
        let live = self.line.live().map(|call| call.id.clone());
        if live.is_none() {
            self.waiting.clear();
        }
        let mut wave = self.wave(sent, &effects, is_frame);
        wave.relayed = effects.iter().find_map(|effect| match effect {
            Effect::Relay { to, .. } => Some((Connection::of(to), frame.clone()?)),
            _ => None,
        });
        let vanished = is_frame
            && !self.habits.notes_apart
            && matches!(sent.kind, Kind::Offer | Kind::Answer)
            && !self.open.contains(&sent.from)
            && self.takes_part(sent.from);
        Some(Step::Push(Wave { lost: if vanished { vec![sent.from] } else { Vec::new() }, ..wave }))
    }

    /// A call that both sides show, or that the sender of the end shows, ends by what a person did there. A device that
    /// refuses what another has answered does not end that.
    fn judge(&mut self, before: &call::Call, sent: &Sent) {
        if self.line.live().is_some_and(|call| call.id == before.id) {
            return;
        }
        let shows = |client: usize| self.clients[client].id.as_ref() == Some(&before.id);
        let user_shows = |user: usize| (0..CLIENTS).any(|one| self.clients[one].user == user && shows(one));
        let both_show = user_shows(0) && user_shows(1);
        let client = sent.from.client;
        let wanted = self.ended.contains(&(before.id.clone(), client));
        let part = |side: &call::Side| side.connection.as_ref().map(|id| Connection::of(id).client);
        let takes_part = [part(&before.caller), part(&before.callee)].contains(&Some(client));
        let refuses = matches!(sent.kind, Kind::End(Reason::Declined));
        let is_too_late = before.state == State::Active && refuses && !takes_part;
        if (!wanted && (shows(client) || both_show)) || (is_too_late && both_show) {
            self.broken = Some("a call ended that both sides want");
        }
    }

    pub(crate) fn call_and_callee(&self) -> Option<(CallId, usize)> {
        self.line.live().map(|call| (call.id.clone(), usize::from(call.callee.user != user_key(0))))
    }

    pub(crate) fn takes_part(&self, connection: Connection) -> bool {
        let id = connection.id();
        self.line.live().is_some_and(|call| call.parts().any(|part| *part == id))
    }

    /// A registered connection takes up the call that it names, and is given what waits for it.
    fn join(&mut self, sent: &Sent, mutation: Mutation) -> Step {
        let (connection, user) = (sent.from.id(), self.clients[sent.from.client].user);
        let mut wave = Wave::default();
        let lives = |id: &CallId| self.line.at(self.now).live().is_some_and(|call| call.id == *id);
        if let Some(id) = sent.id.clone().filter(lives) {
            let event = Event::Resumed { user: user_key(user), connection: connection.clone(), id };
            if let Some(Step::Push(resumed)) = self.apply(sent, vec![event], false, mutation) {
                wave = resumed;
                // A call that is taken up again rings nowhere else.
                for push in &mut wave.pushes {
                    push.ended.clear();
                }
            }
        }
        let line = self.line.at(self.now);
        let live = line.live().map(|call| call.id.clone());
        wave.live = self.call_and_callee();
        let push = wave.push(sent.from);
        let side = line.live().map(|call| call.side(&user_key(user)).connection.as_ref());
        let here = side.flatten() == Some(&connection);
        push.frames.push(Frame::Registered { calls: live.clone().into_iter().collect(), here });
        if line.waits_for(&user_key(user), &connection, true, self.now)
            && let Some(id) = live
        {
            push.frames.push(Frame::Offer(id));
            push.offered = true;
        }
        Step::Push(wave)
    }
}
