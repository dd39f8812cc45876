//! The knowledge of the calls between two users: the present or last one, the ids that are over, and what each
//! connection did last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::effect::Effect;
use super::event::Description;
use super::reason::Reason;
use super::times::{AWAY_MS, ECHO_MS, OVER_MS};
use crate::ids::{CallId, ConnectionId, UserKey};

/// Most ids that are remembered as over, and most connections that take no part and are remembered.
const MOST_REMEMBERED: usize = 32;

/// Everything that is known of two users' calls. There is at most one call between them.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Line {
    /// The present call, or the last one for two minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// Ids that may not ring: of earlier calls, and those ended beforehand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) over: Vec<(CallId, Ended)>,
    /// The connections that are remembered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) devices: BTreeMap<ConnectionId, Device>,
}

/// One call.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Call {
    /// Its id, which both users know.
    pub id: CallId,
    /// The side that offered it.
    pub caller: Side,
    /// The other side, which has a connection once it has answered.
    pub callee: Side,
    /// Where it stands.
    pub state: State,
    /// When it began.
    pub started_at: u64,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<u64>,
    /// When it last began to ring.
    pub rang_at: u64,
    /// When the offer that rings reached the platform.
    pub(crate) offered_at: u64,
    /// While it rings: the connections that were given the offer, and when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub given: BTreeMap<ConnectionId, u64>,
}

/// One of a call's two users.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Side {
    /// The user.
    pub user: UserKey,
    /// The connection that takes part for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// Whether it has sent the call's id, so that it can resume the call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) names: bool,
    /// Since when that connection is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_since: Option<u64>,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Offered, not yet answered.
    Ringing,
    /// Answered.
    Active,
    /// Over.
    Ended(Ended),
}

/// When and why a call ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Ended {
    /// When.
    pub at: u64,
    /// Why.
    pub reason: Reason,
}

/// The last acts of a connection between two users, whether or not it takes part in their call.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Device {
    /// Its last description in the present call; its candidates follow that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described: Option<Described>,
    /// When the last description of it that was applied reached the platform, in any call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) described_at: Option<u64>,
    /// When its last `end_call` without id reached the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hung_up_at: Option<u64>,
    /// Whether that ended nothing: an offer of the same millisecond is what it was for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) hung_up_in_vain: bool,
    /// Until when an `end_call` without id is an echo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) echo_until: Option<u64>,
    /// The id and username fragments of its offer that was refused as glare, whose candidates go nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<(Option<CallId>, Vec<String>)>,
    /// Whether it has sent `ringing`, and with it the present call's id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) rang: bool,
    /// When it was last heard of.
    pub(crate) seen: u64,
}

/// A description that a connection sent.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Described {
    /// Its call; none for a frame that makes no call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<CallId>,
    /// Its ICE username fragments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ufrags: Vec<String>,
    /// When the connection's first description in this call reached the platform: no candidate of the call is older.
    pub(crate) first_at: u64,
    /// When it was applied.
    pub(crate) since: u64,
    /// Whether it has been delivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) delivered: bool,
}

impl Line {
    /// The call, unless it is over.
    pub fn live(&self) -> Option<&Call> {
        self.call.as_ref().filter(|call| !matches!(call.state, State::Ended(_)))
    }

    pub(super) fn live_mut(&mut self) -> Option<&mut Call> {
        self.call.as_mut().filter(|call| !matches!(call.state, State::Ended(_)))
    }

    /// Why a call is over, if it is known to be.
    pub fn fate(&self, id: &CallId) -> Option<Reason> {
        let last = self.call.as_ref().filter(|call| call.id == *id).and_then(|call| match call.state {
            State::Ended(ended) => Some(ended.reason),
            State::Ringing | State::Active => None,
        });
        last.or_else(|| self.over.iter().find(|(over, _)| over == id).map(|(_, ended)| ended.reason))
    }

    /// From now on this id may not ring, unless it is the live call's.
    pub(super) fn end_beforehand(&mut self, id: &CallId, reason: Reason, now: u64) {
        if self.fate(id).is_none() && self.live().is_none_or(|call| call.id != *id) {
            self.remember_over(id.clone(), Ended { at: now, reason });
        }
    }

    fn remember_over(&mut self, id: CallId, ended: Ended) {
        if self.over.len() == MOST_REMEMBERED {
            self.over.remove(0);
        }
        self.over.push((id, ended));
    }

    /// Ends the live call: all who took part may echo the end, and candidates of theirs belong to no description.
    pub(super) fn end(&mut self, reason: Reason, at: u64) {
        let Some(call) = self.live_mut() else { return };
        call.state = State::Ended(Ended { at, reason });
        let parts: Vec<_> = call.parts().cloned().collect();
        for connection in parts {
            let device = self.device(&connection, at);
            device.described = None;
            device.refused = None;
            device.rang = false;
            device.echo_until = Some(at + ECHO_MS);
        }
    }

    /// Puts a call in the place of the last one.
    pub(super) fn start(&mut self, call: Call) {
        if let Some(Call { id, state: State::Ended(ended), .. }) = self.call.replace(call) {
            // A connection may open a call under the id of the one that it replaces.
            if self.live().is_none_or(|call| call.id != id) {
                self.remember_over(id, ended);
            }
        }
    }

    /// The entry of a connection, a new one if there is none.
    pub(super) fn device(&mut self, connection: &ConnectionId, now: u64) -> &mut Device {
        let device = self.devices.entry(connection.clone()).or_default();
        device.seen = device.seen.max(now);
        device
    }

    /// Notes a description that is on its way.
    pub(super) fn describe(&mut self, description: &Description, id: Option<&CallId>, now: u64) {
        let at = description.from.at;
        let device = self.device(&description.from.connection, now);
        let earlier = device.described.as_ref().filter(|earlier| earlier.id.as_ref() == id);
        let first_at = match earlier {
            Some(earlier) => earlier.first_at.min(at),
            // Without a description before this one, there is none that a candidate could be left over from.
            None if device.described_at.is_none() && device.refused.is_none() => 0,
            None => at,
        };
        device.described = Some(Described {
            id: id.cloned(),
            ufrags: description.ufrags.clone(),
            first_at,
            since: now,
            delivered: false,
        });
        device.described_at = device.described_at.max(Some(at));
        device.echo_until = None;
        device.refused = None;
    }

    /// Rule 7: whether an offer reached the platform before what its connection did later and has been applied already.
    /// A hang-up without id was meant for every earlier offer.
    pub(super) fn is_past_offer(&self, connection: &ConnectionId, at: u64) -> bool {
        let later = |time: Option<u64>| time.is_some_and(|time| at < time);
        self.devices.get(connection).is_some_and(|device| {
            let hung_up_at_once = device.hung_up_in_vain && device.hung_up_at == Some(at);
            later(device.described_at) || later(device.hung_up_at) || hung_up_at_once
        })
    }

    /// Rule 5: a call one of whose sides is away for long is over for whoever looks. Forgets what is old.
    pub(super) fn forget_old(&mut self, now: u64) {
        if let Some(at) = self.live().and_then(Call::away_since).map(|since| since + AWAY_MS)
            && at <= now
        {
            self.end(Reason::Disconnected, at);
        }
        if let Some(Call { state: State::Ended(ended), .. }) = self.call
            && ended.at + OVER_MS <= now
        {
            self.call = None;
        }
        self.over.retain(|(_, ended)| ended.at + OVER_MS > now);
        let parts: Vec<_> = self.live().into_iter().flat_map(Call::parts).cloned().collect();
        self.devices.retain(|connection, device| device.seen + OVER_MS > now || parts.contains(connection));
        while self.devices.len() > MOST_REMEMBERED + parts.len() {
            let idle = self.devices.iter().filter(|(connection, _)| !parts.contains(connection));
            let Some(oldest) = idle.min_by_key(|(_, device)| device.seen).map(|(id, _)| id.clone()) else {
                break;
            };
            self.devices.remove(&oldest);
        }
    }

    /// The line as it is at a time, without what is old.
    pub fn at(&self, now: u64) -> Self {
        let mut line = self.clone();
        line.forget_old(now);
        line
    }

    /// Whether anything is known of a call.
    pub fn knows(&self, id: &CallId) -> bool {
        self.live().is_some_and(|call| call.id == *id) || self.fate(id).is_some()
    }

    /// Whether a call rings.
    pub fn rings(&self) -> bool {
        self.live().is_some_and(Call::is_ringing)
    }

    /// How long it is to be kept, in milliseconds: a live call for a day, what is over for two minutes.
    pub fn lifetime_ms(&self) -> u64 {
        const DAY_MS: u64 = 24 * 3_600_000;
        if self.live().is_some() { DAY_MS } else { OVER_MS }
    }
}

impl Call {
    /// The side of one of its users.
    pub fn side(&self, user: &UserKey) -> &Side {
        if self.caller.user == *user { &self.caller } else { &self.callee }
    }

    /// The side across from one of its users.
    pub fn other_side(&self, user: &UserKey) -> &Side {
        if self.caller.user == *user { &self.callee } else { &self.caller }
    }

    pub(super) fn side_of(&mut self, connection: &ConnectionId) -> Option<&mut Side> {
        [&mut self.caller, &mut self.callee]
            .into_iter()
            .find(|side| side.connection.as_ref() == Some(connection))
    }

    /// The connections that take part: the caller's, and while it rings every one given the offer, then the answerer's.
    pub fn parts(&self) -> impl Iterator<Item = &ConnectionId> {
        let sides = [&self.caller, &self.callee].into_iter().filter_map(|side| side.connection.as_ref());
        sides.chain(self.given.keys())
    }

    pub(super) fn takes_part(&self, connection: &ConnectionId) -> bool {
        self.parts().any(|part| part == connection)
    }

    pub(super) fn is_ringing(&self) -> bool {
        self.state == State::Ringing
    }

    /// Whether both users have sent its id, so that either can resume it.
    pub(super) fn can_resume(&self) -> bool {
        self.caller.names && self.callee.names
    }

    fn away_since(&self) -> Option<u64> {
        [self.caller.away_since, self.callee.away_since].into_iter().flatten().min()
    }

    /// Relays the event's frame to a side, or keeps it while that side is away.
    pub(super) fn to_side(&self, side: &Side) -> Effect {
        match &side.connection {
            Some(to) if side.away_since.is_none() => Effect::Relay { to: to.clone(), id: self.id.clone() },
            _ => Effect::Wait { id: self.id.clone() },
        }
    }
}
