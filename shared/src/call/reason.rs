//! The reasons for which calls end.

use serde::{Deserialize, Serialize};

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
        let read = text.and_then(|text| text.parse().ok());
        read.filter(|reason: &Self| !reason.is_servers()).unwrap_or(Self::Hangup)
    }

    fn is_servers(self) -> bool {
        matches!(self, Self::AnsweredElsewhere | Self::Replaced | Self::Disconnected)
    }

    /// The reason as clients read it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it speaks of a call that rings: by the time it comes, another connection may have answered.
    pub(super) fn is_of_ringing(self) -> bool {
        matches!(self, Self::Declined | Self::Busy | Self::Timeout)
    }
}
