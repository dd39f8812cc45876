//! The WebSocket edge: event in, status out, failures answered with an error frame and logged.

use std::convert::Infallible;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;

use crate::error::FrameError;
use crate::ids::ConnectionId;
use crate::notify::{Deadline, Notifier};
use crate::protocol::Frame;

/// One event of a WebSocket route.
#[derive(Debug)]
pub struct Event {
    /// The connection it is about.
    pub connection: ConnectionId,
    /// The `ticket` of the URL's query; on `$connect` only.
    pub ticket: Option<String>,
    /// The frame's text; empty for `$connect` and `$disconnect`.
    pub body: String,
}

/// What API Gateway gets. On a one-way route nothing of it reaches the client but a failed `$connect`.
#[derive(Debug, Serialize)]
pub struct Answer {
    #[serde(rename = "statusCode")]
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl Answer {
    /// All is well, and there is nothing to say.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// Only a status; `$connect` passes it on.
    pub fn status(status: u16) -> Self {
        Self { status, body: None }
    }

    /// A frame for the client, on a two-way route.
    pub fn frame(frame: String) -> Self {
        Self { status: 200, body: Some(frame) }
    }
}

/// Serves a route for the life of this process.
///
/// # Errors
/// The Lambda runtime's own: it cannot be reached.
pub async fn serve<H, F>(handler: H) -> Result<(), lambda_runtime::Error>
where
    H: Fn(Event) -> F,
    F: Future<Output = Answer>,
{
    lambda_runtime::run(service_fn(|event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| {
        let connection = event.payload.request_context.connection_id.unwrap_or_default();
        let answer = handler(Event {
            connection: ConnectionId::from_platform(connection),
            ticket: event.payload.query_string_parameters.first("ticket").map(str::to_owned),
            body: event.payload.body.unwrap_or_default(),
        });
        async { Ok::<_, Infallible>(answer.await) }
    }))
    .await
}

/// Hands an event's frame to a handler and pushes an error frame if that fails.
pub async fn answer(
    notifier: &Notifier,
    event: &Event,
    handle: impl AsyncFnOnce(&Frame<'_>) -> Result<(), FrameError>,
) -> Answer {
    let (refusal, error) = match Frame::parse(&event.body) {
        Err(error) => (Frame::refuse_unreadable(&error), error),
        Ok(frame) => match handle(&frame).await {
            Ok(()) => return Answer::ok(),
            Err(error) => (frame.refuse(&error), error),
        },
    };
    if let FrameError::Internal(cause) = &error {
        tracing::error!(error = %cause, "frame failed");
    }
    notifier.push(&event.connection, &refusal, Deadline::start()).await;
    Answer::ok()
}
