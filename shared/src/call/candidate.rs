//! Candidates: which description one belongs to, and where it goes. They change nothing of what is known.

use super::event::Sender;
use super::line::{Described, Line, State};
use super::times::DELIVERY_MS;
use crate::ids::{CallId, ConnectionId, UserKey};

/// A candidate, as far as it is read.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Candidate {
    /// The connection that sent it.
    pub from: Sender,
    /// The user it is for.
    pub to: UserKey,
    /// The call it names.
    pub id: Option<CallId>,
    /// Its `usernameFragment`.
    pub ufrag: Option<String>,
}

/// Where a candidate goes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Route {
    /// Nowhere: it is of a call that is over, or of an offer that was refused.
    Drop,
    /// Its description is still to come.
    Early,
    /// To these connections; and it is kept with the offer that rings, for those still to come.
    Ring(Vec<ConnectionId>),
    /// To the other connection of the call.
    Pass(ConnectionId),
    /// It is kept for the other side, which is away.
    Wait,
    /// To every connection of its target: it is of a signal that makes no call.
    All,
}

impl Line {
    /// Where a candidate goes.
    pub fn route(&self, candidate: &Candidate, now: u64) -> Route {
        let Candidate { from, id, ufrag, .. } = candidate;
        if id.as_ref().is_some_and(|id| self.fate(id).is_some()) {
            return Route::Drop;
        }
        let device = self.devices.get(&from.connection);
        if let Some((refused_id, ufrags)) = device.and_then(|device| device.refused.as_ref()) {
            let of_it = match (id, ufrag) {
                (Some(id), _) if refused_id.is_some() => refused_id.as_ref() == Some(id),
                (_, Some(ufrag)) if !ufrags.is_empty() => ufrags.contains(ufrag),
                (id, _) => id.is_none(),
            };
            if of_it {
                return Route::Drop;
            }
        }
        let described = device.and_then(|device| device.described.as_ref());
        let Some(described) = described.filter(|described| described.is_of(id.as_ref(), ufrag.as_deref()))
        else {
            return Route::Early;
        };
        if !described.is_recent(from.at, ufrag.as_deref()) {
            return Route::Drop;
        }
        if !described.delivered && now < described.since + DELIVERY_MS {
            return Route::Early;
        }
        if described.id.is_none() {
            return Route::All;
        }
        let Some(call) = self.live().filter(|call| Some(&call.id) == described.id.as_ref()) else {
            return Route::Drop;
        };
        let other = call.other_side(&from.user);
        match (call.state, &other.connection) {
            (State::Ringing, None) => Route::Ring(call.given.keys().cloned().collect()),
            (_, Some(to)) if other.away_since.is_none() => Route::Pass(to.clone()),
            _ => Route::Wait,
        }
    }

    /// Whether a candidate that was held belongs to the last description of its sender.
    pub fn follows(&self, sender: &ConnectionId, id: Option<&CallId>, ufrag: Option<&str>, at: u64) -> bool {
        let described = self.devices.get(sender).and_then(|device| device.described.as_ref());
        described.is_some_and(|described| described.is_of(id, ufrag) && described.is_recent(at, ufrag))
    }
}

impl Described {
    /// Whether a candidate is of this description, as far as both name their call, and their username fragment.
    fn is_of(&self, id: Option<&CallId>, ufrag: Option<&str>) -> bool {
        let same_call = match (&self.id, id) {
            (Some(described), Some(id)) => described == id,
            _ => true,
        };
        same_call
            && ufrag.is_none_or(|ufrag| self.ufrags.is_empty() || self.ufrags.iter().any(|one| one == ufrag))
    }

    /// Without username fragments to compare, a candidate that is older than the call's first description is of an
    /// earlier call.
    fn is_recent(&self, at: u64, ufrag: Option<&str>) -> bool {
        at >= self.first_at || ufrag.is_some_and(|ufrag| self.ufrags.iter().any(|one| one == ufrag))
    }
}
