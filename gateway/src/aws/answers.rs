//! Answers of the platform itself: statuses, sentences, and the JSON around them.

use std::io::{self, ErrorKind};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use http_body_util::LengthLimitError;
use serde_json::Value;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The header in which an HTTP API tells the client the request's id.
pub(crate) const HTTP_REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

pub(crate) const FORBIDDEN: &str = "Forbidden";
/// The failure of a WebSocket API or of the management API; HTTP APIs capitalize each word.
pub(crate) const WEBSOCKET_FAILURE: &str = "Internal server error";
/// No answer within the platform's own limit, as against the function's.
pub(crate) const TIMED_OUT: &str = "Endpoint request timed out";
pub(crate) const UNAUTHORIZED: &str = "Unauthorized";
pub(crate) const DENIED: &str = "User is not authorized to access this resource";
pub(crate) const DENIED_EXPLICITLY: &str =
    "User is not authorized to access this resource with an explicit deny";

/// Reasons in close frames and in `$disconnect` events.
pub(crate) const TOO_LONG: &str = "Message too long";
pub(crate) const NOT_TEXT: &str = "Unsupported data";
pub(crate) const INVALID_TEXT: &str = "Invalid text";
pub(crate) const PROTOCOL_ERROR: &str = "Protocol error";
pub(crate) const GOING_AWAY: &str = "Going away";
pub(crate) const CLOSED_NORMALLY: &str = "Connection Closed Normally";
pub(crate) const NO_CLOSE_STATUS: &str = "Client-side close frame status not set";

/// `{"message":"…"}` under this status.
pub(crate) fn message(status: StatusCode, text: &str) -> Response {
    json(status, format!(r#"{{"message":{}}}"#, Value::from(text)))
}

pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

pub(crate) fn bad_request() -> Response {
    message(StatusCode::BAD_REQUEST, "Bad Request")
}

pub(crate) fn unauthorized() -> Response {
    message(StatusCode::UNAUTHORIZED, UNAUTHORIZED)
}

pub(crate) fn forbidden() -> Response {
    message(StatusCode::FORBIDDEN, FORBIDDEN)
}

pub(crate) fn not_found() -> Response {
    message(StatusCode::NOT_FOUND, "Not Found")
}

pub(crate) fn too_large() -> Response {
    message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}

/// For a request's body that cannot be read to its end.
pub(crate) fn unreadable(error: &axum::Error) -> Response {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let answer = causes.find_map(|cause| {
        let late = cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::TimedOut);
        match late {
            true => Some(message(StatusCode::REQUEST_TIMEOUT, "Request Timeout")),
            false => cause.is::<LengthLimitError>().then(too_large),
        }
    });
    // The client broke off or broke the framing.
    answer.unwrap_or_else(bad_request)
}

pub(crate) fn failure() -> Response {
    message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

pub(crate) fn bad_gateway() -> Response {
    message(StatusCode::BAD_GATEWAY, "Bad Gateway")
}

pub(crate) fn unavailable() -> Response {
    message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
}

/// The frame that answers one which no route takes or whose function failed, and the body of a failed upgrade. The
/// spaces are AWS's.
pub(crate) fn websocket_error(message: &str, connection_id: &str, request_id: &str) -> String {
    format!(r#"{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}"#)
}

/// An error of the management API; AWS's clients tell errors apart by their type.
pub(crate) fn management_error(status: StatusCode, error_type: &'static str, text: &str) -> Response {
    let mut response = message(status, text);
    response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error_type));
    response
}
