//! The admin API: changes faults, kills instances and cuts connections while the gateway runs.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::faults::Faults;
use crate::lambda::Lambda;
use crate::websocket_api::WebSocketApiServer;

#[derive(Clone, Debug)]
struct Admin {
    faults: Faults,
    lambda: Lambda,
    /// Missing where the project has no WebSocket API.
    websocket: Option<WebSocketApiServer>,
}

/// `GET`, `POST` (one fault per line) and `DELETE /_gateway/faults`,
/// `POST /_gateway/kill/{function}`, `POST /_gateway/cut/{connection}`.
///
/// To be served on a loopback address of its own, not on the gateway's port.
pub fn router(faults: Faults, lambda: Lambda, websocket: Option<WebSocketApiServer>) -> Router {
    Router::new()
        .route("/_gateway/faults", get(list).post(set).delete(clear))
        .route("/_gateway/kill/{function}", post(kill))
        .route("/_gateway/cut/{connection}", post(cut))
        .layer(from_fn(refuse_browsers))
        .with_state(Admin { faults, lambda, websocket })
}

/// Refuses every page: those on other origins can reach loopback addresses too.
async fn refuse_browsers(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "not for browsers\n").into_response();
    }
    next.run(request).await
}

async fn list(State(admin): State<Admin>) -> String {
    admin.faults.list().iter().map(|fault| format!("{fault}\n")).collect()
}

async fn set(State(admin): State<Admin>, body: String) -> Response {
    let texts = body.lines().map(str::trim).filter(|line| !line.is_empty());
    let api = admin.websocket.as_ref().map(WebSocketApiServer::api);
    match admin.faults.set_all(texts, api) {
        Ok(()) => list(State(admin)).await.into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    }
}

async fn clear(State(admin): State<Admin>) -> StatusCode {
    admin.faults.clear();
    StatusCode::NO_CONTENT
}

async fn kill(State(admin): State<Admin>, Path(function): Path<String>) -> Response {
    let why = if let Some(id) = admin.lambda.id_of(&function) {
        if admin.lambda.kill(id) {
            return StatusCode::NO_CONTENT.into_response();
        }
        format!("{function} has no instance to kill\n")
    } else {
        let names: Vec<_> = admin.lambda.names().collect();
        format!("there is no function {function}; there are {}\n", names.join(", "))
    };
    (StatusCode::NOT_FOUND, why).into_response()
}

async fn cut(State(admin): State<Admin>, Path(connection): Path<String>) -> Response {
    if admin.websocket.is_some_and(|websocket| websocket.cut(&connection)) {
        return StatusCode::NO_CONTENT.into_response();
    }
    (StatusCode::NOT_FOUND, format!("there is no connection {connection}\n")).into_response()
}
