//! Rule 2: the first answer makes a call active; and `ringing`, by which a callee shows that it knows the call's id.

use super::effect::Effect;
use super::event::{Description, Sender};
use super::line::{Call, Line, State};
use super::reason::Reason;
use super::times::{DELIVERY_MS, ECHO_MS};
use crate::ids::CallId;

impl Line {
    pub(super) fn answer(&mut self, answer: &Description, now: u64) -> Vec<Effect> {
        let from = &answer.from;
        let Some(call) = self.live().filter(|call| answer.id.as_ref().is_none_or(|id| *id == call.id)) else {
            let over = answer.id.as_ref().or(self.call.as_ref().map(|call| &call.id)).cloned();
            return match over {
                Some(id) => vec![self.end_of_what_is_over(from, id)],
                // No call is known, and the frame names none: it is a signal like any other.
                None => {
                    self.describe(answer, None, now);
                    vec![Effect::RelayToAll { id: None }]
                }
            };
        };
        let id = call.id.clone();
        match call.state {
            State::Ringing if from.user == call.callee.user => self.answer_ringing(answer, now),
            // An answer by the caller's user answers nothing that is known, and changes nothing.
            State::Ringing => vec![Effect::RelayToAll { id: Some(id) }],
            _ if call.takes_part(&from.connection) => {
                let effect = call.to_side(call.other_side(&from.user));
                self.describe(answer, Some(&id), now);
                vec![effect]
            }
            _ => vec![self.answered_elsewhere(from, id)],
        }
    }

    fn answer_ringing(&mut self, answer: &Description, now: u64) -> Vec<Effect> {
        let from = &answer.from;
        let Some(call) = self.live() else { return Vec::new() };
        if answer.id.is_none() {
            if from.at < call.offered_at {
                // Rule 7: it is to an offer of the past.
                return Vec::new();
            }
            if !call.given.contains_key(&from.connection) {
                let waits = self.is_under_way(call, now);
                return vec![if waits {
                    Effect::TryAgain
                } else {
                    Effect::Give { to: from.connection.clone() }
                }];
            }
        }
        let id = call.id.clone();
        let others = call.given.keys().filter(|connection| **connection != from.connection);
        let user = &call.callee.user;
        let reason = Reason::AnsweredElsewhere;
        let mut effects = vec![call.to_side(&call.caller)];
        effects.extend(others.clone().map(|to| Effect::End {
            to: to.clone(),
            user: user.clone(),
            id: id.clone(),
            reason,
        }));
        effects.push(Effect::EndAll {
            user: user.clone(),
            but: Some(from.connection.clone()),
            id: id.clone(),
            reason,
        });
        let others: Vec<_> = others.cloned().collect();
        let caller = call.caller.connection.clone();
        let rang = self.devices.get(&from.connection).is_some_and(|device| device.rang);
        if let Some(call) = self.live_mut() {
            call.state = State::Active;
            call.answered_at = Some(now);
            call.callee.connection = Some(from.connection.clone());
            call.callee.names = answer.id.is_some() || rang;
            call.given.clear();
        }
        for other in others {
            self.device(&other, now).echo_until = Some(now + ECHO_MS);
        }
        if let Some(caller) = caller {
            self.device(&caller, now).echo_until = None;
        }
        self.describe(answer, Some(&id), now);
        effects
    }

    pub(super) fn ringing(&mut self, from: &Sender, id: &CallId, now: u64) -> Vec<Effect> {
        let Some(call) = self.live_mut().filter(|call| call.id == *id) else {
            return vec![self.end_of_what_is_over(from, id.clone())];
        };
        if call.is_ringing() && from.user == call.callee.user {
            call.callee.names = true;
            let to = call.caller.connection.clone().filter(|_| call.caller.away_since.is_none());
            self.device(&from.connection, now).rang = true;
            return to.map(|to| Effect::Relay { to, id: id.clone() }).into_iter().collect();
        }
        if call.takes_part(&from.connection) {
            return Vec::new();
        }
        vec![self.answered_elsewhere(from, id.clone())]
    }

    /// Whether the offer that rings is still being delivered.
    pub(super) fn is_under_way(&self, call: &Call, now: u64) -> bool {
        let described =
            call.caller.connection.as_ref().and_then(|caller| self.devices.get(caller)?.described.as_ref());
        described.is_some_and(|described| !described.delivered && now < described.since + DELIVERY_MS)
    }

    fn end_of_what_is_over(&self, from: &Sender, id: CallId) -> Effect {
        let reason = self.fate(&id).unwrap_or(Reason::Hangup);
        Effect::End { to: from.connection.clone(), user: from.user.clone(), id, reason }
    }

    fn answered_elsewhere(&self, from: &Sender, id: CallId) -> Effect {
        let reason = Reason::AnsweredElsewhere;
        Effect::End { to: from.connection.clone(), user: from.user.clone(), id, reason }
    }
}
