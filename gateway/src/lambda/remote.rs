//! Functions that run elsewhere, behind an endpoint that speaks the Lambda Invoke API.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use hyper::body::Incoming;

use super::error::{InvokeError, ReportedError};
use crate::aws::limits::{LONGEST_TIMEOUT, PAYLOAD};
use crate::http_client::{self, HttpClient};
use crate::project::Function;

/// One function behind the endpoint.
#[derive(Debug)]
pub(super) struct Remote {
    client: HttpClient,
    base: String,
    /// What it may be called there: `cargo lambda watch` knows its binary, `sam local` its name in the template.
    names: [String; 2],
    /// Which of them the endpoint knows, as far as has been seen.
    known: AtomicUsize,
}

impl Remote {
    pub(super) fn new(base: &str, function: &Function) -> Self {
        let names = [function.program.clone(), function.name.clone()];
        let base = format!("{}/2015-03-31/functions", base.trim_end_matches('/'));
        Self { client: http_client::new(), base, names, known: AtomicUsize::new(0) }
    }

    /// The endpoint may have the function compiled first, so the function's own time limit would be too short.
    pub(super) async fn invoke(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        let result = match tokio::time::timeout(LONGEST_TIMEOUT, self.send(payload)).await {
            Ok(result) => result,
            Err(_) => Err(InvokeError::TimedOut { limit: LONGEST_TIMEOUT }),
        };
        if let Err(error) = &result {
            tracing::error!("[{}] {error}", self.names[self.known.load(Ordering::Relaxed)]);
        }
        result
    }

    async fn send(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        let known = self.known.load(Ordering::Relaxed);
        let (mut url, mut response) = self.post(&self.names[known], payload.clone()).await?;
        let other = 1 - known;
        if response.status() == StatusCode::NOT_FOUND && self.names[0] != self.names[1] {
            let (second_url, second) = self.post(&self.names[other], payload).await?;
            if second.status() != StatusCode::NOT_FOUND {
                self.known.store(other, Ordering::Relaxed);
                (url, response) = (second_url, second);
            }
        }
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
                Err(InvokeError::Unreachable { cause: format!("{url} answered {status}: {said}") })
            }
        }
    }

    /// Posts the event to the function of that name; gives the URL as well.
    async fn post(&self, name: &str, payload: Bytes) -> Result<(String, Response<Incoming>), InvokeError> {
        let url = format!("{}/{name}/invocations", self.base);
        let unreachable = |error: &dyn std::error::Error| InvokeError::Unreachable {
            cause: format!("{url}: {}", http_client::describe(error)),
        };
        let request = Request::post(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(payload))
            .map_err(|error| unreachable(&error))?;
        let response = self.client.request(request).await.map_err(|error| unreachable(&error))?;
        Ok((url, response))
    }
}
