//! The JWT authorizer of HTTP APIs: finds a request's token, verifies it, and gives its claims.

use std::collections::BTreeMap;

use axum::http::header::{self, HeaderMap};
use axum::http::{HeaderValue, Uri};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::jwks::{Algorithm, Keys, KeysError};
use crate::aws::answers;
use crate::project::JwtAuthorizer;

/// The part of the event that the authorizer writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Identity {
    pub(super) claims: BTreeMap<String, String>,
    /// The token's scopes, where the route asks for any.
    pub(super) scopes: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoToken,
    InvalidToken(&'static str),
    InsufficientScope(Vec<String>),
    /// Without the issuer's keys no request passes.
    NoKeys(String),
}

/// Checks requests for one authorizer.
#[derive(Debug)]
pub(super) struct Verifier {
    authorizer: JwtAuthorizer,
    keys: Keys,
}

impl Verifier {
    pub(super) fn new(authorizer: JwtAuthorizer, keys: Keys) -> Self {
        Self { authorizer, keys }
    }

    /// `now` in seconds since 1970.
    pub(super) async fn verify(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        scopes: &[String],
        now: i64,
    ) -> Result<Identity, Refusal> {
        let token = find_token(&self.authorizer.identity_source, headers, uri).ok_or(Refusal::NoToken)?;
        let claims = self.verify_signature(&token).await?;
        check_claims(&claims, &self.authorizer, now).map_err(Refusal::InvalidToken)?;
        let granted = granted_scopes(&claims);
        if !scopes.is_empty() && !scopes.iter().any(|scope| granted.contains(scope)) {
            return Err(Refusal::InsufficientScope(scopes.to_vec()));
        }
        let claims = claims.iter().map(|(name, value)| (name.clone(), claim_text(value))).collect();
        Ok(Identity { claims, scopes: (!scopes.is_empty()).then_some(granted) })
    }

    async fn verify_signature(&self, token: &str) -> Result<Map<String, Value>, Refusal> {
        let unreadable = Refusal::InvalidToken("the token is not a signed JWT");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| unreadable.clone())?;
        let (head, payload) = signed.split_once('.').ok_or_else(|| unreadable.clone())?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let object = |text: &str| serde_json::from_slice::<Map<String, Value>>(&decode(text)?).ok();
        let (Some(head), Some(claims), Some(signature)) = (object(head), object(payload), decode(signature))
        else {
            return Err(unreadable);
        };
        let algorithm = head.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
        let algorithm =
            algorithm.ok_or(Refusal::InvalidToken("the token is not signed with RS256, RS384 or RS512"))?;
        let key =
            self.keys.find(head.get("kid").and_then(Value::as_str)).await.map_err(|error| match error {
                KeysError::Unknown => Refusal::InvalidToken("the token is signed with an unknown key"),
                KeysError::Unavailable(why) => Refusal::NoKeys(why),
            })?;
        if key.verifies(algorithm, signed.as_bytes(), &signature) {
            Ok(claims)
        } else {
            Err(Refusal::InvalidToken("the signature is wrong"))
        }
    }
}

impl Refusal {
    /// The platform's answer.
    pub(super) fn into_response(self) -> Response {
        let (mut response, challenge) = match self {
            Self::NoToken => (answers::unauthorized(), "Bearer".to_owned()),
            Self::InvalidToken(why) => (
                answers::unauthorized(),
                format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{why}\""),
            ),
            Self::InsufficientScope(scopes) => (
                answers::forbidden(),
                format!(
                    "Bearer scope=\"{}\" error=\"insufficient_scope\" error_description=\"the token does not have any required scopes\"",
                    scopes.join(" ")
                ),
            ),
            Self::NoKeys(_) => return answers::failure(),
        };
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The token that the first of the identity sources holds; `Bearer` in front of it is optional.
fn find_token(sources: &str, headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let token = sources.split(',').map(str::trim).find_map(|source| {
        if let Some(name) = source.strip_prefix("$request.header.") {
            return Some(headers.get(name)?.to_str().ok()?.to_owned());
        }
        let name = source.strip_prefix("$request.querystring.")?;
        let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    })?;
    let bare = match token.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => token[7..].trim(),
        _ => token.trim(),
    };
    (!bare.is_empty()).then(|| bare.to_owned())
}

fn check_claims(
    claims: &Map<String, Value>,
    authorizer: &JwtAuthorizer,
    now: i64,
) -> Result<(), &'static str> {
    if authorizer.issuer.is_empty() || claims.get("iss").and_then(Value::as_str) != Some(&authorizer.issuer) {
        return Err("the issuer does not match");
    }
    let accepted =
        |value: &Value| value.as_str().is_some_and(|text| authorizer.audience.iter().any(|one| one == text));
    // `client_id` counts only where there is no `aud`, as in access tokens of Cognito.
    let meant_for_us = match (claims.get("aud"), claims.get("client_id")) {
        (Some(Value::Array(all)), _) => all.iter().any(accepted),
        (Some(one), _) | (None, Some(one)) => accepted(one),
        (None, None) => false,
    };
    if !meant_for_us {
        return Err("the audience does not match");
    }
    let time = |name: &str| {
        claims.get(name).map(|value| value.as_f64().ok_or("a time in the token is not a number"))
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let now = now as f64;
    match time("exp").transpose()? {
        Some(expiry) if expiry > now => {}
        Some(_) => return Err("the token has expired"),
        None => return Err("the token never expires"),
    }
    if time("nbf").transpose()?.is_some_and(|start| start > now) {
        return Err("the token is not valid yet");
    }
    if time("iat").transpose()?.is_some_and(|issued| issued > now) {
        return Err("the token was issued in the future");
    }
    Ok(())
}

fn granted_scopes(claims: &Map<String, Value>) -> Vec<String> {
    let claim = claims.get("scope").or_else(|| claims.get("scp"));
    match claim {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// A claim as text, lists as `[a b]`, as the platform writes them.
fn claim_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(claim_text).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}:{}", claim_text(value)));
            format!("map[{}]", fields.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_api::jwks::testing::{jwks, sign};
    use axum::http::StatusCode;
    use serde_json::json;

    const NOW: i64 = 1_700_000_000;

    fn verifier() -> Verifier {
        let authorizer = JwtAuthorizer {
            issuer: "https://issuer.example".to_owned(),
            needs_stand_in: false,
            audience: vec!["app".to_owned()],
            identity_source: "$request.header.Authorization, $request.querystring.token".to_owned(),
        };
        Verifier::new(authorizer, Keys::fixed(&jwks("key-1")).expect("a key set"))
    }

    fn claims() -> Value {
        json!({
            "iss": "https://issuer.example", "aud": "app", "sub": "alice", "exp": NOW + 60, "iat": NOW - 60,
            "scope": "read write", "groups": ["a", "b"], "admin": true,
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    async fn verify_header(authorization: &str, scopes: &[&str]) -> Result<Identity, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(authorization).expect("a header"));
        let scopes: Vec<_> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        verifier().verify(&headers, &Uri::from_static("/"), &scopes, NOW).await
    }

    async fn verify(claims: &Value) -> Result<Identity, Refusal> {
        verify_header(&format!("Bearer {}", sign("RS256", Some("key-1"), claims)), &[]).await
    }

    #[tokio::test]
    async fn a_good_token_gives_its_claims_as_text() {
        let identity = verify(&claims()).await.expect("let in");
        assert_eq!(identity.claims["sub"], "alice");
        assert_eq!(identity.claims["exp"], (NOW + 60).to_string());
        assert_eq!(identity.claims["groups"], "[a b]");
        assert_eq!(identity.claims["admin"], "true");
        assert_eq!(identity.scopes, None);
    }

    #[tokio::test]
    async fn every_algorithm_and_both_places_work() {
        for algorithm in ["RS256", "RS384", "RS512"] {
            let token = sign(algorithm, Some("key-1"), &claims());
            assert!(verify_header(&token, &[]).await.is_ok(), "{algorithm} without a scheme");
            let uri: Uri = format!("/?token={token}").parse().expect("a URI");
            assert!(
                verifier().verify(&HeaderMap::new(), &uri, &[], NOW).await.is_ok(),
                "{algorithm} in the query"
            );
        }
        assert!(verify_header(&sign("RS256", None, &claims()), &[]).await.is_ok(), "no key id, one key");
    }

    #[tokio::test]
    async fn the_client_id_stands_in_for_a_missing_audience_only() {
        let mut access = with("client_id", json!("app"));
        access.as_object_mut().expect("an object").remove("aud");
        assert!(verify(&access).await.is_ok());
        let mut foreign = with("client_id", json!("app"));
        foreign["aud"] = json!(["other"]);
        assert!(verify(&foreign).await.is_err());
        assert!(verify(&with("aud", json!(["other", "app"]))).await.is_ok());
    }

    #[tokio::test]
    async fn claims_that_do_not_fit_are_refused() {
        for (name, value) in [
            ("iss", json!("https://other.example")),
            ("iss", json!(null)),
            ("aud", json!("other")),
            ("exp", json!(NOW)),
            ("exp", json!("soon")),
            ("exp", json!(null)),
            ("nbf", json!(NOW + 5)),
            ("iat", json!(NOW + 5)),
        ] {
            let result = verify(&with(name, value.clone())).await;
            assert!(matches!(result, Err(Refusal::InvalidToken(_))), "{name}: {value}: {result:?}");
        }
    }

    #[tokio::test]
    async fn forged_tokens_are_refused() {
        let good = sign("RS256", Some("key-1"), &claims());
        let (signed, signature) = good.rsplit_once('.').expect("three parts");
        let (head, _) = signed.split_once('.').expect("three parts");
        let other = URL_SAFE_NO_PAD.encode(with("sub", json!("mallory")).to_string());
        let unsigned = URL_SAFE_NO_PAD.encode(json!({"alg": "none"}).to_string());
        let symmetric = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "kid": "key-1"}).to_string());
        for token in [
            format!("{head}.{other}.{signature}"),
            format!("{signed}."),
            format!("{unsigned}.{other}."),
            format!("{symmetric}.{other}.{signature}"),
            sign("RS256", Some("key-2"), &claims()),
            "a.b.c".to_owned(),
            "nonsense".to_owned(),
        ] {
            let result = verify_header(&format!("Bearer {token}"), &[]).await;
            assert!(matches!(result, Err(Refusal::InvalidToken(_))), "{token}: {result:?}");
        }
        assert_eq!(verify_header("Bearer ", &[]).await, Err(Refusal::NoToken));
    }

    #[tokio::test]
    async fn one_of_the_scopes_is_enough() {
        let token = sign("RS256", Some("key-1"), &claims());
        let identity = verify_header(&token, &["admin", "read"]).await.expect("let in");
        assert_eq!(identity.scopes, Some(vec!["read".to_owned(), "write".to_owned()]));
        let refusal = verify_header(&token, &["admin"]).await.expect_err("refused");
        let response = refusal.into_response();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(
            response.headers()[header::WWW_AUTHENTICATE]
                .to_str()
                .expect("text")
                .contains("insufficient_scope")
        );
    }
}
