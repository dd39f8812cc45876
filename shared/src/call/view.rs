//! A call as one of its users reads it.

use serde::Serialize;

use super::line::{Call, Line, State};
use super::reason::Reason;
use super::times::HELD_MS;
use crate::ids::{CallId, ConnectionId, UserKey};

/// The part that a user has in a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It offered the call.
    Caller,
    /// It was offered the call.
    Callee,
}

/// Where a call stands, as clients read it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Offered, not yet answered.
    Ringing,
    /// Answered.
    Active,
    /// Over.
    Ended,
}

/// A call as one of its users reads it. Times are in milliseconds since 1970.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// Its id.
    pub call_id: CallId,
    /// The other user.
    pub with: UserKey,
    /// The reader's part.
    pub role: Role,
    /// Where it stands.
    pub status: Status,
    /// Why it ended.
    pub reason: Option<Reason>,
    /// When it began.
    pub started_at: u64,
    /// When it was answered.
    pub answered_at: Option<u64>,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// While it rings: for how many seconds the offer is still held.
    pub ends_in: Option<u64>,
    /// For how many seconds the other user has been away.
    pub away: Option<u64>,
    /// The connections that take part for the reader: while it rings for it, all that were given the offer.
    pub here: Vec<ConnectionId>,
}

impl Line {
    /// The present or last call, as one of its users reads it.
    pub fn summary(&self, reader: &UserKey, now: u64) -> Option<Summary> {
        self.call.as_ref().map(|call| call.summary(reader, now))
    }
}

impl Call {
    fn summary(&self, reader: &UserKey, now: u64) -> Summary {
        let (mine, other) = (self.side(reader), self.other_side(reader));
        let ended = match self.state {
            State::Ended(ended) => Some(ended),
            State::Ringing | State::Active => None,
        };
        let live = ended.is_none();
        let there = mine.connection.iter().filter(|_| live && mine.away_since.is_none());
        let rung = self.given.keys().filter(|_| live && self.callee.user == *reader);
        Summary {
            call_id: self.id.clone(),
            with: other.user.clone(),
            role: if self.caller.user == *reader { Role::Caller } else { Role::Callee },
            status: match self.state {
                State::Ringing => Status::Ringing,
                State::Active => Status::Active,
                State::Ended(_) => Status::Ended,
            },
            reason: ended.map(|ended| ended.reason),
            started_at: self.started_at,
            answered_at: self.answered_at,
            ended_at: ended.map(|ended| ended.at),
            ends_in: self.is_ringing().then(|| (self.rang_at + HELD_MS).saturating_sub(now).div_ceil(1000)),
            away: other.away_since.filter(|_| live).map(|since| now.saturating_sub(since) / 1000),
            here: there.chain(rung).cloned().collect(),
        }
    }
}
