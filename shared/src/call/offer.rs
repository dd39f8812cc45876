//! Rule 1, an offer starts, repeats or renegotiates a call; rule 4, offers that cross.

use std::collections::BTreeMap;

use super::effect::Effect;
use super::event::Description;
use super::line::{Call, Line, Side, State};
use super::reason::Reason;
use super::times::{CROSSING_MS, HELD_MS};
use crate::ids::{CallId, UserKey};

impl Line {
    pub(super) fn offer(&mut self, offer: &Description, spare: &CallId, now: u64) -> Vec<Effect> {
        let from = &offer.from;
        if self.is_past_offer(&from.connection, from.at) {
            // Rule 7.
            if let Some(id) = &offer.id {
                self.end_beforehand(id, Reason::Cancelled, now);
            }
            return Vec::new();
        }
        if let Some(id) = &offer.id
            && let Some(reason) = self.fate(id)
        {
            // Rule 2: an id that is over never rings again.
            let (to, user) = (from.connection.clone(), from.user.clone());
            return vec![Effect::End { to, user, id: id.clone(), reason }];
        }
        let Some(call) = self.live_mut() else { return self.ring(offer, spare, now) };
        let of_this_call = offer.id.as_ref().is_none_or(|id| *id == call.id);
        match call.state {
            State::Active if of_this_call && call.takes_part(&from.connection) => {
                let (id, effect) = (call.id.clone(), call.to_side(call.other_side(&from.user)));
                self.describe(offer, Some(&id), now);
                vec![effect]
            }
            State::Ringing if of_this_call && call.caller.connection.as_ref() == Some(&from.connection) => {
                call.rang_at = now;
                call.offered_at = from.at;
                call.caller.names |= offer.id.is_some();
                let id = call.id.clone();
                self.describe(offer, Some(&id), now);
                vec![Effect::RelayToAll { id: Some(id) }]
            }
            State::Ringing if call.callee.user == from.user => self.cross(offer, spare, now),
            _ => self.replace(offer, spare, now),
        }
    }

    /// Rule 4: an offer against the one that rings. It crossed that one where its sender cannot have seen it; else it
    /// declines it.
    fn cross(&mut self, offer: &Description, spare: &CallId, now: u64) -> Vec<Effect> {
        let Some(call) = self.live() else { return Vec::new() };
        let me = &offer.from.connection;
        let seen = call.given.get(me).is_some_and(|given| now >= given + CROSSING_MS);
        let crossed = !seen && now < call.rang_at + HELD_MS;
        if crossed || offer.id.as_ref() == Some(&call.id) {
            self.device(me, now).refused = Some((offer.id.clone(), offer.ufrags.clone()));
            return vec![Effect::Glare, Effect::Give { to: me.clone() }];
        }
        let mut effects = call.told_of_end(Reason::Declined, Some(me));
        self.end(Reason::Declined, now);
        effects.extend(self.ring(offer, spare, now));
        effects
    }

    /// Ends the live call, and rings in its place. The offer itself tells those it is given to.
    fn replace(&mut self, offer: &Description, spare: &CallId, now: u64) -> Vec<Effect> {
        let Some(call) = self.live() else { return Vec::new() };
        let sides = [&call.caller, &call.callee].into_iter().filter(|side| side.away_since.is_none());
        let told = sides.filter_map(|side| Some((side.connection.clone()?, side.user.clone())));
        let told = told.filter(|(connection, _)| *connection != offer.from.connection);
        let mut effects: Vec<_> =
            told.map(|(to, user)| Effect::Replaced { to, user, id: call.id.clone() }).collect();
        self.end(Reason::Replaced, now);
        effects.extend(self.ring(offer, spare, now));
        effects
    }

    /// A call that rings.
    fn ring(&mut self, offer: &Description, spare: &CallId, now: u64) -> Vec<Effect> {
        let id = offer.id.as_ref().unwrap_or(spare).clone();
        let side =
            |user: &UserKey| Side { user: user.clone(), connection: None, names: false, away_since: None };
        let from = &offer.from;
        self.start(Call {
            id: id.clone(),
            caller: Side {
                connection: Some(from.connection.clone()),
                names: offer.id.is_some(),
                ..side(&from.user)
            },
            callee: side(&offer.to),
            state: State::Ringing,
            started_at: now,
            answered_at: None,
            rang_at: now,
            offered_at: from.at,
            given: BTreeMap::new(),
        });
        self.describe(offer, Some(&id), now);
        vec![Effect::RelayToAll { id: Some(id) }]
    }
}
