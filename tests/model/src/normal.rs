//! The normal form of a state: two states that nothing can ever tell apart become one. What no rule, no client and no
//! promise reads any more is left out, and the order of things that have none is fixed.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::call::{Event, OVER_MS, Reason, State};
use crate::ids::{CallId, ConnectionId};
use crate::scenario::{LONGEST_STEP, START};
use crate::server::{Invocation, Kind, Step};
use crate::wave::Push;
use crate::world::{Connection, Frame, World};

impl World {
    /// Puts the state into its normal form.
    pub fn normalize(&mut self) {
        // Rules 6 and 7 of `end_call`, and the answers, without id are for older clients alone.
        let all_name = self.clients.iter().all(|client| client.modern);
        self.invocations.iter_mut().for_each(|invocation| invocation.forget_what_is_done(all_name));
        self.line_up_times(all_name);
        self.forget_what_is_over(all_name);
        self.invocations
            .sort_by(|one, other| one.rank().cmp(&other.rank()).then_with(|| print(one).cmp(&print(other))));
        let (mut noted, mut gone) = (std::mem::take(&mut self.noted), std::mem::take(&mut self.gone));
        for notes in [&mut noted, &mut gone] {
            let acts = |from| self.is_there(from) || self.invocations.iter().any(|one| one.sent.from == from);
            notes.retain(|connection| acts(*connection));
        }
        (self.noted, self.gone) = (noted, gone);
        for connections in [&mut self.open, &mut self.noted, &mut self.gone] {
            connections.sort_by_key(|connection| (connection.client, connection.generation));
        }
        self.ended.sort();
        self.ended.dedup();
    }

    /// Leaves out what is noted of devices and calls, and is read no more.
    fn forget_what_is_over(&mut self, all_name: bool) {
        let now = self.now;
        let horizon = now + u64::from(self.left.steps) * LONGEST_STEP;
        // Nothing is forgotten for its age before the end of the scenario.
        let keeps = horizon < START + OVER_MS;
        if all_name
            && let Some(call) = self.line.call.take_if(|call| matches!(call.state, State::Ended(_)))
            && let State::Ended(ended) = call.state
        {
            self.line.over.push((call.id, ended));
        }
        let mut over = std::mem::take(&mut self.line.over);
        let mut ended = std::mem::take(&mut self.ended);
        over.retain(|(id, _)| self.mentions(id));
        over.sort_by(|one, other| one.0.cmp(&other.0));
        for (_, ended) in &mut over {
            ended.reason = Reason::Hangup;
            ended.at = if keeps { START } else { ended.at };
        }
        self.line.over = over;
        let live = self.line.live().map(|call| call.id.clone());
        ended.retain(|(id, _)| live.as_ref() == Some(id) || self.mentions(id));
        self.ended = ended;
        for client in &mut self.clients {
            client.declined.take_if(|id| live.as_ref() != Some(id));
        }
        if let Some(call) = &mut self.line.call {
            call.started_at = START;
            call.answered_at = None;
            match &mut call.state {
                State::Ringing => {}
                State::Active => call.rang_at = START,
                State::Ended(ended) => {
                    ended.reason = Reason::Hangup;
                    ended.at = if keeps { START } else { ended.at };
                    call.rang_at = START;
                    call.given.clear();
                    for side in [&mut call.caller, &mut call.callee] {
                        side.connection = None;
                        side.names = false;
                        side.away_since = None;
                    }
                }
            }
        }
        for device in self.line.devices.values_mut() {
            device.seen = if keeps { START } else { device.seen };
            // No two frames are of the same millisecond here.
            device.hung_up_in_vain = false;
            device.echo_until.take_if(|until| all_name || *until <= now);
            device.rang &= !all_name;
            device.refused = None;
            device.described.take_if(|described| described.id != live);
            if let Some(described) = &mut device.described {
                described.first_at = 0;
                described.since = if described.delivered { START } else { described.since };
            }
        }
        self.line.devices.retain(|_, device| {
            let seen = device.seen;
            let fresh = crate::call::Device { seen, ..Default::default() };
            !keeps || *device != fresh
        });
    }

    /// A push that changes nothing but what its function does next, whenever it is made: that it is made at once leaves no
    /// other sequence out.
    pub(crate) fn idle_push(&self) -> Option<(usize, usize)> {
        self.invocations.iter().enumerate().find_map(|(place, invocation)| {
            let Step::Push(wave) = &invocation.step else { return None };
            if invocation.notes {
                return None;
            }
            let is_idle = |push: &Push| {
                let lasts = self.left.deaths == 0 && self.left.vanishings == 0;
                let is_ignored = push.frames.iter().all(|frame| matches!(frame, Frame::Ringing(_)));
                let is_gone = !self.is_there(push.to) && !self.open.contains(&push.to);
                is_gone || lasts && is_ignored && self.is_there(push.to)
            };
            wave.pushes.iter().position(is_idle).map(|push| (place, push))
        })
    }

    /// Times of the platform are compared with each other alone, so their order is all that is kept, and only of those
    /// that a frame on its way is still to be compared with.
    fn line_up_times(&mut self, all_name: bool) {
        let mut begins: Vec<(ConnectionId, u64)> = Vec::new();
        for invocation in &mut self.invocations {
            let from = invocation.sent.from.id();
            begins.extend(invocation.times().filter(|time| **time > 0).map(|time| (from.clone(), *time)));
        }
        let is_read = |of: Option<&ConnectionId>, time: u64| {
            begins.iter().any(|(from, at)| *at < time && of.is_none_or(|of| of == from))
        };
        for (connection, device) in &mut self.line.devices {
            device.described_at.take_if(|time| !is_read(Some(connection), *time));
            device.hung_up_at.take_if(|time| all_name || !is_read(Some(connection), *time));
        }
        if let Some(call) = &mut self.line.call
            && (all_name || call.state != State::Ringing || !is_read(None, call.offered_at))
        {
            call.offered_at = 0;
        }
        // Where all clients name their calls, times of one connection alone are compared.
        let mut times: Vec<(Option<Connection>, &mut u64)> = Vec::new();
        let key = |of: Connection| Some(of).filter(|_| all_name);
        for (connection, device) in &mut self.line.devices {
            let of = Connection::of(connection);
            times.extend(device.described_at.iter_mut().map(|time| (key(of), time)));
            times.extend(device.hung_up_at.iter_mut().map(|time| (key(of), time)));
        }
        times.extend(self.line.call.iter_mut().map(|call| (None, &mut call.offered_at)));
        for invocation in &mut self.invocations {
            let from = key(invocation.sent.from);
            times.extend(invocation.times().map(|time| (from, time)));
        }
        times.retain(|(_, time)| **time > 0);
        times.sort_by_key(|(of, time)| (of.map(|of| (of.client, of.generation)), **time));
        let (mut group, mut last, mut rank, mut most) = (None, 0, 0, 0);
        for (of, time) in times {
            if group != Some(of) {
                (group, last, rank) = (Some(of), 0, 0);
            }
            if *time != last {
                last = *time;
                rank += 1;
            }
            *time = rank;
            most = most.max(rank);
        }
        self.clock = most;
    }

    /// Whether a client or a frame on its way still names a call.
    fn mentions(&self, id: &CallId) -> bool {
        let shows = |one: &Option<CallId>| one.as_ref() == Some(id);
        let names = |frame: &Frame| frame.ids().any(|one| one == id);
        self.clients
            .iter()
            .any(|client| shows(&client.id) || shows(&client.resumed) || client.unread.iter().any(names))
            || self.waiting.iter().any(|(_, frame)| names(frame))
            || self.invocations.iter().any(|one| one.mentions(id))
    }
}

fn print(invocation: &Invocation) -> u64 {
    let mut hasher = DefaultHasher::new();
    invocation.hash(&mut hasher);
    hasher.finish()
}

impl Invocation {
    /// Tells most invocations apart, cheaply.
    fn rank(&self) -> (usize, u8, u64, usize, usize) {
        let (step, size) = match &self.step {
            Step::Begin => (0, 0),
            Step::Join => (1, 0),
            Step::Apply(events) => (2, events.len()),
            Step::Push(wave) => (3, wave.pushes.len()),
            Step::Leave(_) => (4, 0),
        };
        let Connection { client, generation } = self.sent.from;
        (client, generation, self.sent.at, step, size)
    }

    /// The times of the platform that its later steps read.
    fn times(&mut self) -> impl Iterator<Item = &mut u64> {
        let sent = Some(&mut self.sent.at);
        let relayed = match &mut self.step {
            Step::Apply(events) => events.first_mut(),
            Step::Push(wave) => wave.relayed.as_mut().map(|(_, event)| event),
            Step::Begin | Step::Join | Step::Leave(_) => None,
        };
        let again = self.again.as_mut().map(|(event, _)| event);
        sent.into_iter().chain(relayed.into_iter().chain(again).filter_map(|event| match event {
            Event::Offer { offer, .. } => Some(&mut offer.from.at),
            Event::Answer(answer) => Some(&mut answer.from.at),
            _ => None,
        }))
    }

    /// Leaves out what its later steps do not read.
    fn forget_what_is_done(&mut self, all_name: bool) {
        let sent = &mut self.sent;
        match &mut self.step {
            Step::Begin => {
                let is_compared = match sent.kind {
                    Kind::Offer | Kind::Answer => true,
                    Kind::End(_) => sent.id.is_none(),
                    Kind::Ringing | Kind::EndByRest(_) | Kind::Register | Kind::Disconnect => false,
                };
                sent.at = if is_compared { sent.at } else { 0 };
                return;
            }
            Step::Join => {}
            Step::Apply(_) | Step::Leave(_) => sent.at = 0,
            Step::Push(wave) => {
                sent.at = 0;
                wave.pushes.sort_by_key(|push| (push.to.client, push.to.generation));
                let place = |connection: &Connection| (connection.client, connection.generation);
                wave.described.sort_by_key(place);
                wave.offered.sort_by_key(place);
                wave.lost.sort_by_key(place);
                wave.lost.dedup();
                wave.told.sort_by_key(|(id, to)| (id.clone(), place(to)));
                let waits = |to: &Connection| {
                    wave.lost.contains(to) || wave.pushes.iter().any(|push| push.to == *to && !push.repeated)
                };
                if wave.relayed.as_ref().is_some_and(|(to, _)| !waits(to)) {
                    wave.relayed = None;
                }
                if wave.offered.is_empty() && wave.pushes.iter().all(|push| !push.offered) {
                    wave.live = None;
                }
            }
        }
        if self.step != Step::Join && !self.glare {
            sent.id = None;
        }
        if let Kind::End(reason) | Kind::EndByRest(reason) = &mut sent.kind {
            *reason = Reason::Hangup;
        }
        if all_name {
            sent.shown = None;
            sent.pressed = false;
        }
    }

    fn mentions(&self, id: &CallId) -> bool {
        let shows = |one: &Option<CallId>| one.as_ref() == Some(id);
        let is_told = match &self.step {
            Step::Begin | Step::Join | Step::Leave(_) => false,
            Step::Apply(events) => events.iter().any(|event| match event {
                Event::Delivered { offer, .. } => shows(offer),
                Event::Told { id: one, .. } | Event::Ringing { id: one, .. } => one == id,
                Event::Offer { offer, spare } => shows(&offer.id) || spare == id,
                Event::Answer(frame) => shows(&frame.id),
                _ => false,
            }),
            Step::Push(wave) => {
                wave.describes.as_ref().is_some_and(shows)
                    || wave.live.as_ref().is_some_and(|(one, _)| one == id)
                    || wave.told.iter().any(|(one, _)| one == id)
                    || wave.pushes.iter().any(|push| {
                        push.ended.contains(id)
                            || push.frames.iter().flat_map(|frame| frame.ids()).any(|one| one == id)
                    })
            }
        };
        is_told || shows(&self.sent.id) || shows(&self.sent.shown)
    }
}
