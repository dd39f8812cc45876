//! The WebSocket API: opens connections, dispatches their frames to routes, and ends them.

mod authorizer;
mod connection;
mod events;
mod functions;
mod handshake;
mod options;
mod registry;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::Utc;
use hyper::upgrade::OnUpgrade;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::task::TaskTracker;

pub use options::WebSocketOptions;

use crate::aws;
use crate::aws::answers;
use crate::lambda::Lambda;
use crate::project::{Integration, WebSocketApi, WebSocketRoute};
use connection::{Connection, End, Inbox, Limits};
use events::Kind;
use functions::{Functions, unusable};
use registry::Registry;

/// How long `stop` waits for connections to close and their `$disconnect` to be handled.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A WebSocket API, served; cheap to clone.
#[derive(Clone, Debug)]
pub struct WebSocketApiServer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: WebSocketApi,
    functions: Functions,
    options: WebSocketOptions,
    registry: Registry,
    tasks: TaskTracker,
}

impl WebSocketApiServer {
    pub fn new(api: WebSocketApi, lambda: Lambda, options: WebSocketOptions) -> Self {
        let functions = Functions::new(lambda, options.integration_timeout);
        let (registry, tasks) = (Registry::default(), TaskTracker::new());
        Self { inner: Arc::new(Inner { api, functions, options, registry, tasks }) }
    }

    /// Answers a request that asks for an upgrade, after its `$connect` was handled.
    pub async fn upgrade(&self, request: Request, peer: SocketAddr) -> Response {
        // In a task of its own: the function's work counts even if the client goes away meanwhile.
        let task = self.inner.tasks.spawn(self.clone().open(request, peer));
        let failure = |_| answers::message(StatusCode::INTERNAL_SERVER_ERROR, answers::WEBSOCKET_FAILURE);
        task.await.unwrap_or_else(failure)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.inner.registry.len()
    }

    /// Cuts a connection as a failing network would; false if there is none of that id.
    pub fn cut(&self, connection_id: &str) -> bool {
        let connection = self.find(connection_id);
        if let Some(connection) = &connection {
            self.end(connection, End::Cut);
        }
        connection.is_some()
    }

    /// Closes every connection with 1001 and waits for their `$disconnect`s, with a bound.
    pub async fn stop(&self) {
        self.inner.tasks.close();
        for connection in self.inner.registry.close() {
            connection.end(End::going_away());
        }
        if timeout(STOP_LIMIT, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not close within {} s", STOP_LIMIT.as_secs());
        }
    }

    pub(crate) fn options(&self) -> &WebSocketOptions {
        &self.inner.options
    }

    pub(crate) fn api(&self) -> &WebSocketApi {
        &self.inner.api
    }

    /// The stage, under which the management API may be addressed.
    pub fn stage(&self) -> &str {
        &self.inner.api.stage
    }

    pub(crate) fn find(&self, connection_id: &str) -> Option<Arc<Connection>> {
        self.inner.registry.find(connection_id)
    }

    /// Ends a connection on behalf of the management API.
    pub(crate) fn delete(&self, connection: &Connection) {
        self.end(connection, End::normally());
    }

    fn end(&self, connection: &Connection, end: End) {
        self.inner.registry.forget(connection);
        connection.end(end);
    }

    async fn open(self, request: Request, peer: SocketAddr) -> Response {
        let Inner { api, functions, options, registry, tasks } = &*self.inner;
        let opening = handshake::run(request, peer, api, functions, options.domain_name.as_deref());
        let accepted = match opening.await {
            Ok(accepted) => accepted,
            Err(refusal) => return refusal,
        };
        let (connection, inbox) = Connection::new(accepted.facts, options.outgoing_limit);
        if !registry.register(&connection) {
            // The gateway stops, and has already closed the connections that were registered.
            connection.end(End::going_away());
        }
        tasks.spawn(self.clone().serve(connection, inbox, accepted.upgrade));
        accepted.response
    }

    async fn serve(self, connection: Arc<Connection>, inbox: Inbox, upgrade: OnUpgrade) {
        let (server, connection) = (&self, &*connection);
        let options = server.options();
        let limits =
            Limits { in_flight: options.in_flight, idle: options.idle_limit, lifetime: options.lifetime };
        let on_frame = |body| server.dispatch(connection, body);
        let on_end = |code, reason| {
            server.inner.registry.forget(connection);
            server.disconnect(connection, code, reason)
        };
        connection::serve(connection, inbox, upgrade, limits, on_frame, on_end).await;
    }

    /// Handles one frame: finds its route, runs it, and answers if the route does.
    async fn dispatch(&self, connection: &Connection, body: Utf8Bytes) {
        let (request_id, arrived) = (aws::new_websocket_request_id(), Utc::now());
        self.inner.options.record.frame("in", &connection.facts.connection_id, &body);
        let Some((route_key, route)) = self.route(&body) else {
            return self.reply(connection, &platform_error(answers::FORBIDDEN, connection, &request_id));
        };
        let id = &connection.facts.connection_id;
        tracing::debug!("connection {id}: a frame of {} bytes takes {route_key}", body.len());
        if let Some(delay) = self.inner.options.faults.frame_delay(route_key) {
            tokio::time::sleep(delay).await;
        }
        let outcome = match &route.integration {
            Integration::Mock { response } => Ok(response.clone()),
            Integration::Lambda(function) => {
                let kind = Kind::Message { body: &body, arrived };
                let event = events::write(&connection.facts, route_key, &request_id, kind);
                let answer = self.inner.functions.invoke(route_key, function, event).await;
                answer.and_then(|answer| match route.two_way {
                    true => answer.into_text().map(Some).map_err(|why| unusable(route_key, function, &why)),
                    false => Ok(None),
                })
            }
        };
        match outcome {
            Ok(Some(text)) if route.two_way => self.reply(connection, &text),
            Ok(_) => {}
            Err(failure) => {
                self.reply(connection, &platform_error(failure.message(), connection, &request_id))
            }
        }
    }

    fn reply(&self, connection: &Connection, text: &str) {
        let id = &connection.facts.connection_id;
        match connection.send(Utf8Bytes::from(text)) {
            Ok(()) => self.inner.options.record.frame("out", id, text),
            Err(_) => tracing::warn!("connection {id} does not read; a reply was dropped"),
        }
    }

    fn route(&self, body: &str) -> Option<(&str, &WebSocketRoute)> {
        let routes = &self.inner.api.routes;
        let selected = self.inner.api.route_selection.select(body).and_then(|key| routes.get_key_value(&key));
        selected.or_else(|| routes.get_key_value(aws::DEFAULT)).map(|(key, route)| (key.as_str(), route))
    }

    /// Tells `$disconnect`, if there is one, that a connection has ended.
    async fn disconnect(&self, connection: &Connection, code: u16, reason: String) {
        let Some(route) = self.inner.api.routes.get(aws::DISCONNECT) else { return };
        let Integration::Lambda(function) = &route.integration else { return };
        if self.inner.options.faults.loses_disconnect() {
            return;
        }
        let request_id = aws::new_websocket_request_id();
        let kind = Kind::Disconnect { code, reason: &reason };
        let event = events::write(&connection.facts, aws::DISCONNECT, &request_id, kind);
        // A failure has been logged, and the client is gone.
        let _ = self.inner.functions.invoke(aws::DISCONNECT, function, event).await;
    }
}

fn platform_error(message: &str, connection: &Connection, request_id: &str) -> String {
    answers::websocket_error(message, &connection.facts.connection_id, request_id)
}
