//! Why an invocation gave no usable answer, and how a function reports its own errors.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Why an invocation gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvokeError {
    /// The function answered with an error (`/invocation/{id}/error`): a handler's `Err` or a caught panic.
    Function { error_type: String, message: String },
    /// The process ended, failed to start, or reported an init error.
    Crashed { cause: String },
    /// The function's time limit passed; its instance was killed.
    TimedOut { limit: Duration },
    /// No instance came free in time (the concurrency limit).
    Throttled,
    /// The gateway is stopping.
    Stopped,
    /// The answer is over 6 MB.
    ResponseTooLarge,
    /// A remote Invoke endpoint (`--lambda-url`) could not be reached or answered nonsense.
    Unreachable { cause: String },
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function { error_type, message } => {
                write!(f, "answered with an error: {error_type}: {message}")
            }
            Self::Crashed { cause } => write!(f, "crashed: {cause}"),
            Self::TimedOut { limit } => write!(f, "did not answer within {limit:?}"),
            Self::Throttled => {
                write!(f, "was throttled: every instance stayed busy (--concurrency, Timeout)")
            }
            Self::Stopped => write!(f, "was stopped with the gateway"),
            Self::ResponseTooLarge => write!(f, "answered with more than 6 MB"),
            Self::Unreachable { cause } => write!(f, "could not be invoked remotely: {cause}"),
        }
    }
}

impl std::error::Error for InvokeError {}

/// An error as functions report it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ReportedError {
    pub(super) error_type: String,
    pub(super) error_message: String,
}
