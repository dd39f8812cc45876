//! The event a function gets for a request: payload format 2.0, field for field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::jwt::Identity;
use super::routes::{Match, decode};
use crate::aws;
use crate::project::HttpApi;

/// Everything an event is made of.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) api: &'a HttpApi,
    pub(super) parts: &'a Parts,
    pub(super) body: &'a Bytes,
    pub(super) found: &'a Match<'a>,
    pub(super) identity: Option<&'a Identity>,
    pub(super) request_id: &'a str,
    pub(super) peer: SocketAddr,
    /// Where the request came in.
    pub(super) port: u16,
    pub(super) now: DateTime<Utc>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<&'a str>,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<Cow<'a, str>, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: &'a BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stage_variables: &'a BTreeMap<String, String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'static str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
struct Authorizer<'a> {
    jwt: &'a Identity,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: String,
    source_ip: String,
    user_agent: Cow<'a, str>,
}

/// The event as JSON.
pub(super) fn build(source: &Source<'_>) -> serde_json::Result<Bytes> {
    let Source { api, parts, found, .. } = source;
    let path = raw_path(parts.uri.path());
    let host = host(parts);
    let domain_name = host_name(&host);
    let (body, is_base64_encoded) = encode_body(&parts.headers, source.body);
    let event = Event {
        version: "2.0",
        route_key: &found.route.route_key,
        raw_path: &path,
        raw_query_string: parts.uri.query().unwrap_or_default(),
        cookies: cookies(&parts.headers),
        headers: headers(source),
        query_string_parameters: query(parts.uri.query().unwrap_or_default()),
        request_context: Context {
            account_id: aws::ACCOUNT,
            api_id: &api.api_id,
            authorizer: source.identity.map(|jwt| Authorizer { jwt }),
            domain_name,
            domain_prefix: domain_name.split('.').next().unwrap_or(domain_name),
            http: Http {
                method: parts.method.as_str(),
                path: &path,
                protocol: format!("{:?}", parts.version),
                source_ip: source.peer.ip().to_canonical().to_string(),
                user_agent: text(&parts.headers, &header::USER_AGENT),
            },
            request_id: source.request_id,
            route_key: &found.route.route_key,
            stage: &api.stage,
            time: aws::request_time(source.now),
            time_epoch: aws::epoch(source.now),
        },
        body,
        path_parameters: &found.parameters,
        stage_variables: &api.stage_variables,
        is_base64_encoded,
    };
    serde_json::to_vec(&event).map(Bytes::from)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Cow<'h, str> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default()
}

/// The path as functions see it: the platform decodes it, cuts it at a question mark that appears, and decodes it once
/// more. Functions that need all of it read the path parameters.
fn raw_path(sent: &str) -> String {
    let once = decode(sent);
    decode(once.split('?').next().unwrap_or_default())
}

/// The host that a request names: in its target, as each of HTTP/2 does, or in the header.
fn host(parts: &Parts) -> Cow<'_, str> {
    match parts.uri.authority() {
        Some(authority) => authority.as_str().into(),
        None => text(&parts.headers, &header::HOST),
    }
}

/// Without the port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Headers that concern one connection, and cookies, which have a field of their own.
fn is_kept(name: &HeaderName) -> bool {
    !matches!(
        *name,
        header::COOKIE
            | header::CONNECTION
            | header::TRANSFER_ENCODING
            | header::TE
            | header::TRAILER
            | header::UPGRADE
            | header::PROXY_AUTHORIZATION
    ) && name.as_str() != "keep-alive"
}

fn headers<'a>(source: &Source<'a>) -> BTreeMap<&'a str, Cow<'a, str>> {
    let mut headers: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in source.parts.headers.iter().filter(|(name, _)| is_kept(name)) {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str())
            .and_modify(|joined| {
                let joined = joined.to_mut();
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert(value);
    }
    let peer = source.peer.ip().to_canonical().to_string();
    headers
        .entry("x-forwarded-for")
        .and_modify(|list| *list = format!("{list}, {peer}").into())
        .or_insert_with(|| peer.into());
    headers.insert("x-forwarded-port", source.port.to_string().into());
    headers.insert("x-forwarded-proto", "http".into());
    headers.entry(aws::TRACE_HEADER.as_str()).or_insert_with(|| aws::trace_root(source.now).into());
    // Also where the client sent none.
    headers.insert("content-length", source.body.len().to_string().into());
    let host = host(source.parts);
    if !host.is_empty() {
        headers.insert("host", host);
    }
    headers
}

fn cookies(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).map(str::trim).filter(|cookie| !cookie.is_empty()).collect()
}

fn query(raw: &str) -> BTreeMap<Cow<'_, str>, String> {
    let mut parameters: BTreeMap<Cow<'_, str>, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
        parameters
            .entry(name)
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters
}

/// Text goes as it is, everything else as base64.
fn encode_body<'b>(headers: &HeaderMap, body: &'b Bytes) -> (Option<Cow<'b, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let content_type = text(headers, &header::CONTENT_TYPE);
    let encoded = headers.contains_key(header::CONTENT_ENCODING);
    match std::str::from_utf8(body) {
        Ok(body) if !encoded && is_textual(&content_type) => (Some(Cow::Borrowed(body)), false),
        _ => (Some(Cow::Owned(STANDARD.encode(body))), true),
    }
}

/// The types that the platform hands on as text; a form, `+json` or a missing type are none of them.
fn is_textual(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
}

#[cfg(test)]
mod tests;
