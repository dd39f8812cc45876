//! The events a WebSocket API sends to its functions, field for field as AWS does.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, Uri, header};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::aws;

/// One value per name; AWS keeps the last.
pub(crate) type Single = BTreeMap<String, String>;
pub(crate) type Multi = BTreeMap<String, Vec<String>>;

/// Facts that all events of one connection share.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) api_id: String,
    pub(crate) stage: String,
    pub(crate) stage_variables: BTreeMap<String, String>,
    pub(crate) domain_name: String,
    pub(crate) connection_id: String,
    pub(crate) connected_at: DateTime<Utc>,
    pub(crate) identity: Identity,
    /// From the authorizer, if there is one.
    pub(crate) authorizer: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
    pub(crate) source_ip: IpAddr,
}

/// The upgrade request's headers and query string, as `$connect` and its authorizer see them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) headers: Multi,
    pub(crate) query: Multi,
}

/// The three kinds of event, with what each alone holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    Connect {
        parameters: &'a Parameters,
    },
    /// `arrived` is when the frame came, however long it waited for its function.
    Message {
        body: &'a str,
        arrived: DateTime<Utc>,
    },
    Disconnect {
        code: u16,
        reason: &'a str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Single>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<Multi>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<Single>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<&'a Multi>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stage_variables: &'a BTreeMap<String, String>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    method_arn: &'a str,
    headers: Single,
    multi_value_headers: &'a Multi,
    query_string_parameters: Single,
    multi_value_query_string_parameters: &'a Multi,
    stage_variables: &'a BTreeMap<String, String>,
    request_context: RequestContext<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    route_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    event_type: &'static str,
    extended_request_id: &'a str,
    request_time: String,
    message_direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    stage: &'a str,
    connected_at: i64,
    request_time_epoch: i64,
    identity: &'a Identity,
    request_id: &'a str,
    domain_name: &'a str,
    connection_id: &'a str,
    api_id: &'a str,
}

/// An event as JSON.
pub(crate) fn write(facts: &Facts, route_key: &str, request_id: &str, kind: Kind<'_>) -> Bytes {
    let request_context = context(facts, route_key, request_id, kind);
    let mut event = Event {
        headers: None,
        multi_value_headers: None,
        query_string_parameters: None,
        multi_value_query_string_parameters: None,
        stage_variables: &facts.stage_variables,
        request_context,
        body: None,
        is_base64_encoded: false,
    };
    match kind {
        Kind::Connect { parameters } => {
            event.headers = Some(last_values(&parameters.headers));
            event.multi_value_headers = Some(parameters.headers.clone());
            if !parameters.query.is_empty() {
                event.query_string_parameters = Some(last_values(&parameters.query));
                event.multi_value_query_string_parameters = Some(&parameters.query);
            }
        }
        Kind::Message { body, .. } => event.body = Some(body),
        Kind::Disconnect { .. } => {
            let headers = [
                ("Host", facts.domain_name.as_str()),
                ("X-Forwarded-For", ""),
                ("x-api-key", ""),
                ("x-restapi", ""),
            ];
            let multi: Multi =
                headers.iter().map(|(name, value)| ((*name).into(), vec![(*value).into()])).collect();
            event.headers = Some(last_values(&multi));
            event.multi_value_headers = Some(multi);
        }
    }
    to_json(&event)
}

/// The event a REQUEST authorizer gets before `$connect`.
pub(crate) fn write_authorizer(
    facts: &Facts,
    method_arn: &str,
    request_id: &str,
    parameters: &Parameters,
) -> Bytes {
    let mut headers = parameters.headers.clone();
    for (name, value) in [("Connection", "upgrade"), ("Upgrade", "websocket"), ("content-length", "0")] {
        headers.insert(name.into(), vec![value.into()]);
    }
    to_json(&AuthorizerEvent {
        kind: "REQUEST",
        method_arn,
        headers: last_values(&headers),
        multi_value_headers: &headers,
        query_string_parameters: last_values(&parameters.query),
        multi_value_query_string_parameters: &parameters.query,
        stage_variables: &facts.stage_variables,
        request_context: context(facts, aws::CONNECT, request_id, Kind::Connect { parameters }),
    })
}

fn context<'a>(
    facts: &'a Facts,
    route_key: &'a str,
    request_id: &'a str,
    kind: Kind<'a>,
) -> RequestContext<'a> {
    let now = match kind {
        Kind::Message { arrived, .. } => arrived,
        Kind::Connect { .. } | Kind::Disconnect { .. } => Utc::now(),
    };
    let (event_type, message_id, code, reason) = match kind {
        Kind::Connect { .. } => ("CONNECT", None, None, None),
        Kind::Message { .. } => ("MESSAGE", Some(aws::new_message_id()), None, None),
        Kind::Disconnect { code, reason } => ("DISCONNECT", None, Some(code), Some(reason)),
    };
    RequestContext {
        route_key,
        authorizer: facts.authorizer.as_ref(),
        disconnect_status_code: code,
        message_id,
        event_type,
        extended_request_id: request_id,
        request_time: aws::request_time(now),
        message_direction: "IN",
        disconnect_reason: reason,
        stage: &facts.stage,
        connected_at: aws::epoch(facts.connected_at),
        request_time_epoch: aws::epoch(now),
        identity: &facts.identity,
        request_id,
        domain_name: &facts.domain_name,
        connection_id: &facts.connection_id,
        api_id: &facts.api_id,
    }
}

impl Parameters {
    /// Reads the upgrade request and adds what AWS's edge adds; without what concerns the one connection alone, which
    /// only an authorizer is shown.
    pub(crate) fn read(headers: &HeaderMap, uri: &Uri, source: IpAddr, domain_name: &str) -> Self {
        let mut seen = Multi::new();
        for (name, value) in headers {
            if *name == header::CONNECTION || *name == header::UPGRADE {
                continue;
            }
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            seen.entry(title_case(name)).or_default().push(value);
        }
        let port = domain_name.rsplit_once(':').map_or("80", |(_, port)| port);
        let mut hops = seen.remove("X-Forwarded-For").unwrap_or_default();
        hops.push(source.to_string());
        for (name, value) in [
            ("X-Forwarded-For", hops.join(", ")),
            ("X-Forwarded-Port", port.into()),
            ("X-Forwarded-Proto", "http".into()),
        ] {
            seen.insert(name.into(), vec![value]);
        }
        seen.entry(title_case(&aws::TRACE_HEADER)).or_insert_with(|| vec![aws::trace_root(Utc::now())]);
        let mut query = Multi::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            query.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Self { headers: seen, query }
    }

    /// A header's last value, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, values) = self.headers.iter().find(|(seen, _)| seen.eq_ignore_ascii_case(name))?;
        values.last().map(String::as_str)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)?.last().map(String::as_str)
    }
}

fn last_values(multi: &Multi) -> Single {
    multi.iter().filter_map(|(name, values)| Some((name.clone(), values.last()?.clone()))).collect()
}

/// Header names as clients commonly write them; their own spelling does not survive the HTTP server.
fn title_case(name: &HeaderName) -> String {
    let words = name.as_str().split('-').map(|word| match word {
        "websocket" => "WebSocket".to_owned(),
        _ => {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        }
    });
    words.collect::<Vec<_>>().join("-")
}

fn to_json(event: &impl Serialize) -> Bytes {
    // Maps with text keys and plain fields always serialize.
    serde_json::to_vec(event).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn facts() -> Facts {
        Facts {
            api_id: "abcdef1234".into(),
            stage: "dev".into(),
            stage_variables: BTreeMap::new(),
            domain_name: "localhost:3000".into(),
            connection_id: "L0SM9cOFvHcCIhw=".into(),
            connected_at: DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
            identity: Identity { user_agent: None, source_ip: Ipv4Addr::LOCALHOST.into() },
            authorizer: None,
        }
    }

    fn parse(event: &Bytes) -> Value {
        serde_json::from_slice(event).unwrap()
    }

    #[test]
    fn a_message_has_a_body_and_no_headers() {
        let arrived = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let event = parse(&write(&facts(), "send", "id", Kind::Message { body: "{\"a\":\"ü\"}", arrived }));
        assert_eq!(event["body"], "{\"a\":\"ü\"}");
        assert_eq!(event["isBase64Encoded"], false);
        assert!(event.get("headers").is_none());
        let context = &event["requestContext"];
        assert_eq!(context["eventType"], "MESSAGE");
        assert_eq!(context["messageDirection"], "IN");
        assert_eq!(context["requestTimeEpoch"], 1_767_323_045_678_i64);
        assert_eq!(context["connectedAt"], 1_700_000_000_123_i64);
        assert!(aws::is_connection_id(context["messageId"].as_str().unwrap()));
        assert!(context.get("disconnectStatusCode").is_none());
    }

    #[test]
    fn repeated_parameters_keep_all_values_and_show_the_last() {
        let mut headers = HeaderMap::new();
        headers.append("x-tag", "one".parse().unwrap());
        headers.append("x-tag", "two".parse().unwrap());
        headers.insert("sec-websocket-key", "k".parse().unwrap());
        headers.insert("upgrade", "websocket".parse().unwrap());
        headers.insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
        headers.insert("x-forwarded-proto", "gopher".parse().unwrap());
        let uri: Uri = "/?t=a%20b&t=c+d&e".parse().unwrap();
        let parameters = Parameters::read(&headers, &uri, Ipv4Addr::LOCALHOST.into(), "localhost:3000");
        let event = parse(&write(&facts(), "$connect", "id", Kind::Connect { parameters: &parameters }));
        assert_eq!(event["headers"]["X-Tag"], "two");
        assert_eq!(event["multiValueHeaders"]["X-Tag"], serde_json::json!(["one", "two"]));
        assert_eq!(event["headers"]["Sec-WebSocket-Key"], "k");
        assert_eq!(event["headers"]["X-Forwarded-Port"], "3000");
        assert!(event["headers"].get("Upgrade").is_none());
        let multi = &event["multiValueHeaders"];
        assert_eq!(multi["X-Forwarded-For"], serde_json::json!(["192.0.2.7, 127.0.0.1"]));
        assert_eq!(multi["X-Forwarded-Proto"], serde_json::json!(["http"]));
        let event = parse(&write_authorizer(&facts(), "arn", "id", &parameters));
        assert_eq!(event["headers"]["Upgrade"], "websocket");
        assert_eq!(event["multiValueHeaders"]["Connection"], serde_json::json!(["upgrade"]));
        assert_eq!(event["headers"]["content-length"], "0");
        assert_eq!(event["multiValueQueryStringParameters"]["t"], serde_json::json!(["a b", "c d"]));
        assert_eq!(event["queryStringParameters"]["t"], "c d");
        assert_eq!(event["queryStringParameters"]["e"], "");
    }
}
