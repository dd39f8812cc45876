//! Functions that run elsewhere, behind an endpoint that speaks the Lambda Invoke API.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;

use super::error::{InvokeError, ReportedError};
use crate::aws::limits::{LONGEST_TIMEOUT, PAYLOAD};
use crate::http_client::{self, HttpClient};
use crate::project::Function;

/// One function behind the endpoint.
#[derive(Debug)]
pub(super) struct Remote {
    client: HttpClient,
    url: String,
    label: String,
}

impl Remote {
    pub(super) fn new(base: &str, function: &Function) -> Self {
        let label = function.program.clone();
        let url = format!("{}/2015-03-31/functions/{label}/invocations", base.trim_end_matches('/'));
        Self { client: http_client::new(), url, label }
    }

    /// The endpoint may have the function compiled first, so the function's own time limit would be too short.
    pub(super) async fn invoke(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        let result = match tokio::time::timeout(LONGEST_TIMEOUT, self.send(payload)).await {
            Ok(result) => result,
            Err(_) => Err(InvokeError::TimedOut { limit: LONGEST_TIMEOUT }),
        };
        if let Err(error) = &result {
            tracing::error!("[{}] {error}", self.label);
        }
        result
    }

    async fn send(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(payload))
            .map_err(|error| self.unreachable(&error))?;
        let response = self.client.request(request).await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let failed = response.headers().contains_key("x-amz-function-error");
        let body = axum::body::to_bytes(Body::new(response.into_body()), PAYLOAD)
            .await
            .map_err(|_| InvokeError::ResponseTooLarge)?;
        // Lambda marks a function's own error with a header; `cargo lambda watch` answers 500 and has none.
        if failed || status.is_server_error() {
            let reported = serde_json::from_slice::<ReportedError>(&body).unwrap_or_default();
            if failed || !reported.error_type.is_empty() {
                return Err(InvokeError::Function {
                    error_type: reported.error_type,
                    message: reported.error_message,
                });
            }
        }
        match status {
            StatusCode::TOO_MANY_REQUESTS => Err(InvokeError::Throttled),
            status if status.is_success() => Ok(body),
            status => {
                let said: String = String::from_utf8_lossy(&body).chars().take(300).collect();
                Err(InvokeError::Unreachable { cause: format!("{} answered {status}: {said}", self.url) })
            }
        }
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> InvokeError {
        InvokeError::Unreachable { cause: format!("{}: {}", self.url, http_client::describe(error)) }
    }
}
