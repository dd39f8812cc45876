//! The HTTP API: turns a request into an event, and a function's answer into the response.

mod answer;
mod event;
mod jwks;
mod jwt;
mod routes;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use chrono::Utc;
use http_body_util::BodyExt as _;

use crate::aws;
use crate::aws::{answers, limits};
use crate::cors;
use crate::issuer::Issuer;
use crate::lambda::{InvokeError, Lambda};
use crate::project::HttpApi;
use jwks::{KeySource, Keys};
use jwt::{Identity, Refusal, Verifier};
use routes::{Match, Routes};

/// The most that is read of a request that is too large, before it is answered.
const LARGEST_DISCARDED: usize = 10 * limits::HTTP_REQUEST;
const LONGEST_DISCARDING: Duration = Duration::from_secs(5);

/// Whether the template's authorizers guard its routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authorizers {
    /// Routes are open to everybody on this machine.
    #[default]
    Off,
    /// Tokens are checked against the keys that their issuer publishes. For an issuer that the template itself
    /// creates, this gateway stands in and gives anyone a token.
    Enforced,
    /// Tokens are checked against the keys at this URL.
    EnforcedWithKeysAt(String),
    /// Tokens are checked against the keys in this file.
    EnforcedWithKeysIn(PathBuf),
}

/// An HTTP API, served; cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpApiServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    api: HttpApi,
    routes: Routes,
    lambda: Lambda,
    /// How long a function's answer is waited for.
    timeout: Duration,
    port: u16,
    /// By name; `None` while authorizers are off.
    verifiers: Option<BTreeMap<String, Verifier>>,
}

impl HttpApiServer {
    /// `port` is the one that requests come in on, `issuer` the gateway's development issuer.
    pub fn new(
        mut api: HttpApi,
        lambda: Lambda,
        port: u16,
        authorizers: &Authorizers,
        issuer: Option<&Issuer>,
    ) -> Self {
        let routes = Routes::new(std::mem::take(&mut api.routes));
        let verifiers = match authorizers {
            Authorizers::Off => None,
            enforced => Some(
                std::mem::take(&mut api.authorizers)
                    .into_iter()
                    .map(|(name, authorizer)| {
                        let source = match (enforced, issuer) {
                            (Authorizers::EnforcedWithKeysAt(url), _) => KeySource::Url(url.clone()),
                            (Authorizers::EnforcedWithKeysIn(path), _) => KeySource::File(path.clone()),
                            (_, Some(issuer)) if authorizer.issuer == issuer.url() => {
                                KeySource::Own(issuer.clone())
                            }
                            _ => KeySource::Discover(authorizer.issuer.clone()),
                        };
                        (name, Verifier::new(authorizer, Keys::new(source)))
                    })
                    .collect(),
            ),
        };
        let timeout = lambda.answer_timeout(limits::HTTP_INTEGRATION_TIMEOUT);
        Self { shared: Arc::new(Shared { api, routes, lambda, timeout, port, verifiers }) }
    }

    /// Whether some route, `$default` included, takes this request.
    pub fn has_route(&self, method: &Method, path: &str) -> bool {
        self.shared.find(method, path).is_some()
    }

    pub async fn handle(&self, request: Request, peer: SocketAddr) -> Response {
        let shared = &self.shared;
        let request_id = aws::new_http_request_id();
        let (parts, body) = request.into_parts();
        let cors = shared.api.cors.as_ref();
        let preflight = cors::answer_preflight(cors, &parts.method, &parts.headers);
        let mut response = match preflight.filter(|_| !shared.guards_preflight(parts.uri.path())) {
            Some(response) => response,
            None => {
                let mut response =
                    shared.answer(&parts, body, peer, &request_id).await.unwrap_or_else(|refused| *refused);
                cors::decorate(cors, parts.headers.get(header::ORIGIN), &mut response);
                response
            }
        };
        if let Ok(id) = HeaderValue::try_from(request_id) {
            response.headers_mut().insert(answers::HTTP_REQUEST_ID, id);
        }
        response
    }
}

impl Shared {
    fn find(&self, method: &Method, path: &str) -> Option<Match<'_>> {
        let path = if self.api.stage == aws::DEFAULT {
            path
        } else {
            let below = path.strip_prefix('/')?.strip_prefix(self.api.stage.as_str())?;
            if !below.is_empty() && !below.starts_with('/') {
                return None;
            }
            below
        };
        self.routes.find(method.as_str(), path)
    }

    /// Whether a preflight must prove who sends it, which no browser does: `$default` and `ANY` take `OPTIONS`, too,
    /// and with them their authorizer.
    fn guards_preflight(&self, path: &str) -> bool {
        let guarded =
            || self.find(&Method::OPTIONS, path).is_some_and(|found| found.route.authorizer.is_some());
        self.verifiers.is_some() && guarded()
    }

    /// An early answer is an `Err`, boxed because it is large and rare.
    async fn answer(
        &self,
        parts: &Parts,
        body: Body,
        peer: SocketAddr,
        request_id: &str,
    ) -> Result<Response, Box<Response>> {
        let found = self.find(&parts.method, parts.uri.path()).ok_or_else(answers::not_found)?;
        let now = Utc::now();
        let identity = self.authorize(parts, &found, now.timestamp()).await?;
        let body = read_body(parts, body).await?;
        let event = event::build(&event::Source {
            api: &self.api,
            parts,
            body: &body,
            found: &found,
            identity: identity.as_ref(),
            request_id,
            peer,
            port: self.port,
            now,
        });
        let event = event.map_err(|error| {
            tracing::error!("{}: the event cannot be written: {error}", found.route.route_key);
            answers::failure()
        })?;
        if event.len() > limits::PAYLOAD {
            tracing::warn!("{}: the event is over 6 MB, which no function takes", found.route.route_key);
            return Err(answers::too_large().into());
        }
        let function = &found.route.function;
        let payload = match tokio::time::timeout(self.timeout, self.lambda.invoke(function, event)).await {
            Ok(Ok(payload)) => payload,
            // The cause is already in the log.
            Ok(Err(error)) => return Err(answer_invoke_error(&error).into()),
            Err(_) => {
                let limit = self.timeout.as_secs();
                tracing::warn!("{}: {function} gave no answer within {limit} s", found.route.route_key);
                return Err(answers::unavailable().into());
            }
        };
        answer::infer(&payload).map_err(|malformed| {
            tracing::error!("{}: {function} gave a malformed answer: {}", found.route.route_key, malformed.0);
            answers::failure().into()
        })
    }

    async fn authorize(
        &self,
        parts: &Parts,
        found: &Match<'_>,
        now: i64,
    ) -> Result<Option<Identity>, Box<Response>> {
        let (Some(verifiers), Some(name)) = (&self.verifiers, &found.route.authorizer) else {
            return Ok(None);
        };
        let key = &found.route.route_key;
        let Some(verifier) = verifiers.get(name) else {
            tracing::error!("{key}: the authorizer {name} is not emulated, so every request is refused");
            return Err(answers::failure().into());
        };
        match verifier.verify(&parts.headers, &parts.uri, &found.route.scopes, now).await {
            Ok(identity) => Ok(Some(identity)),
            Err(refusal) => {
                match &refusal {
                    Refusal::NoKeys(why) => {
                        tracing::error!("{key}: the authorizer {name} has no keys: {why}")
                    }
                    Refusal::InvalidToken(why) => tracing::info!("{key}: refused by {name}: {why}"),
                    Refusal::NoToken | Refusal::InsufficientScope(_) => {}
                }
                Err(refusal.into_response().into())
            }
        }
    }
}

async fn read_body(parts: &Parts, body: Body) -> Result<Bytes, Box<Response>> {
    let declared = parts.headers.get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limits::HTTP_REQUEST as u64) {
        discard(body).await;
        return Err(answers::too_large().into());
    }
    to_bytes(body, limits::HTTP_REQUEST).await.map_err(|error| answers::unreadable(&error).into())
}

/// Reads on for a while: a client that is still sending when the connection closes never sees the answer.
async fn discard(mut body: Body) {
    let reading = async {
        let mut rest = LARGEST_DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            rest = rest.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if rest == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LONGEST_DISCARDING, reading).await;
}

fn answer_invoke_error(error: &InvokeError) -> Response {
    match error {
        InvokeError::Crashed { .. } | InvokeError::Stopped | InvokeError::Unreachable { .. } => {
            answers::bad_gateway()
        }
        InvokeError::Throttled => answers::unavailable(),
        InvokeError::Function { .. } | InvokeError::TimedOut { .. } | InvokeError::ResponseTooLarge => {
            answers::failure()
        }
    }
}
