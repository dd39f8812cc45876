//! The `@connections` management API: how functions reach clients.

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::websocket_api::{MESSAGE_LIMIT, WebSocketApiServer, events};

/// Answers `{method} /@connections/{connection_id}`; the caller has taken the id from the path as it stands there.
pub async fn handle(
    websocket: &WebSocketApiServer,
    method: &Method,
    connection_id_percent_encoded: &str,
    body: Bytes,
) -> Response {
    if ![Method::POST, Method::GET, Method::DELETE].contains(method) {
        return forbidden();
    }
    if connection_id_percent_encoded.contains('/') {
        return forbidden();
    }
    let connection_id = percent_decode_str(connection_id_percent_encoded).decode_utf8_lossy();
    if !events::is_connection_id(&connection_id) {
        let message = format!("Invalid connectionId: {connection_id}");
        return failure(StatusCode::BAD_REQUEST, "BadRequestException", &message);
    }
    match *method {
        Method::POST => post(websocket, &connection_id, body).await,
        Method::GET => get(websocket, &connection_id),
        _ => delete(websocket, &connection_id),
    }
}

/// The answer to whatever else is asked of the management API.
pub fn forbidden() -> Response {
    failure(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden")
}

/// The answer to a post over 128 KB.
pub fn too_large() -> Response {
    failure(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "Message too long")
}

async fn post(websocket: &WebSocketApiServer, connection_id: &str, body: Bytes) -> Response {
    let faults = &websocket.options().faults;
    if let Some(delay) = faults.push_delay() {
        tokio::time::sleep(delay).await;
    }
    if let Some(status) = faults.push_status() {
        return injected(status);
    }
    if body.len() > MESSAGE_LIMIT {
        return too_large();
    }
    let Some(connection) = websocket.find(connection_id) else { return gone() };
    let Ok(text) = Utf8Bytes::try_from(body) else {
        return failure(StatusCode::BAD_REQUEST, "BadRequestException", "The message is not UTF-8 text");
    };
    match connection.send(text) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(_) => limit_exceeded(),
    }
}

fn get(websocket: &WebSocketApiServer, connection_id: &str) -> Response {
    let Some(connection) = websocket.find(connection_id) else { return gone() };
    let body = json!({
        "connectedAt": timestamp(connection.facts.connected_at),
        "identity": connection.facts.identity,
        "lastActiveAt": timestamp(connection.last_active()),
    });
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn delete(websocket: &WebSocketApiServer, connection_id: &str) -> Response {
    let Some(connection) = websocket.find(connection_id) else { return gone() };
    websocket.delete(&connection);
    StatusCode::NO_CONTENT.into_response()
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The answer of a fault.
fn injected(status: u16) -> Response {
    match status {
        410 => gone(),
        429 => limit_exceeded(),
        403 => forbidden(),
        413 => failure(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "Message too long"),
        other => {
            let status = StatusCode::from_u16(other).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            failure(status, "InternalServerErrorException", "Internal server error")
        }
    }
}

fn gone() -> Response {
    failure(StatusCode::GONE, "GoneException", "Gone")
}

fn limit_exceeded() -> Response {
    failure(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Too Many Requests")
}

fn failure(status: StatusCode, error_type: &'static str, message: &str) -> Response {
    let body = format!(r#"{{"message":{}}}"#, Value::from(message));
    let headers = [(header::CONTENT_TYPE.as_str(), "application/json"), ("x-amzn-errortype", error_type)];
    (status, headers, body).into_response()
}
