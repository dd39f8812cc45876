//! One event on its way to an instance, and the way of its outcome back.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::error::InvokeError;

/// One event on its way to an instance.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) id: String,
    pub(super) payload: Bytes,
    pub(super) answer: Answer,
}

/// Where the outcome of an invocation goes; a failure is logged on its way.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) label: Arc<str>,
    pub(super) to: oneshot::Sender<Result<Bytes, InvokeError>>,
}

impl Answer {
    pub(super) fn succeed(self, response: Bytes) {
        // The caller may have given up waiting; the function's work is done all the same.
        let _ = self.to.send(Ok(response));
    }

    pub(super) fn fail(self, error: InvokeError) {
        match error {
            // The stop was asked for, so it is no news.
            InvokeError::Stopped => tracing::debug!("[{}] {error}", self.label),
            _ => tracing::error!("[{}] {error}", self.label),
        }
        let _ = self.to.send(Err(error));
    }
}
