//! Rule 5, connections that are lost and taken up again; and the look again after each delivery.

use super::effect::Effect;
use super::line::{Call, Line};
use super::reason::Reason;
use super::times::{ECHO_MS, HELD_MS};
use crate::ids::{CallId, ConnectionId, UserKey};

impl Line {
    /// Notes that a description has been delivered. If the call has changed meanwhile, those that took the offer get
    /// what holds now.
    pub(super) fn delivered(
        &mut self,
        from: Option<&ConnectionId>,
        offer: Option<&CallId>,
        user: &UserKey,
        to: &[ConnectionId],
        now: u64,
    ) -> Vec<Effect> {
        let described = from.and_then(|from| self.devices.get_mut(from)?.described.as_mut());
        if let Some(described) = described {
            described.delivered |= offer.is_none_or(|offer| described.id.as_ref() == Some(offer));
        }
        let Some(offer) = offer else { return Vec::new() };
        let fate = self.fate(offer);
        if fate.is_some() {
            // They took part without having been noted when it ended, and may echo what they are told now.
            to.iter().for_each(|connection| self.expect_echo(connection, now));
        }
        match self.live_mut() {
            Some(call) if call.id == *offer && call.is_ringing() => {
                for connection in to {
                    call.given.entry(connection.clone()).or_insert(now);
                }
                Vec::new()
            }
            Some(call) if call.id == *offer => {
                let others = to.iter().filter(|connection| !call.takes_part(connection));
                others.map(|to| end(to, user, offer, Reason::AnsweredElsewhere)).collect()
            }
            live => {
                let Some(reason) = fate else { return Vec::new() };
                // The offer of another call, which rings now, may have come before this one.
                let rings = live.is_some_and(|call| call.is_ringing() && call.callee.user == *user);
                let each = |to: &ConnectionId| {
                    let give = rings.then(|| Effect::Give { to: to.clone() });
                    std::iter::once(end(to, user, offer, reason)).chain(give)
                };
                to.iter().flat_map(each).collect()
            }
        }
    }

    /// An `end_call` was pushed. Where an offer of another call rings that may have come first, it is given again.
    pub(super) fn told(&mut self, id: &CallId, to: &[(UserKey, ConnectionId)], now: u64) -> Vec<Effect> {
        to.iter().for_each(|(_, connection)| self.expect_echo(connection, now));
        let Some(call) = self.live().filter(|call| call.id != *id && call.is_ringing()) else {
            return Vec::new();
        };
        let callees = to.iter().filter(|(user, _)| *user == call.callee.user);
        callees.map(|(_, to)| Effect::Give { to: to.clone() }).collect()
    }

    /// Rule 6: a connection that is told of an end may echo it, unless it has spoken in the call that lives now.
    fn expect_echo(&mut self, connection: &ConnectionId, now: u64) {
        let live = self.live().map(|call| call.id.clone());
        let device = self.device(connection, now);
        let speaks =
            device.described.as_ref().is_some_and(|described| live.is_some() && described.id == live);
        if !speaks {
            device.echo_until = Some(now + ECHO_MS);
        }
    }

    /// A `$disconnect`, or a push that found the connection gone.
    pub(super) fn lost(&mut self, connection: &ConnectionId, now: u64) -> Vec<Effect> {
        let Some(call) = self.live_mut() else {
            self.devices.remove(connection);
            return Vec::new();
        };
        // Another device that rang is forgotten, and the call rings on.
        call.given.remove(connection);
        let can_resume = call.can_resume();
        let Some(side) = call.side_of(connection).filter(|side| side.away_since.is_none()) else {
            return Vec::new();
        };
        if can_resume {
            side.away_since = Some(now);
            let peer = side.user.clone();
            return call.across(&peer, |to, id| Effect::Away { to, peer: peer.clone(), id });
        }
        let told = call.told_of_end(Reason::Disconnected, Some(connection));
        self.end(Reason::Disconnected, now);
        told
    }

    /// A connection that registers with the call's id goes on in the place of the one that took part.
    pub(super) fn resumed(
        &mut self,
        user: &UserKey,
        connection: &ConnectionId,
        id: &CallId,
        now: u64,
    ) -> Vec<Effect> {
        let Some(call) = self.live_mut().filter(|call| call.id == *id && call.can_resume()) else {
            return Vec::new();
        };
        let side = if call.caller.user == *user { &mut call.caller } else { &mut call.callee };
        let Some(former) = side.connection.clone() else { return Vec::new() };
        let away = side.away_since.take().is_some();
        if former == *connection && !away {
            return Vec::new();
        }
        side.connection = Some(connection.clone());
        let mut effects = call.across(user, |to, id| Effect::Back { to, peer: user.clone(), id });
        if former != *connection {
            let device = self.devices.remove(&former).unwrap_or_default();
            if !away {
                effects.push(end(&former, user, id, Reason::AnsweredElsewhere));
            }
            self.devices.insert(connection.clone(), device);
        }
        // The peer connection outlives its signaling, so its candidates follow the same description; the times at which
        // the former connection sent say nothing of this one's.
        let device = self.device(connection, now);
        device.described_at = None;
        device.hung_up_at = None;
        if let Some(described) = &mut device.described {
            described.first_at = 0;
        }
        effects.push(Effect::GiveWaiting { to: connection.clone(), user: user.clone() });
        effects
    }

    /// Whether an offer waits for a connection of this user that has registered: for the first time, or again.
    pub fn waits_for(&self, user: &UserKey, connection: &ConnectionId, is_new: bool, now: u64) -> bool {
        self.live().is_some_and(|call| {
            call.is_ringing()
                && call.callee.user == *user
                && call.caller.away_since.is_none()
                && now < call.rang_at + HELD_MS
                && !call.given.contains_key(connection)
                // One that was there before is among those the offer is being delivered to.
                && (is_new || !self.is_under_way(call, now))
        })
    }
}

impl Call {
    /// An effect for each connection that takes part across from a user and is there.
    fn across(&self, user: &UserKey, effect: impl Fn(ConnectionId, CallId) -> Effect) -> Vec<Effect> {
        let other = self.other_side(user);
        let there = other.connection.iter().filter(|_| other.away_since.is_none());
        let given = self.given.keys().filter(|_| other.user == self.callee.user);
        there.chain(given).map(|to| effect(to.clone(), self.id.clone())).collect()
    }
}

fn end(to: &ConnectionId, user: &UserKey, id: &CallId, reason: Reason) -> Effect {
    Effect::End { to: to.clone(), user: user.clone(), id: id.clone(), reason }
}
