//! The `@connections` management API: how functions reach clients.

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::aws;
use crate::aws::answers::{self, FORBIDDEN, TOO_LONG, WEBSOCKET_FAILURE, management_error};
use crate::aws::limits;
use crate::websocket_api::WebSocketApiServer;

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
    if !aws::is_connection_id(&connection_id) {
        let message = format!("Invalid connectionId: {connection_id}");
        return management_error(StatusCode::BAD_REQUEST, "BadRequestException", &message);
    }
    match *method {
        Method::POST => {
            // The same bytes once more, not a copy of them: most posts are not recorded.
            let response = post(websocket, &connection_id, body.clone()).await;
            websocket.options().record.push(&connection_id, &body, response.status().as_u16());
            response
        }
        Method::GET => get(websocket, &connection_id),
        _ => delete(websocket, &connection_id),
    }
}

/// The answer to whatever else is asked of the management API.
pub fn forbidden() -> Response {
    management_error(StatusCode::FORBIDDEN, "ForbiddenException", FORBIDDEN)
}

/// The answer to a post whose body cannot be read.
pub(crate) fn unreadable(error: &axum::Error) -> Response {
    let answer = answers::unreadable(error);
    if answer.status() == StatusCode::PAYLOAD_TOO_LARGE { too_large() } else { answer }
}

/// The answer to a post over 128 KB.
fn too_large() -> Response {
    management_error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", TOO_LONG)
}

async fn post(websocket: &WebSocketApiServer, connection_id: &str, body: Bytes) -> Response {
    let faults = &websocket.options().faults;
    if let Some(delay) = faults.push_delay() {
        tokio::time::sleep(delay).await;
    }
    if let Some(status) = faults.push_status() {
        return injected(status);
    }
    if body.len() > limits::MESSAGE {
        return too_large();
    }
    let Some(connection) = websocket.find(connection_id) else { return gone() };
    let Ok(text) = Utf8Bytes::try_from(body) else {
        return management_error(
            StatusCode::BAD_REQUEST,
            "BadRequestException",
            "The message is not UTF-8 text",
        );
    };
    match connection.send(text) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(_) => limit_exceeded(),
    }
}

fn get(websocket: &WebSocketApiServer, connection_id: &str) -> Response {
    let Some(connection) = websocket.find(connection_id) else { return gone() };
    let body = json!({
        "connectedAt": aws::iso_time(connection.facts.connected_at),
        "identity": connection.facts.identity,
        "lastActiveAt": aws::iso_time(connection.last_active()),
    });
    answers::json(StatusCode::OK, body.to_string())
}

fn delete(websocket: &WebSocketApiServer, connection_id: &str) -> Response {
    let Some(connection) = websocket.find(connection_id) else { return gone() };
    websocket.delete(&connection);
    StatusCode::NO_CONTENT.into_response()
}

/// The answer of a fault.
fn injected(status: u16) -> Response {
    match status {
        410 => gone(),
        429 => limit_exceeded(),
        403 => forbidden(),
        413 => too_large(),
        other => {
            let status = StatusCode::from_u16(other).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            management_error(status, "InternalServerErrorException", WEBSOCKET_FAILURE)
        }
    }
}

fn gone() -> Response {
    management_error(StatusCode::GONE, "GoneException", "Gone")
}

fn limit_exceeded() -> Response {
    management_error(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Too Many Requests")
}
