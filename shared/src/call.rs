//! The rules of a call: one pure function from what is known of two users and an event to what is known then, and
//! what is to be sent. No store, no clock, no network: production, tests and the model checker call the same one.
//!
//! The rules are numbered as in `docs/protocol.md`, and each stands in the module of its event:
//!
//! | module | rules |
//! |---|---|
//! | `offer` | 1 offer, 4 crossing |
//! | `answer` | 2 answer, and `ringing` |
//! | `end` | 3 end, 6 clients without ids |
//! | `connection` | 5 losing a connection, 1 and 3 looking again after a delivery |
//! | `candidate` | to which description a candidate belongs, and where it goes |
//! | `line` | what is remembered, for how long; 7 overtaking |
//!
//! Times are in milliseconds since 1970. `now` is the store's clock; `at` is when a frame reached the platform, and is
//! compared with other such times of the same connection only, or with that of the offer that rings.

mod answer;
mod candidate;
mod connection;
mod end;
mod line;
mod offer;
mod view;

use serde::{Deserialize, Serialize};

pub use candidate::{Candidate, Route};
pub use line::{Call, Described, Device, Ended, Line, Side, State};
pub use view::{Role, Status, Summary};

use crate::ids::{CallId, ConnectionId, UserKey};

/// How long an offer is held for connections that are still to come.
pub const HELD_MS: u64 = 60_000;

/// How long a side may be away before its call is over.
pub const AWAY_MS: u64 = 30_000;

/// How long an ended call stays readable, and its id may not ring.
pub const OVER_MS: u64 = 120_000;

/// An offer given for less than this may have crossed the one that its receiver sends.
const CROSSING_MS: u64 = 500;

/// How long after a call an `end_call` without id may be an echo.
const ECHO_MS: u64 = 5_000;

/// A description that is not delivered within this never will be: its function died.
const DELIVERY_MS: u64 = 3_000;

/// A frame's sender.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Sender {
    /// The connection it came on.
    pub connection: ConnectionId,
    /// The user that the connection speaks for.
    pub user: UserKey,
    /// When it reached the platform.
    pub at: u64,
}

/// A session description, as far as it is read.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Description {
    /// The connection that sent it.
    pub from: Sender,
    /// The user it is for.
    pub to: UserKey,
    /// The call it names.
    pub id: Option<CallId>,
    /// Its ICE username fragments; none where it has none that can be read.
    pub ufrags: Vec<String>,
}

/// The party that ends a call.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Ender {
    /// A connection, by a frame.
    Connection(Sender),
    /// One of the two users, by a REST call.
    User(UserKey),
}

/// An event in the life of a call.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Event {
    /// An `offer` frame. `spare` becomes the call's id if it opens one and names none.
    Offer {
        /// The offer.
        offer: Description,
        /// An id that nobody has used.
        spare: CallId,
    },
    /// An `answer` frame.
    Answer(Description),
    /// A `ringing` frame: its sender shows the call.
    Ringing {
        /// The connection that rings.
        from: Sender,
        /// The call.
        id: CallId,
    },
    /// An `end_call` frame, or the same by REST.
    End {
        /// The party that ends it.
        by: Ender,
        /// The call it names.
        id: Option<CallId>,
        /// Why.
        reason: Reason,
    },
    /// An offer or answer was pushed.
    Delivered {
        /// The description's sender; none where a held offer was given.
        from: Option<ConnectionId>,
        /// The offer's call; none for an answer.
        offer: Option<CallId>,
        /// The user it is for.
        user: UserKey,
        /// The connections that took it.
        to: Vec<ConnectionId>,
    },
    /// An `end_call` was pushed.
    Told {
        /// Its call.
        id: CallId,
        /// The connections that took it, with their users.
        to: Vec<(UserKey, ConnectionId)>,
    },
    /// A connection is gone, or speaks for another user.
    Lost(ConnectionId),
    /// A user's connection registered with the id of a call.
    Resumed {
        /// The user.
        user: UserKey,
        /// The connection.
        connection: ConnectionId,
        /// The call.
        id: CallId,
    },
}

/// A frame to send, or a frame to keep. Frames for one connection are sent in the order of the effects.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Effect {
    /// The event's frame, to every connection of its target. `id` is the call's, none where it makes no call.
    RelayToAll {
        /// The call.
        id: Option<CallId>,
    },
    /// The event's frame, to one connection of the other user.
    Relay {
        /// The connection.
        to: ConnectionId,
        /// The call.
        id: CallId,
    },
    /// The event's frame is kept for its target, which is away, until it resumes the call.
    Wait {
        /// The call.
        id: CallId,
    },
    /// The offer that rings, and its candidates.
    Give {
        /// The connection.
        to: ConnectionId,
    },
    /// `end_call`.
    End {
        /// The connection.
        to: ConnectionId,
        /// Its user.
        user: UserKey,
        /// The call.
        id: CallId,
        /// Why.
        reason: Reason,
    },
    /// `end_call` to every connection of a user.
    EndAll {
        /// The user.
        user: UserKey,
        /// The connection that is not told.
        but: Option<ConnectionId>,
        /// The call.
        id: CallId,
        /// Why.
        reason: Reason,
    },
    /// `end_call` with the reason `replaced`, unless the connection is given the offer that replaces the call.
    Replaced {
        /// The connection.
        to: ConnectionId,
        /// Its user.
        user: UserKey,
        /// The call that is over.
        id: CallId,
    },
    /// `peer_disconnected`.
    Away {
        /// The connection.
        to: ConnectionId,
        /// The user that is away.
        peer: UserKey,
        /// The call.
        id: CallId,
    },
    /// `peer_reconnected`.
    Back {
        /// The connection.
        to: ConnectionId,
        /// The user that is back.
        peer: UserKey,
        /// The call.
        id: CallId,
    },
    /// The frames that were kept for a user while it was away.
    GiveWaiting {
        /// Its connection now.
        to: ConnectionId,
        /// The user.
        user: UserKey,
    },
    /// The event's sender is answered `glare`.
    Glare,
    /// The event came too early to be judged: a delivery is under way. Nothing has changed, and it is to be tried again.
    TryAgain,
}

/// Why a call ended.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// Somebody hung up; also what a client's unknown reason counts as.
    Hangup,
    /// The callee does not want it.
    Declined,
    /// The callee is in another call.
    Busy,
    /// The caller does not want it any more.
    Cancelled,
    /// It rang for too long.
    Timeout,
    /// The peer connection failed.
    Failed,
    /// Another connection of the same user takes part in its place.
    AnsweredElsewhere,
    /// Another offer took its place.
    Replaced,
    /// The connection of a side is lost.
    Disconnected,
}

impl Reason {
    /// Reads the reason that a client gives. The server's own, and unknown ones, count as `hangup`.
    pub fn of_client(text: Option<&str>) -> Self {
        match text.and_then(|text| text.parse().ok()) {
            None | Some(Self::AnsweredElsewhere | Self::Replaced | Self::Disconnected) => Self::Hangup,
            Some(reason) => reason,
        }
    }

    /// The reason as clients read it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it speaks of a call that rings: by the time it comes, another connection may have answered.
    fn is_of_ringing(self) -> bool {
        matches!(self, Self::Declined | Self::Busy | Self::Timeout)
    }
}

/// Applies an event to what is known of two users: returns what is known then, and what is to be sent.
pub fn apply(mut line: Line, event: &Event, now: u64) -> (Line, Vec<Effect>) {
    line.forget_old(now);
    let effects = match event {
        Event::Offer { offer, spare } => line.offer(offer, spare, now),
        Event::Answer(answer) => line.answer(answer, now),
        Event::Ringing { from, id } => line.ringing(from, id, now),
        Event::End { by: Ender::Connection(from), id: None, reason } => line.end_unnamed(from, *reason, now),
        Event::End { by, id: Some(id), reason } => line.end_named(by, id, *reason, now),
        Event::End { by: Ender::User(_), id: None, .. } => Vec::new(),
        Event::Delivered { from, offer, user, to } => {
            line.delivered(from.as_ref(), offer.as_ref(), user, to, now)
        }
        Event::Told { id, to } => line.told(id, to),
        Event::Lost(connection) => line.lost(connection, now),
        Event::Resumed { user, connection, id } => line.resumed(user, connection, id, now),
    };
    (line, effects)
}
