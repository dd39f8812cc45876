//! Invoking functions: the one way in for every door of the gateway.

use bytes::Bytes;

/// Why an invocation gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvokeError {
    /// The function answered with an error (`/invocation/{id}/error`): a handler's `Err` or a caught panic.
    Function { error_type: String, message: String },
    /// The process ended, failed to start, or reported an init error.
    Crashed { cause: String },
    /// The function's time limit passed; its instance was killed.
    TimedOut,
    /// No instance came free in time (the concurrency limit).
    Throttled,
    /// The answer is over 6 MB.
    ResponseTooLarge,
    /// A remote Invoke endpoint (`--lambda-url`) could not be reached or answered nonsense.
    Unreachable { cause: String },
}

/// The functions of a project, invocable by logical id; cheap to clone.
#[derive(Clone, Debug)]
pub struct Lambda {}

impl Lambda {
    /// Sends one event to one instance of `function` and waits for its answer.
    ///
    /// Logs every failure with its cause, so that callers only translate it.
    pub async fn invoke(&self, _function: &str, _payload: Bytes) -> Result<Bytes, InvokeError> {
        Err(InvokeError::Throttled)
    }
}
