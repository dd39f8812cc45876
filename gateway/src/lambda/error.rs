//! Why an invocation gave no usable answer, and how a function reports its own errors.

use std::time::Duration;

use serde::Deserialize;

use crate::aws::limits::PAYLOAD;

/// Why an invocation gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The function answered with an error (`/invocation/{id}/error`): a handler's `Err` or a caught panic.
    #[error("answered with an error: {error_type}: {message}")]
    Function { error_type: String, message: String },
    /// The process ended, failed to start, or reported an init error.
    #[error("crashed: {cause}")]
    Crashed { cause: String },
    /// The function's time limit passed; its instance was killed.
    #[error("did not answer within {limit:?}")]
    TimedOut { limit: Duration },
    /// No instance came free in time (the concurrency limit).
    #[error("was throttled: every instance stayed busy (--concurrency, Timeout)")]
    Throttled,
    /// The gateway is stopping.
    #[error("was stopped with the gateway")]
    Stopped,
    /// The answer is larger than the platform takes.
    #[error("answered with more than {} MB", PAYLOAD / (1024 * 1024))]
    ResponseTooLarge,
    /// A remote Invoke endpoint (`--lambda-url`) could not be reached or answered nonsense.
    #[error("could not be invoked remotely: {cause}")]
    Unreachable { cause: String },
}

/// An error as functions report it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ReportedError {
    pub(super) error_type: String,
    pub(super) error_message: String,
}
