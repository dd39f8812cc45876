//! Facts of the platform, each once: its account and region, names, ids, time formats and trace headers.
//!
//! Its own answers are in [`answers`], its limits in [`limits`].

pub(crate) mod answers;
pub(crate) mod limits;

use axum::http::HeaderName;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

/// The account of AWS's own examples.
pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const PARTITION: &str = "aws";
pub(crate) const URL_SUFFIX: &str = "amazonaws.com";
/// The stage of an HTTP API that adds nothing to a path, and the route of either kind of API for requests that no other
/// route takes.
pub(crate) const DEFAULT: &str = "$default";
pub(crate) const CONNECT: &str = "$connect";
pub(crate) const DISCONNECT: &str = "$disconnect";

/// Variables that every function finds in its environment; the credentials open nothing.
pub(crate) const VARIABLES: [(&str, &str); 5] = [
    ("AWS_REGION", REGION),
    ("AWS_DEFAULT_REGION", REGION),
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("AWS_SESSION_TOKEN", "local"),
];

/// Bytes in an id before its encoding.
const ID_LENGTH: usize = 11;

/// An ARN of this account and region; `resource` is what follows them.
pub(crate) fn arn(service: &str, resource: &str) -> String {
    format!("arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{resource}")
}

pub(crate) fn function_arn(name: &str) -> String {
    arn("lambda", &format!("function:{name}"))
}

/// The resource that a policy names to allow a WebSocket route.
pub(crate) fn route_arn(api_id: &str, stage: &str, route_key: &str) -> String {
    arn("execute-api", &format!("{api_id}/{stage}/{route_key}"))
}

/// The domain that an API would have once deployed.
pub(crate) fn api_domain(api_id: &str) -> String {
    format!("{api_id}.execute-api.{REGION}.{URL_SUFFIX}")
}

/// Ten lowercase letters and digits, the same for the same logical id.
pub(crate) fn api_id(logical_id: &str) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    // FNV-1a: stable across runs and releases, which the standard hasher does not promise.
    let mut hash = logical_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    std::iter::repeat_with(|| {
        let letter = LETTERS[usize::try_from(hash % 36).unwrap_or_default()];
        hash /= 36;
        char::from(letter)
    })
    .take(10)
    .collect()
}

/// Ids of all kinds look alike, e.g. `L0SM9cOFvHcCIhw=`; their ninth byte tells the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IdKind {
    /// A connection, and a message that came over it.
    Connection = 2,
    HttpRequest = 4,
    WebSocketRequest = 5,
}

pub(crate) fn new_connection_id() -> String {
    new_id(IdKind::Connection)
}

pub(crate) fn new_message_id() -> String {
    new_id(IdKind::Connection)
}

pub(crate) fn new_http_request_id() -> String {
    new_id(IdKind::HttpRequest)
}

pub(crate) fn new_websocket_request_id() -> String {
    new_id(IdKind::WebSocketRequest)
}

fn new_id(kind: IdKind) -> String {
    let random = Uuid::new_v4().into_bytes();
    let mut bytes = [0; ID_LENGTH];
    // The bytes that hold the UUID's version and variant are left out.
    bytes[..6].copy_from_slice(&random[..6]);
    bytes[6..8].copy_from_slice(&random[14..]);
    bytes[8] = kind as u8;
    bytes[9..].copy_from_slice(&random[10..12]);
    URL_SAFE.encode(bytes)
}

/// Whether a text could be a connection id at all.
pub(crate) fn is_connection_id(text: &str) -> bool {
    URL_SAFE.decode(text).is_ok_and(|bytes| bytes.len() == ID_LENGTH)
}

/// The time in events, as access logs have it: `09/Apr/2015:12:34:56 +0000`.
pub(crate) fn request_time(time: DateTime<Utc>) -> String {
    time.format("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// The time beside it in events: milliseconds since 1970.
pub(crate) fn epoch(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis()
}

/// The time in answers of the management API: `2015-04-09T12:34:56.789Z`.
pub(crate) fn iso_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The header that an API adds to a request, with [`trace_root`] as its value.
pub(crate) static TRACE_HEADER: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The trace of a request: `Root=1-5e6722a7-cc56a1b246db7ae02d4da47e`.
pub(crate) fn trace_root(time: DateTime<Utc>) -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("Root=1-{:08x}-{}", time.timestamp(), &random[..24])
}

/// The trace header that Lambda gives a function with an invocation; never sampled.
pub(crate) fn invocation_trace(time: DateTime<Utc>) -> String {
    let parent = Uuid::new_v4().simple().to_string();
    format!("{};Parent={};Sampled=0", trace_root(time), &parent[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_id_looks_like_one_of_aws() {
        let id = api_id("HttpApi");
        assert_eq!(id.len(), 10);
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_ne!(id, api_id("WsApi"));
        assert_eq!(id, api_id("HttpApi"));
    }

    #[test]
    fn ids_look_like_those_of_aws() {
        for (id, letter) in [
            (new_connection_id(), 'C'),
            (new_message_id(), 'C'),
            (new_http_request_id(), 'E'),
            (new_websocket_request_id(), 'F'),
        ] {
            assert!(id.len() == 16 && id.ends_with('=') && is_connection_id(&id), "{id}");
            assert_eq!(id.chars().nth(11), Some(letter), "{id}");
        }
        assert!(is_connection_id("L0SM9cOFvHcCIhw="));
        for text in ["", "nobody", "L0SM9cOFvHcCIhw", "L0SM9cOFvHcCIhwx", "../L0SM9cOFvHc="] {
            assert!(!is_connection_id(text), "{text}");
        }
    }

    #[test]
    fn times_have_three_formats() {
        let time = DateTime::from_timestamp_millis(1_428_582_896_000).expect("a time");
        assert_eq!(request_time(time), "09/Apr/2015:12:34:56 +0000");
        assert_eq!(epoch(time), 1_428_582_896_000);
        assert_eq!(iso_time(time), "2015-04-09T12:34:56.000Z");
    }

    #[test]
    fn an_invocation_has_a_parent_and_a_request_has_none() {
        let time = DateTime::from_timestamp_millis(1_583_817_383_220).expect("a time");
        let root = trace_root(time);
        assert!(root.starts_with("Root=1-5e6722a7-") && root.len() == 40, "{root}");
        let trace = invocation_trace(time);
        assert!(trace.starts_with("Root=1-5e6722a7-") && trace.contains(";Parent="), "{trace}");
        assert!(trace.len() == 40 + ";Parent=".len() + 16 + ";Sampled=0".len(), "{trace}");
    }
}
