//! Dispatch: which of the servers behind the gateway's port answers a request.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap};
use axum::response::Response;
use percent_encoding::percent_decode_str;

use crate::aws::answers;
use crate::connections_api;
use crate::http_api::HttpApiServer;
use crate::issuer::Issuer;
use crate::origin::Guard;
use crate::page::Page;
use crate::websocket_api::WebSocketApiServer;

/// What a path of the management API begins with, after its stage.
const CONNECTIONS: &str = "@connections";
const LARGEST_PUSH: usize = 10 * 1024 * 1024;

/// Everything that answers on the port.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) http: Option<HttpApiServer>,
    pub(super) websocket: Option<WebSocketApiServer>,
    pub(super) issuer: Option<Issuer>,
    /// Missing where a token is needed that only a real issuer gives.
    pub(super) guard: Option<Guard>,
    pub(super) page: Option<Page>,
}

pub(super) fn router(servers: Servers) -> Router {
    Router::new().fallback(dispatch).with_state(Arc::new(servers))
}

async fn dispatch(
    State(servers): State<Arc<Servers>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let started = std::time::Instant::now();
    let response = servers.answer(request, peer).await;
    // Not the query: it may hold a token.
    tracing::debug!("{method} {} {} in {:.1?}", uri.path(), response.status().as_u16(), started.elapsed());
    response
}

impl Servers {
    async fn answer(&self, request: Request, peer: SocketAddr) -> Response {
        let upgrade = asks_for_websocket(request.headers());
        let (method, uri) = (request.method(), request.uri());
        if let Some(why) =
            self.guard.as_ref().and_then(|guard| guard.refuse(method, uri, request.headers(), upgrade))
        {
            tracing::warn!("{method} {}: refused: {why}", uri.path());
            return answers::forbidden();
        }
        if let Some(origin) = self.guard.as_ref().and_then(|guard| guard.tell_leniency(request.headers())) {
            tracing::info!(
                "{origin} is let in as a page of this machine; the template's CORS list refuses it"
            );
        }
        if let Some(websocket) = &self.websocket {
            if upgrade {
                return websocket.upgrade(request, peer).await;
            }
            if connection_id(uri.path(), websocket.stage()).is_some() {
                return manage_connection(websocket, request).await;
            }
        }
        if let Some(issuer) = self.issuer.as_ref().filter(|issuer| issuer.serves(uri.path())) {
            return issuer.handle(request).await;
        }
        let routed = self.http.as_ref().is_some_and(|http| http.has_route(method, uri.path()));
        if let (false, Some(page)) = (routed, &self.page) {
            let file = page.serve(&request);
            if let Some(response) = file.await {
                return response;
            }
        }
        match &self.http {
            Some(http) => http.handle(request, peer).await,
            None => answers::not_found(),
        }
    }
}

async fn manage_connection(websocket: &WebSocketApiServer, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let id = connection_id(parts.uri.path(), websocket.stage()).unwrap_or_default();
    // Anything over the platform's 128 KB is refused there; more than this is not even read.
    match axum::body::to_bytes(body, LARGEST_PUSH).await {
        Ok(body) => connections_api::handle(websocket, &parts.method, id, body).await,
        Err(error) => connections_api::unreadable(&error),
    }
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let holds = |name, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    holds(header::CONNECTION, "upgrade") && holds(header::UPGRADE, "websocket")
}

/// The id, still encoded, in `/@connections/{id}` and `/{stage}/@connections/{id}`; clients may encode the `@`, too.
fn connection_id<'p>(path: &'p str, stage: &str) -> Option<&'p str> {
    let is =
        |segment: &str, name: &str| percent_decode_str(segment).decode_utf8().is_ok_and(|text| text == name);
    let (first, rest) = path.strip_prefix('/')?.split_once('/')?;
    if is(first, CONNECTIONS) {
        return Some(rest);
    }
    let (second, id) = rest.split_once('/')?;
    (is(first, stage) && is(second, CONNECTIONS)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_found_with_and_without_the_stage() {
        assert_eq!(connection_id("/@connections/a%3D", "live"), Some("a%3D"));
        assert_eq!(connection_id("/live/@connections/a%3D", "live"), Some("a%3D"));
        assert_eq!(connection_id("/%40connections/a%3D", "live"), Some("a%3D"));
        assert_eq!(connection_id("/live/%40connections/a%3D", "live"), Some("a%3D"));
        assert_eq!(connection_id("/@connections%2Fa", "live"), None);
        assert_eq!(connection_id("/other/@connections/a", "live"), None);
        assert_eq!(connection_id("/@connections", "live"), None);
        assert_eq!(connection_id("/live/messages", "live"), None);
    }

    #[test]
    fn only_a_websocket_upgrade_counts_as_one() {
        let headers = |connection: &str, upgrade: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONNECTION, connection.parse().expect("a header"));
            headers.insert(header::UPGRADE, upgrade.parse().expect("a header"));
            headers
        };
        assert!(asks_for_websocket(&headers("keep-alive, Upgrade", "WebSocket")));
        assert!(!asks_for_websocket(&headers("upgrade", "h2c")));
        assert!(!asks_for_websocket(&headers("keep-alive", "websocket")));
    }
}
