//! The opening of a connection: checks the upgrade, then asks the authorizer and `$connect`.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::authorizer::authorize;
use super::events::{self, Facts, Identity, Kind, Parameters};
use super::functions::{Answer, Failure, Functions};
use crate::aws;
use crate::aws::answers;
use crate::project::{Integration, WebSocketApi};

/// A connection that is to be opened.
pub(super) struct Accepted {
    /// The answer to the upgrade request.
    pub(super) response: Response,
    pub(super) facts: Facts,
    pub(super) upgrade: OnUpgrade,
}

/// Runs the whole opening; what is refused comes with the answer to the upgrade request.
pub(super) async fn run(
    mut request: Request,
    peer: SocketAddr,
    api: &WebSocketApi,
    functions: &Functions,
    domain_name: Option<&str>,
) -> Result<Accepted, Response> {
    let mut response = create_response_with_body(&request, Body::empty).map_err(|error| {
        answers::message(StatusCode::BAD_REQUEST, &format!("Not a WebSocket upgrade: {error}"))
    })?;
    if let Some(why) = &api.closed {
        tracing::error!("an upgrade was refused: {why}");
        return Err(answers::forbidden());
    }
    let upgrade = request
        .extensions_mut()
        .remove::<OnUpgrade>()
        .ok_or_else(|| answers::message(StatusCode::BAD_REQUEST, "This connection cannot be upgraded"))?;
    let mut facts = gather_facts(api, domain_name, &request, peer);
    let parameters = Parameters::read(request.headers(), request.uri(), peer.ip(), &facts.domain_name);
    if let Some(protocol) = ask(api, functions, &mut facts, &parameters).await? {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(Accepted { response, facts, upgrade })
}

fn gather_facts(api: &WebSocketApi, domain_name: Option<&str>, request: &Request, peer: SocketAddr) -> Facts {
    let text = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let domain_name = domain_name.or_else(|| text(header::HOST));
    Facts {
        api_id: api.api_id.clone(),
        stage: api.stage.clone(),
        stage_variables: api.stage_variables.clone(),
        domain_name: domain_name.unwrap_or("localhost").to_owned(),
        connection_id: aws::new_connection_id(),
        connected_at: Utc::now(),
        identity: Identity { user_agent: text(header::USER_AGENT).map(str::to_owned), source_ip: peer.ip() },
        authorizer: None,
    }
}

/// Asks the authorizer, then `$connect`; gives the subprotocol the function chose.
async fn ask(
    api: &WebSocketApi,
    functions: &Functions,
    facts: &mut Facts,
    parameters: &Parameters,
) -> Result<Option<HeaderValue>, Response> {
    let Some(route) = api.routes.get(aws::CONNECT) else { return Ok(None) };
    let request_id = aws::new_websocket_request_id();
    if let Some(authorizer) = &route.authorizer {
        let authorized = authorize(authorizer, &functions.lambda, facts, &request_id, parameters).await;
        let context = authorized.map_err(|refusal| answers::message(refusal.status(), refusal.message()))?;
        facts.authorizer = Some(context);
    }
    let Integration::Lambda(function) = &route.integration else { return Ok(None) };
    let event = events::write(facts, aws::CONNECT, &request_id, Kind::Connect { parameters });
    let failed = |failure: Failure| {
        let body = answers::websocket_error(failure.message(), &facts.connection_id, &request_id);
        answers::json(failure.status(), body)
    };
    let answered = functions.invoke(aws::CONNECT, function, event).await.map_err(failed)?;
    match StatusCode::from_u16(answered.status_code) {
        Ok(status) if status.is_success() => Ok(chosen_protocol(&answered)),
        // An informational status would not end the exchange.
        Ok(status) if !status.is_informational() => Err(status.into_response()),
        _ => {
            tracing::error!("{function} answered $connect with the status {}", answered.status_code);
            Err(failed(Failure::Failed))
        }
    }
}

fn chosen_protocol(answer: &Answer) -> Option<HeaderValue> {
    let headers = answer.headers.as_ref()?;
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))?;
    value.as_str().map(HeaderValue::from_str).and_then(Result::ok)
}
