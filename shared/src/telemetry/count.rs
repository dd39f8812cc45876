//! The metrics that are counts. Each name is a metric of CloudWatch, and paid for, so there are few.

use strum::VariantArray;

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, VariantArray, strum::IntoStaticStr)]
pub enum Count {
    /// Messages sent; a repeated send is one.
    Sends,
    /// Frames that the platform took for a connection.
    PushesDelivered,
    /// Frames for connections that did not exist any more.
    PushesGone,
    /// Frames that the platform did not take, or not in time.
    PushesFailed,
    /// Clients that asked for what changed since a position.
    CatchUps,
    /// Calls that were answered, and then ended by a client.
    CallsCompleted,
    /// Calls that rang until the caller gave up, or was gone.
    CallsMissed,
    /// Calls that the callee declined, or was too busy for.
    CallsRefused,
    /// Calls that ended because a peer connection failed, or a side stayed away.
    CallsFailed,
}

impl Count {
    pub(super) const ALL: &'static [Self] = Self::VARIANTS;

    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}
