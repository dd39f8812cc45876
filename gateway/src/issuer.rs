//! The development issuer: gives a token for any name, in place of an issuer that exists only once deployed.
//!
//! It runs only while authorizers are enforced, and only for those whose issuer the template itself creates.

mod claims;
mod key;

use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use serde_json::{Value, json};

use crate::cors;
use crate::project::{Cors, Project};
use claims::Lifetime;
use key::SigningKey;

const CONFIGURATION: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/.well-known/jwks.json";
const TOKEN: &str = "/_gateway/token";
/// Below the project's folder, so that tokens stay valid when the gateway restarts.
const KEY_FILE: &str = ".local/development-issuer.der";
/// The audience of tokens where the template names none.
const AUDIENCE: &str = "development";
const LARGEST_REQUEST: usize = 16 * 1024;

/// An issuer that the gateway plays; cheap to clone.
#[derive(Clone, Debug)]
pub struct Issuer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    key: SigningKey,
    audience: Vec<String>,
    cors: Cors,
}

impl Issuer {
    /// Replaces the issuers that do not exist yet, if there are any; its key is kept in `folder`.
    pub(crate) async fn stand_in(
        project: &mut Project,
        folder: &Path,
        port: u16,
    ) -> Result<Option<Self>, String> {
        let Some(api) = &mut project.http_api else { return Ok(None) };
        let url = format!("http://localhost:{port}");
        let mut audience = Vec::new();
        for authorizer in api.authorizers.values_mut().filter(|authorizer| authorizer.needs_stand_in) {
            authorizer.issuer.clone_from(&url);
            if authorizer.audience.is_empty() {
                authorizer.audience.push(AUDIENCE.to_owned());
            }
            audience.extend(authorizer.audience.iter().cloned());
        }
        if audience.is_empty() {
            return Ok(None);
        }
        audience.sort_unstable();
        audience.dedup();
        let cors = cors_of(api.cors.as_ref());
        let key = SigningKey::open(folder.join(KEY_FILE)).await?;
        Ok(Some(Self { shared: Arc::new(Shared { url, key, audience, cors }) }))
    }

    /// The `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Where a client signs in.
    pub fn token_endpoint(&self) -> String {
        format!("{}{TOKEN}", self.shared.url)
    }

    pub(crate) fn key_set(&self) -> String {
        json!({ "keys": [self.shared.key.public()] }).to_string()
    }

    /// Whether it answers requests for this path.
    pub(crate) fn serves(&self, path: &str) -> bool {
        matches!(path, CONFIGURATION | KEYS | TOKEN)
    }

    pub(crate) async fn handle(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let cors = Some(&self.shared.cors);
        if let Some(response) = cors::answer_preflight(cors, &parts.method, &parts.headers) {
            return response;
        }
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let mut response = match parts.uri.path() {
            TOKEN if parts.method == Method::POST => self.sign_in(&parts.headers, body).await,
            TOKEN => refuse_method("POST"),
            _ if !reads => refuse_method("GET"),
            KEYS => answer(StatusCode::OK, self.key_set()),
            _ => answer(StatusCode::OK, self.configuration().to_string()),
        };
        cors::decorate(cors, parts.headers.get(header::ORIGIN), &mut response);
        response
    }

    fn configuration(&self) -> Value {
        let url = self.url();
        json!({
            "issuer": url,
            "token_endpoint": self.token_endpoint(),
            "jwks_uri": format!("{url}{KEYS}"),
            "grant_types_supported": ["client_credentials", "password"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        })
    }

    async fn sign_in(&self, headers: &HeaderMap, body: Body) -> Response {
        let Ok(body) = to_bytes(body, LARGEST_REQUEST).await else {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");
        };
        let asked = match claims::read(&body) {
            Ok(asked) => asked,
            Err(sentence) => return refuse(StatusCode::BAD_REQUEST, sentence),
        };
        let now = Utc::now().timestamp();
        let (claims, Lifetime(seconds)) =
            match claims::complete(asked, self.url(), &self.shared.audience, now) {
                Ok(complete) => complete,
                Err(sentence) => return refuse(StatusCode::BAD_REQUEST, sentence),
            };
        let Ok(token) = self.shared.key.sign(&claims) else {
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the token cannot be signed");
        };
        let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut response = if accepts.starts_with("text/plain") {
            // A shell script can use this without a JSON parser.
            (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain")], format!("{token}\n")).into_response()
        } else {
            let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": seconds });
            answer(StatusCode::OK, body.to_string())
        };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Pages of this machine and those the template names may sign in; its wildcards do not count.
fn cors_of(api: Option<&Cors>) -> Cors {
    let origins = api.map(|cors| cors.allow_origins.as_slice()).unwrap_or_default();
    Cors {
        allow_origins: origins.iter().filter(|origin| !origin.contains('*')).cloned().collect(),
        allow_methods: ["GET", "POST"].map(str::to_owned).into(),
        allow_headers: ["accept", "authorization", "content-type"].map(str::to_owned).into(),
        ..Cors::default()
    }
}

fn answer(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// As [RFC 6749](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) has it.
fn refuse(status: StatusCode, sentence: &str) -> Response {
    let error = if status.is_server_error() { "server_error" } else { "invalid_request" };
    answer(status, json!({ "error": error, "error_description": sentence }).to_string())
}

fn refuse_method(allowed: &'static str) -> Response {
    let mut response =
        refuse(StatusCode::METHOD_NOT_ALLOWED, "this is asked with another method, see the header `allow`");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
