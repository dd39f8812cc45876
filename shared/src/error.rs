//! Every failure a client can see: one status, one stable code and one sentence each.

use std::borrow::Cow;
use std::fmt;

use crate::ids::{A_USER_KEY, UserKey};

/// Why a request or a frame was not carried out.
///
/// The last two hold their cause, which is logged and never sent.
#[derive(Debug)]
pub enum Error {
    /// The request cannot be understood; the sentence says what is wrong.
    InvalidRequest(Cow<'static, str>),
    /// The request has no principal.
    Unauthenticated,
    /// Known, but not allowed; the sentence says what is not.
    Forbidden(&'static str),
    /// No such message, or none that the asker may know of.
    NotFound,
    /// There is no such call, and was none lately.
    NoCall,
    /// The name of a send was used for another one.
    KeyReused,
    /// The log does not hold the position that was asked for; it is at this one now.
    Resync(String),
    /// Larger than the limit that the sentence names.
    TooLarge(Cow<'static, str>),
    /// More than the limits allow; when to try again.
    RateLimited {
        /// Seconds, at least 1.
        seconds: u64,
    },
    /// The store cannot be reached just now.
    Unavailable(Cause),
    /// Our fault.
    Internal(Cause),
}

/// When to ask a store again that was away, in seconds.
const UNAVAILABLE_SECONDS: u64 = 1;
const UNAVAILABLE: &str = "The store is unavailable, try again";
const RATE_LIMITED: &str = "Too many requests, try again later";
const INTERNAL: &str = "Internal server error";

/// The cause of a failure inside.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// The request cannot be understood.
    pub fn invalid(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidRequest(sentence.into())
    }

    /// The request names no user there.
    pub fn invalid_user_key(name: &str) -> Self {
        Self::invalid(format!("{name} must be {A_USER_KEY}"))
    }

    /// HTTP status, stable code, public sentence.
    pub fn answer(&self) -> (u16, &'static str, &str) {
        match self {
            Self::InvalidRequest(sentence) => (400, "invalid_request", sentence),
            Self::Unauthenticated => (401, "unauthenticated", "Authentication is required"),
            Self::Forbidden(sentence) => (403, "forbidden", sentence),
            Self::NotFound => (404, "not_found", "Message not found"),
            Self::NoCall => (404, "not_found", "Call not found"),
            Self::Resync(_) => (410, "resync", "Events since then are not known, list the messages again"),
            Self::TooLarge(sentence) => (413, "too_large", sentence),
            Self::KeyReused => (422, "key_reused", "This client_id was used for another message"),
            Self::RateLimited { .. } => (429, "rate_limited", RATE_LIMITED),
            Self::Unavailable(_) => (503, "unavailable", UNAVAILABLE),
            Self::Internal(_) => (500, "internal", INTERNAL),
        }
    }

    /// When to try again, in seconds, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { seconds } => Some(*seconds),
            Self::Unavailable(_) => Some(UNAVAILABLE_SECONDS),
            _ => None,
        }
    }

    /// The cause, which is logged and never sent.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => Some(cause),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, code, sentence) = self.answer();
        write!(f, "{code}: {sentence}")?;
        self.cause().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Error {}

/// Why a frame was answered with an error frame; the connection stays open, but for [`FrameError::Forgotten`].
#[derive(Debug)]
pub enum FrameError {
    /// Not JSON, not an object, or without a usable `type`.
    InvalidFrame(&'static str),
    /// A `type` that no route knows.
    UnknownType,
    /// `target` is no user key.
    InvalidTarget,
    /// `userKey` is no user key.
    InvalidUserKey,
    /// Signaling from a connection that speaks for nobody.
    NotRegistered,
    /// The store does not know any more which user's ticket opened this connection, which is closed, so that its client
    /// opens another. Holds whom the frame names.
    Forgotten(Option<UserKey>),
    /// Registering as somebody else.
    Forbidden,
    /// No connection took the offer or answer.
    PeerUnavailable {
        /// For how many seconds an offer is held for connections to come.
        held_for: Option<u64>,
    },
    /// An offer crossed the one that rings, which its sender is given.
    Glare,
    /// With `sender` added the frame no longer fits 128 KB.
    TooLarge,
    /// Our fault, or the store's.
    Failed(Error),
}

impl FrameError {
    /// Stable code and public sentence.
    pub fn answer(&self) -> (&'static str, Cow<'static, str>) {
        let (code, sentence) = match self {
            Self::InvalidFrame(sentence) => ("invalid_frame", *sentence),
            Self::UnknownType => ("unknown_type", "Unknown frame type"),
            Self::InvalidTarget => return ("invalid_target", format!("target must be {A_USER_KEY}").into()),
            Self::InvalidUserKey => {
                return ("invalid_user_key", format!("userKey must be {A_USER_KEY}").into());
            }
            Self::NotRegistered => ("not_registered", "Register before signaling"),
            Self::Forgotten(_) => ("not_registered", "This connection is not known any more, open another"),
            Self::Forbidden => ("forbidden", "This connection may not speak for that user"),
            Self::PeerUnavailable { .. } => ("peer_unavailable", "The target has no open connection"),
            Self::Glare => ("glare", "The target is calling already: answer its offer"),
            Self::TooLarge => ("too_large", "The frame does not fit 128 KB with its sender added"),
            Self::Failed(Error::RateLimited { .. }) => ("rate_limited", RATE_LIMITED),
            Self::Failed(Error::Unavailable(_)) => ("unavailable", UNAVAILABLE),
            Self::Failed(_) => ("internal", INTERNAL),
        };
        (code, sentence.into())
    }
}

impl From<Error> for FrameError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_clients_know_stay() {
        assert_eq!(Error::NotFound.answer(), (404, "not_found", "Message not found"));
        assert_eq!(Error::Internal("x".into()).answer(), (500, "internal", "Internal server error"));
    }

    #[test]
    fn a_cause_is_logged_and_not_sent() {
        let error = Error::Internal("password=hunter2".into());
        assert!(error.to_string().contains("hunter2"));
        assert!(!error.answer().2.contains("hunter2"));
    }
}
