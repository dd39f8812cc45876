//! CORS as HTTP APIs do it: the gateway answers preflights and owns every `access-control-*` header.

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::origin;
use crate::project::Cors;

const OWNED: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// The answer to a preflight, or nothing if the request is none.
pub(crate) fn answer_preflight(
    cors: Option<&Cors>,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Response> {
    let cors = cors?;
    let origin = headers.get(header::ORIGIN)?;
    if method != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(allowed) = allow(cors, origin) {
        let answer = response.headers_mut();
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        insert_list(answer, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods);
        insert_list(answer, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers);
        if let Some(seconds) = cors.max_age_seconds {
            answer.insert(header::ACCESS_CONTROL_MAX_AGE, seconds.into());
        }
        insert_common(answer, cors);
    }
    Some(response)
}

/// Adds what a browser needs to read the answer; what the function said about it is dropped.
pub(crate) fn decorate(cors: Option<&Cors>, origin: Option<&HeaderValue>, response: &mut Response) {
    let Some(cors) = cors else { return };
    let headers = response.headers_mut();
    for name in OWNED {
        headers.remove(name);
    }
    if let Some(allowed) = origin.and_then(|origin| allow(cors, origin)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        insert_common(headers, cors);
    }
}

fn insert_common(headers: &mut HeaderMap, cors: &Cors) {
    if cors.allow_credentials {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    insert_list(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers);
}

fn insert_list(headers: &mut HeaderMap, name: HeaderName, values: &[String]) {
    if !values.is_empty()
        && let Ok(value) = HeaderValue::try_from(values.join(","))
    {
        headers.insert(name, value);
    }
}

/// The value of `access-control-allow-origin` for this origin. Local origins are always allowed, as this gateway
/// serves one machine.
fn allow(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    let text = origin.to_str().ok()?;
    if cors.allow_origins.iter().any(|pattern| pattern == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    let named = cors.allow_origins.iter().any(|pattern| origin::matches(pattern, text));
    (named || origin::is_local(text)).then(|| origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors {
            allow_origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
            allow_methods: vec!["GET".to_owned(), "PUT".to_owned()],
            allow_headers: vec!["content-type".to_owned()],
            expose_headers: vec!["link".to_owned()],
            allow_credentials: true,
            max_age_seconds: Some(300),
        }
    }

    fn preflight(cors: &Cors, origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        let response = answer_preflight(Some(cors), &Method::OPTIONS, &headers).expect("a preflight");
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        response.headers().clone()
    }

    #[test]
    fn a_preflight_of_an_allowed_origin_gets_the_lists() {
        let headers = preflight(&cors(&["https://app.example"]), "https://app.example");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,PUT");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "content-type");
        assert_eq!(headers[header::ACCESS_CONTROL_MAX_AGE], "300");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    }

    #[test]
    fn a_foreign_origin_gets_nothing_and_a_local_one_always_something() {
        let cors = cors(&["https://app.example", "http://*"]);
        assert!(preflight(&cors, "https://evil.example").is_empty());
        for origin in ["http://localhost:5173", "http://any.example"] {
            assert_eq!(preflight(&cors, origin)[header::ACCESS_CONTROL_ALLOW_ORIGIN], origin);
        }
        let local = preflight(&Cors::default(), "http://[::1]:8080");
        assert_eq!(local[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://[::1]:8080");
    }

    #[test]
    fn the_functions_own_headers_are_dropped() {
        let mut response = StatusCode::OK.into_response();
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://evil.example"));
        let origin = HeaderValue::from_static("https://evil.example");
        decorate(Some(&cors(&["https://app.example"])), Some(&origin), &mut response);
        assert!(response.headers().is_empty());
        decorate(Some(&cors(&["*"])), Some(&origin), &mut response);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS], "link");
    }

    #[test]
    fn without_cors_configured_options_is_a_request_like_any_other() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static("http://localhost"));
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        assert!(answer_preflight(None, &Method::OPTIONS, &headers).is_none());
        assert!(answer_preflight(Some(&Cors::default()), &Method::GET, &headers).is_none());
    }
}
