//! The events in the life of a call: frames, deliveries, connections that come and go.

use super::reason::Reason;
use crate::ids::{CallId, ConnectionId, UserKey};

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
