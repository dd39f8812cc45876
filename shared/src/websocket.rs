//! The WebSocket edge: event in, status out, failures answered and logged.

use std::convert::Infallible;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;

use crate::app::{App, PushingApp};
use crate::error::{Error, FrameError};
use crate::ids::{CallId, ConnectionId, UserKey};
use crate::protocol::client::{self, ClientFrame, Echo};
use crate::protocol::server::{ErrorFrame, to_json};
use crate::push::Deadline;
use crate::telemetry::{self, Subject};

/// Where and when a frame came in.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The connection it was sent on.
    pub connection: ConnectionId,
    /// When it reached the platform, in milliseconds since 1970. Frames may be handled in another order.
    pub at_ms: i64,
}

/// One event of a WebSocket route.
struct Event {
    arrival: Arrival,
    /// The `ticket` of the URL's query; on `$connect` only.
    ticket: Option<String>,
    /// The frame's text; empty for `$connect` and `$disconnect`.
    body: String,
}

/// A frame that was not carried out.
struct Refused {
    error: FrameError,
    /// The error frame.
    frame: String,
}

/// The function's answer to API Gateway. On a one-way route nothing of it reaches the client but a failed `$connect`.
#[derive(Serialize)]
struct Answer {
    #[serde(rename = "statusCode")]
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// Serves `$connect` for the life of this process; the handler gets the ticket that was shown. A failure refuses the
/// upgrade with its status.
///
/// # Errors
/// The Lambda runtime's own: it cannot be reached.
pub async fn serve_connect(
    app: &App,
    handle: impl AsyncFn(&App, &ConnectionId, Option<&str>) -> Result<(), Error>,
) -> Result<(), lambda_runtime::Error> {
    serve(async |event| {
        let result = handle(app, &event.arrival.connection, event.ticket.as_deref()).await;
        Answer::status(result, "a connection was refused")
    })
    .await
}

/// Serves `$disconnect` for the life of this process. Its client hears of no failure.
///
/// # Errors
/// The Lambda runtime's own, as for [`serve_connect`].
pub async fn serve_disconnect(
    app: &PushingApp,
    handle: impl AsyncFn(&PushingApp, &ConnectionId) -> Result<(), Error>,
) -> Result<(), lambda_runtime::Error> {
    serve(async |event| {
        Answer::status(handle(app, &event.arrival.connection).await, "a closed connection was not forgotten")
    })
    .await
}

/// Serves one-way routes for the life of this process: a failure is pushed to the frame's sender.
///
/// # Errors
/// The Lambda runtime's own, as for [`serve_connect`].
pub async fn serve_frames(
    app: &PushingApp,
    handle: impl AsyncFn(&PushingApp, &Arrival, ClientFrame<'_>) -> Result<(), FrameError>,
) -> Result<(), lambda_runtime::Error> {
    serve(async |event| {
        let handled = handle_frame(&event, async |arrival, frame| handle(app, arrival, frame).await);
        if let Err(refused) = handled.await {
            refused.tell(app, &event.arrival.connection).await;
        }
        Answer { status: 200, body: None }
    })
    .await
}

/// Serves a two-way route for the life of this process: a failure is the route's response.
///
/// # Errors
/// The Lambda runtime's own, as for [`serve_connect`].
pub async fn serve_two_way(
    handle: impl AsyncFn(&Arrival, ClientFrame<'_>) -> Result<(), FrameError>,
) -> Result<(), lambda_runtime::Error> {
    // A body with another status would be replaced by the platform's own frame.
    serve(async |event| {
        let refused = handle_frame(&event, &handle).await.err();
        Answer { status: 200, body: refused.map(|refused| refused.frame) }
    })
    .await
}

impl Answer {
    fn status(result: Result<(), Error>, failed: &str) -> Self {
        let Err(error) = result else { return Self { status: 200, body: None } };
        if error.cause().is_some() {
            tracing::error!(%error, "{failed}");
        }
        let (status, code, _) = error.answer();
        telemetry::code(code);
        Self { status, body: None }
    }
}

async fn serve(respond: impl AsyncFn(Event) -> Answer) -> Result<(), lambda_runtime::Error> {
    let respond = &respond;
    lambda_runtime::run(service_fn(|event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| async move {
        let LambdaEvent { payload: event, context: lambda } = event;
        let context = event.request_context;
        let subject = Subject {
            request_id: lambda.request_id,
            api_request_id: context.request_id,
            route: context.route_key,
            connection: context.connection_id.clone(),
        };
        // Boxed, as it is of several kilobytes, which each future around it would copy.
        let answer = Box::pin(respond(Event {
            arrival: Arrival {
                connection: ConnectionId::from_platform(context.connection_id.unwrap_or_default()),
                at_ms: context.request_time_epoch,
            },
            ticket: event.query_string_parameters.first("ticket").map(str::to_owned),
            body: event.body.unwrap_or_default(),
        }));
        Ok::<_, Infallible>(telemetry::told(subject, answer).await)
    }))
    .await
}

async fn handle_frame(
    event: &Event,
    handle: impl AsyncFnOnce(&Arrival, ClientFrame<'_>) -> Result<(), FrameError>,
) -> Result<(), Refused> {
    let (echo, frame) = client::parse(&event.body);
    match &frame {
        Ok(ClientFrame::Signal(signal)) => note(signal.call_id.as_ref(), Some(&signal.target)),
        Ok(ClientFrame::Register(register)) => note(register.call_id.as_ref(), None),
        Ok(_) | Err(_) => {}
    }
    let handled = match frame {
        Ok(frame) => handle(&event.arrival, frame).await,
        Err(error) => Err(error),
    };
    handled.map_err(|error| Refused::new(error, &echo))
}

/// Notes the call and the user that a frame names.
fn note(call: Option<&CallId>, target: Option<&UserKey>) {
    if let Some(id) = call {
        telemetry::call(id, None, None);
    }
    if let Some(target) = target {
        telemetry::peer(target);
    }
}

impl Refused {
    fn new(error: FrameError, echo: &Echo) -> Self {
        if let FrameError::Failed(cause) = &error
            && cause.cause().is_some()
        {
            tracing::error!(error = %cause, "a frame failed");
        }
        telemetry::code(error.answer().0);
        Self { frame: to_json(&ErrorFrame::new(&error, echo)), error }
    }

    /// Pushes the error frame. A connection that is not known any more is closed after that, and an entry that may
    /// stand under the user named in its frame goes.
    async fn tell(&self, app: &PushingApp, connection: &ConnectionId) {
        let deadline = Deadline::start();
        app.notifier.push(connection, &self.frame, deadline).await;
        let FrameError::Forgotten(named) = &self.error else { return };
        app.notifier.close_all(std::slice::from_ref(connection), deadline).await;
        if let Some(user) = named
            && let Err(error) = app.store.forget(Some(user), connection).await
        {
            tracing::warn!(%error, "a connection that was closed is still entered");
        }
    }
}
