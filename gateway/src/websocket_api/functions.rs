//! The functions behind a WebSocket API: how they are asked, and what their answers mean.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::timeout;

use crate::aws::limits;
use crate::lambda::{InvokeError, Lambda};

#[derive(Debug)]
pub(super) struct Functions {
    pub(super) lambda: Lambda,
    timeout: Duration,
}

impl Functions {
    /// `platform_timeout` is how long the platform waits for an answer.
    pub(super) fn new(lambda: Lambda, platform_timeout: Duration) -> Self {
        let timeout = lambda.answer_timeout(platform_timeout);
        Self { lambda, timeout }
    }

    /// Invokes the function of a route; a failure is in the log.
    pub(super) async fn invoke(&self, function: &str, event: Bytes) -> Result<Bytes, InvokeError> {
        match timeout(self.timeout, self.lambda.invoke(function, event)).await {
            Ok(result) => result,
            Err(_) => {
                let limit = self.timeout;
                tracing::error!("{function} did not answer within the platform's {} s", limit.as_secs());
                Err(InvokeError::TimedOut { limit })
            }
        }
    }
}

/// A function's answer on a two-way route, and on `$connect`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub(super) status_code: u16,
    #[serde(default)]
    pub(super) headers: Option<HashMap<String, serde_json::Value>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The text a function's answer holds for the client.
pub(super) fn read_reply(answer: &[u8]) -> Result<String, String> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    if !(200..300).contains(&answer.status_code) {
        return Err(format!("its status is {}", answer.status_code));
    }
    let body = answer.body.unwrap_or_default();
    if body.len() > limits::MESSAGE {
        return Err(format!("it has {} bytes, more than a message may have", body.len()));
    }
    if !answer.is_base64_encoded {
        return Ok(body);
    }
    let bytes = STANDARD.decode(body).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}
