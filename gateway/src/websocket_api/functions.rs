//! The functions behind a WebSocket API: how they are asked, and what their answers mean.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::timeout;

use crate::aws::{answers, limits};
use crate::lambda::Lambda;

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

    /// Invokes the function of a route and reads its answer; a failure is in the log.
    pub(super) async fn invoke(
        &self,
        route_key: &str,
        function: &str,
        event: Bytes,
    ) -> Result<Answer, Failure> {
        let invoked = timeout(self.timeout, self.lambda.invoke(function, event)).await.map_err(|_| {
            tracing::error!("{function} did not answer within the platform's {} s", self.timeout.as_secs());
            Failure::TimedOut
        })?;
        let answer = invoked.map_err(|_| Failure::Failed)?;
        Answer::read(&answer).map_err(|why| unusable(route_key, function, &why))
    }
}

/// Says why an answer cannot be used.
pub(super) fn unusable(route_key: &str, function: &str, why: &str) -> Failure {
    tracing::error!("the answer of {function} on route {route_key} is unusable: {why}");
    Failure::Failed
}

/// Why a route has no answer; the log has the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The platform waited as long as it does.
    TimedOut,
    /// The function failed, or its answer is malformed.
    Failed,
}

impl Failure {
    /// The platform's words for it.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::TimedOut => answers::TIMED_OUT,
            Self::Failed => answers::WEBSOCKET_FAILURE,
        }
    }

    /// The status that refuses an upgrade for it.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Failed => StatusCode::BAD_GATEWAY,
        }
    }
}

/// A function's answer. Every route asks for this form, also those that send none of it; a key that it does not have
/// makes the answer malformed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Answer {
    /// It decides at `$connect` alone.
    #[serde(deserialize_with = "number_or_text")]
    pub(super) status_code: u16,
    #[serde(default)]
    pub(super) headers: Option<HashMap<String, Value>>,
    #[serde(default, rename = "multiValueHeaders")]
    _multi_value_headers: Option<HashMap<String, Vec<Value>>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

impl Answer {
    fn read(answer: &[u8]) -> Result<Self, String> {
        // An array would be taken for the fields in their order.
        if !answer.trim_ascii_start().starts_with(b"{") {
            return Err("it is no object".to_owned());
        }
        serde_json::from_slice(answer).map_err(|error| error.to_string())
    }

    /// The text for the client.
    pub(super) fn into_text(self) -> Result<String, String> {
        let body = self.body.unwrap_or_default();
        let text = match self.is_base64_encoded {
            Some(true) => {
                let bytes = STANDARD.decode(body).map_err(|error| error.to_string())?;
                String::from_utf8(bytes).map_err(|error| error.to_string())?
            }
            _ => body,
        };
        if text.len() > limits::MESSAGE {
            return Err(format!("it has {} bytes, more than a message may have", text.len()));
        }
        Ok(text)
    }
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Status {
        Number(u16),
        Text(String),
    }
    match Status::deserialize(deserializer) {
        Ok(Status::Number(number)) => Ok(number),
        Ok(Status::Text(text)) => {
            text.parse().map_err(|_| D::Error::custom(format!("{text} is no status code")))
        }
        Err(_) => Err(D::Error::custom("statusCode is no status code")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Result<String, String> {
        Answer::read(answer.as_bytes())?.into_text()
    }

    #[test]
    fn an_answer_has_a_status_and_known_keys_of_the_right_types() {
        for (answer, text) in [
            (r#"{"statusCode":200}"#, ""),
            (r#"{"statusCode":"500","body":null,"headers":null}"#, ""),
            (r#"{"statusCode":200,"body":"a","headers":{"x":1},"multiValueHeaders":{"y":["1"]}}"#, "a"),
            (r#"{"statusCode":404,"body":"YQ==","isBase64Encoded":true}"#, "a"),
        ] {
            assert_eq!(read(answer).as_deref(), Ok(text), "{answer}");
        }
        for malformed in [
            "null",
            "{}",
            "1",
            "[200]",
            r#""text""#,
            r#"{"body":"a"}"#,
            r#"{"statusCode":null}"#,
            r#"{"statusCode":"fine"}"#,
            r#"{"statusCode":200,"message":"unknown"}"#,
            r#"{"statusCode":200,"cookies":[]}"#,
            r#"{"statusCode":200,"body":{}}"#,
            r#"{"statusCode":200,"headers":[]}"#,
            r#"{"statusCode":200,"body":"?","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"body":"/w==","isBase64Encoded":true}"#,
        ] {
            assert!(read(malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn the_size_of_a_frame_counts_after_decoding() {
        let answer = |bytes: usize| {
            let body = STANDARD.encode("x".repeat(bytes));
            serde_json::json!({ "statusCode": 200, "body": body, "isBase64Encoded": true }).to_string()
        };
        assert!(read(&answer(limits::MESSAGE)).is_ok());
        assert!(read(&answer(limits::MESSAGE + 1)).is_err());
    }
}
