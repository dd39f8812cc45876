//! The frames that an event leads to.

use super::reason::Reason;
use crate::ids::{CallId, ConnectionId, UserKey};

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
