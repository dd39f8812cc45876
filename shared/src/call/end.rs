//! Rule 3, the end of a call; rule 6, clients that name no call.

use super::effect::Effect;
use super::event::{Ender, Sender};
use super::line::{Call, Line};
use super::reason::Reason;
use crate::ids::{CallId, ConnectionId, UserKey};

impl Line {
    /// An `end_call` that names no call: it is for the one that its connection takes part in.
    pub(super) fn end_unnamed(&mut self, from: &Sender, reason: Reason, now: u64) -> Vec<Effect> {
        let device = self.device(&from.connection, now);
        if device.described_at.is_some_and(|described_at| from.at < described_at) {
            // Rule 7.
            return Vec::new();
        }
        device.hung_up_at = device.hung_up_at.max(Some(from.at));
        device.hung_up_in_vain = true;
        if device.echo_until.is_some_and(|until| now < until) {
            // Rule 6.
            return Vec::new();
        }
        let Some(call) = self.live().filter(|call| call.takes_part(&from.connection)) else {
            return Vec::new();
        };
        let told = call.told_of_end(reason, Some(&from.connection));
        self.end(reason, now);
        self.device(&from.connection, now).hung_up_in_vain = false;
        told
    }

    /// An end that names its call, which any connection of the two users may send.
    pub(super) fn end_named(&mut self, by: &Ender, id: &CallId, reason: Reason, now: u64) -> Vec<Effect> {
        let (me, user) = match by {
            Ender::Connection(from) => (Some(&from.connection), &from.user),
            Ender::User(user) => (None, user),
        };
        let Some(call) = self.live().filter(|call| call.id == *id) else {
            self.end_beforehand(id, reason, now);
            return Vec::new();
        };
        let takes_part = me.is_some_and(|me| call.takes_part(me));
        if !call.is_ringing() && !takes_part && *user == call.callee.user && reason.is_of_ringing() {
            // It is of a device that rang, and crossed the answer of another: no call ends that both sides want.
            return match by {
                Ender::Connection(from) => vec![Effect::End {
                    to: from.connection.clone(),
                    user: from.user.clone(),
                    id: id.clone(),
                    reason: Reason::AnsweredElsewhere,
                }],
                Ender::User(_) => Vec::new(),
            };
        }
        let told = call.told_of_end(reason, me);
        self.end(reason, now);
        told
    }
}

impl Call {
    /// Everybody else who takes part and, while it rings, the callee's other connections are told.
    pub(super) fn told_of_end(&self, reason: Reason, but: Option<&ConnectionId>) -> Vec<Effect> {
        let sides = [&self.caller, &self.callee].into_iter().filter(|side| side.away_since.is_none());
        let sides = sides.filter_map(|side| Some((side.connection.as_ref()?, &side.user)));
        let given = self.given.keys().map(|connection| (connection, &self.callee.user));
        let told = sides.chain(given).filter(|(connection, _)| Some(*connection) != but);
        let end = |(to, user): (&ConnectionId, &UserKey)| Effect::End {
            to: to.clone(),
            user: user.clone(),
            id: self.id.clone(),
            reason,
        };
        let mut effects: Vec<_> = told.map(end).collect();
        if self.is_ringing() {
            effects.push(Effect::EndAll {
                user: self.callee.user.clone(),
                but: but.cloned(),
                id: self.id.clone(),
                reason,
            });
        }
        effects
    }
}
