//! The WebSocket API's door: upgrades, routes, answers, and the registry of open connections.

mod authorizer;
mod connection;
pub(crate) mod events;
mod handshake;
mod routes;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::task::TaskTracker;

use self::connection::{Connection, Order};
use self::events::Kind;
pub(crate) use self::routes::Selection;
use crate::aws;
use crate::aws::{answers, limits};
use crate::faults::Faults;
use crate::lambda::{InvokeError, Lambda};
use crate::project::{Integration, WebSocketApi, WebSocketRoute};

/// How long `stop` waits for connections to close and their `$disconnect` to be handled.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How a WebSocket API behaves where AWS's own rules can be bent.
#[derive(Clone, Debug)]
pub struct WebSocketOptions {
    /// The events' `domainName`; by default the upgrade request's `Host`.
    pub domain_name: Option<String>,
    /// Close a connection when nothing was sent either way for so long; AWS: 10 minutes.
    pub idle_limit: Option<Duration>,
    /// Close a connection of this age; AWS: 2 hours.
    pub lifetime: Option<Duration>,
    /// How long a function's answer is waited for; AWS: 29 s.
    pub integration_timeout: Duration,
    /// Frames of one connection handled at once; further ones wait on the wire.
    pub in_flight: usize,
    /// Bytes queued for a client that does not read; more is answered 429.
    pub outgoing_limit: usize,
    pub faults: Faults,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            domain_name: None,
            idle_limit: None,
            lifetime: None,
            integration_timeout: limits::WEBSOCKET_INTEGRATION_TIMEOUT,
            in_flight: 64,
            outgoing_limit: 4 * 1024 * 1024,
            faults: Faults::default(),
        }
    }
}

impl WebSocketOptions {
    /// With AWS's limits on a connection's idle time and age.
    #[must_use]
    pub fn with_aws_limits(mut self) -> Self {
        self.idle_limit = Some(limits::CONNECTION_IDLE);
        self.lifetime = Some(limits::CONNECTION_LIFETIME);
        self
    }
}

/// Where WebSocket clients come in; cheap to clone.
#[derive(Clone, Debug)]
pub struct WebSocketApiServer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: WebSocketApi,
    selection: Selection,
    lambda: Lambda,
    options: WebSocketOptions,
    connections: RwLock<HashMap<String, Arc<Connection>>>,
    tasks: TaskTracker,
}

/// What a function answers on a two-way route, and on `$connect`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: Option<HashMap<String, serde_json::Value>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

impl WebSocketApiServer {
    pub fn new(api: WebSocketApi, lambda: Lambda, options: WebSocketOptions) -> Self {
        let selection = Selection::parse(&api.route_selection_expression);
        let inner = Inner {
            api,
            selection,
            lambda,
            options,
            connections: RwLock::default(),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Answers a request that asks for an upgrade, after its `$connect` was handled.
    pub async fn upgrade(&self, request: Request, peer: SocketAddr) -> Response {
        // In a task of its own: the function's work counts even if the client goes away meanwhile.
        let task = self.inner.tasks.spawn(handshake::open(self.clone(), request, peer));
        task.await.unwrap_or_else(|_| handshake::internal_server_error())
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.inner.connections.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Cuts a connection as a failing network would; false if there is none of that id.
    pub fn cut(&self, connection_id: &str) -> bool {
        let connection = self.find(connection_id);
        if let Some(connection) = &connection {
            self.forget(connection);
            connection.end(Order::Cut);
        }
        connection.is_some()
    }

    /// Closes every connection with 1001 and waits for their `$disconnect`s, with a bound.
    pub async fn stop(&self) {
        self.inner.tasks.close();
        let open: Vec<_> = {
            let mut connections = self.inner.connections.write().unwrap_or_else(PoisonError::into_inner);
            connections.drain().map(|(_, connection)| connection).collect()
        };
        for connection in open {
            connection.end(close_order(CloseCode::Away, answers::GOING_AWAY));
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
        let connections = self.inner.connections.read().unwrap_or_else(PoisonError::into_inner);
        connections.get(connection_id).cloned()
    }

    /// Ends a connection on behalf of the management API.
    pub(crate) fn delete(&self, connection: &Connection) {
        self.forget(connection);
        connection.end(close_order(CloseCode::Normal, answers::CLOSED_NORMALLY));
    }

    fn remember(&self, connection: &Arc<Connection>) {
        // Once stopping, a newcomer is closed at once; `stop` has already been through the registry.
        let mut connections = self.inner.connections.write().unwrap_or_else(PoisonError::into_inner);
        if self.inner.tasks.is_closed() {
            connection.end(close_order(CloseCode::Away, answers::GOING_AWAY));
        } else {
            connections.insert(connection.facts.connection_id.clone(), Arc::clone(connection));
        }
    }

    fn forget(&self, connection: &Connection) {
        let mut connections = self.inner.connections.write().unwrap_or_else(PoisonError::into_inner);
        connections.remove(&connection.facts.connection_id);
    }

    /// Handles one frame: finds its route, runs it, and answers if the route does.
    async fn dispatch(&self, connection: &Connection, body: Utf8Bytes) {
        let request_id = aws::new_websocket_request_id();
        let Some((route_key, route)) = self.route(&body) else {
            return say(connection, &platform_error(answers::FORBIDDEN, connection, &request_id));
        };
        let id = &connection.facts.connection_id;
        tracing::debug!("connection {id}: a frame of {} bytes takes {route_key}", body.len());
        if let Some(delay) = self.inner.options.faults.frame_delay(route_key) {
            tokio::time::sleep(delay).await;
        }
        let reply = match &route.integration {
            Integration::Mock { response } => Ok(response.clone()),
            Integration::Lambda(function) => {
                let event =
                    events::write(&connection.facts, route_key, &request_id, Kind::Message { body: &body });
                match self.invoke(function, event).await {
                    Ok(answer) if route.two_way => read_reply(&answer).map(Some).map_err(|why| {
                        tracing::error!("the answer of {function} on route {route_key} is unusable: {why}");
                    }),
                    Ok(_) => Ok(None),
                    Err(_) => Err(()),
                }
            }
        };
        match reply {
            Ok(Some(text)) if route.two_way => say(connection, &text),
            Ok(_) => {}
            Err(()) => say(connection, &platform_error(answers::WEBSOCKET_FAILURE, connection, &request_id)),
        }
    }

    fn route(&self, body: &str) -> Option<(&str, &WebSocketRoute)> {
        let routes = &self.inner.api.routes;
        let selected = self.inner.selection.select(body).and_then(|key| routes.get_key_value(&key));
        selected.or_else(|| routes.get_key_value(aws::DEFAULT)).map(|(key, route)| (key.as_str(), route))
    }

    /// Tells `$disconnect`, if there is one, that a connection has ended.
    async fn disconnect(&self, connection: &Connection, code: u16, reason: &str) {
        let Some(route) = self.inner.api.routes.get(aws::DISCONNECT) else { return };
        let Integration::Lambda(function) = &route.integration else { return };
        if self.inner.options.faults.loses_disconnect() {
            return;
        }
        let request_id = aws::new_websocket_request_id();
        let kind = Kind::Disconnect { code, reason };
        let event = events::write(&connection.facts, aws::DISCONNECT, &request_id, kind);
        // Nobody is left to hear of a failure; it has been logged.
        let _ = self.invoke(function, event).await;
    }

    async fn invoke(&self, function: &str, event: Bytes) -> Result<Bytes, InvokeError> {
        let limit = self.inner.lambda.answer_timeout(self.inner.options.integration_timeout);
        match timeout(limit, self.inner.lambda.invoke(function, event)).await {
            Ok(result) => result,
            Err(_) => {
                tracing::error!("{function} did not answer within the platform's {} s", limit.as_secs());
                Err(InvokeError::TimedOut { limit })
            }
        }
    }
}

fn close_order(code: CloseCode, reason: &'static str) -> Order {
    Order::Close(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
}

/// The text a function's answer holds for the client.
fn read_reply(answer: &[u8]) -> Result<String, String> {
    use base64::Engine;

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
    let bytes = base64::engine::general_purpose::STANDARD.decode(body).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn platform_error(message: &str, connection: &Connection, request_id: &str) -> String {
    answers::websocket_error(message, &connection.facts.connection_id, request_id)
}

fn say(connection: &Connection, text: &str) {
    if connection.send(Utf8Bytes::from(text)).is_err() {
        tracing::warn!("connection {} does not read; a reply was dropped", connection.facts.connection_id);
    }
}
