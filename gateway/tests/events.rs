//! Whole events beside those that AWS shows: the fields, their types, and the form of every text.

use std::collections::BTreeSet;
use std::path::Path;

use axum::http::Method;
use chrono::DateTime;
use gateway::server::Options;
use serde_json::{Value, json};

use crate::support::echo::Echo;
use crate::support::form::{Form, REQUEST_TIME};

/// An event as AWS's documentation shows it (tests/fixtures/events/README.md).
fn genuine(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The differences between two events: equal are the same fields of the same types all the way down, every text of the same form.
fn differences(genuine: &Value, ours: &Value, at: &str) -> Vec<String> {
    match (genuine, ours) {
        (Value::Object(genuine), Value::Object(ours)) => {
            let names: BTreeSet<_> = genuine.keys().chain(ours.keys()).collect();
            let below = names.into_iter().flat_map(|name| match (genuine.get(name), ours.get(name)) {
                (Some(genuine), Some(ours)) => differences(genuine, ours, &format!("{at}.{name}")),
                (Some(_), None) => vec![format!("{at}.{name} is missing")],
                _ => vec![format!("{at}.{name} is not in AWS's")],
            });
            below.collect()
        }
        (Value::Array(genuine), Value::Array(ours)) if genuine.len() == ours.len() => {
            let items = genuine.iter().zip(ours).enumerate();
            items
                .flat_map(|(index, (genuine, ours))| differences(genuine, ours, &format!("{at}[{index}]")))
                .collect()
        }
        (Value::String(genuine), Value::String(ours)) if Form::of(genuine).fits(ours) => Vec::new(),
        // Seconds for milliseconds would be shorter.
        (Value::Number(genuine), Value::Number(ours)) if size(genuine) == size(ours) => Vec::new(),
        (Value::Bool(genuine), Value::Bool(ours)) if genuine == ours => Vec::new(),
        _ => vec![format!("{at} is {ours}, and with AWS {genuine}")],
    }
}

/// The digits of a time; other numbers may be of any size.
fn size(number: &serde_json::Number) -> Option<usize> {
    Some(number.to_string().len()).filter(|&digits| digits >= 10)
}

/// The two times of a request's context are the same instant.
fn assert_times_agree(context: &Value, time: &str, epoch: &str) {
    let written = DateTime::parse_from_str(context[time].as_str().unwrap(), REQUEST_TIME).unwrap();
    assert_eq!(written.timestamp(), context[epoch].as_i64().unwrap() / 1000, "{context}");
}

#[test]
fn a_form_tells_what_could_stand_in_a_place() {
    for (sample, same, other) in [
        (
            "Root=1-65c66b4f-05ba2bbe0f2a2c5b0b1b5a5e",
            "Root=1-69264f00-a1ba2bbe0f2a2c5b0b1b5a5e",
            "Root=1-69264f00-a1ba2bbe0f2a2c5b0b1b5a5e;Parent=0f2a2c5b0b1b5a5e;Sampled=0",
        ),
        ("DaHSLGVooAMFQ0A=", "L0SM9cOFvHcFIhw=", "L0SM9cOFvHcCIhw="),
        ("JKJaXmPLvHcESHA=", "U9euFi_ySQ0EPsw=", "U9euFi/ySQ0EPsw="),
        ("09/Feb/2024:18:11:43 +0000", "26/Nov/2026:00:00:00 +0000", "2026-11-26T00:00:00Z"),
        ("09/Feb/2024:18:11:43 +0000", "01/Nov/2026:00:00:00 +0000", "1/Nov/2026:00:00:00 +0000"),
        (
            "arn:aws:execute-api:us-east-1:123456789012:abcdxyz123/dev/$connect",
            "arn:aws:execute-api:us-east-1:210987654321:q1w2e3r4t5/dev/$connect",
            "arn:aws:execute-api:us-east-1:123456789012:q1w2e3r4t5/$connect",
        ),
        ("abcdxyz123.execute-api.us-east-1.amazonaws.com", "localhost.localdomain:3000", "/localhost"),
        ("x3JJHMbDL1EzLkh9GBhXDw==", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAAA="),
        ("192.0.2.1", "127.0.0.1", "::1"),
        ("https", "http", "ws"),
        ("443", "3000", ""),
        ("123456789012", "210987654321", "12345678901"),
        ("Client-side close frame status not set", "Client-side close frame status not set", "Going away"),
    ] {
        let form = Form::of(sample);
        assert!(form.fits(sample) && form.fits(same), "{form:?} is the form of {sample} and {same}");
        assert!(!form.fits(other), "{form:?} is not the form of {other}");
    }
}

#[tokio::test]
async fn http_events_look_like_those_of_aws() {
    let echo = Echo::start(Options::default()).await;
    let genuine = genuine("http-api-2.0.json");
    // The first label of a domain is a field of its own.
    let host = format!("abcdxyz123.localhost:{}", echo.gateway.port());
    let headers = [
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("cookie", "cookie1; cookie2"),
        ("user-agent", "curl/8.2.1"),
        ("host", &host),
    ];
    let query = genuine["rawQueryString"].as_str().unwrap();
    let body = genuine["body"].as_str().unwrap().to_owned();
    let answer = echo.send(Method::POST, &format!("/echo/my/path?{query}"), &headers, body).await;
    let event = answer.json();
    assert_eq!(differences(&genuine, &event, "event"), Vec::<String>::new());
    assert_times_agree(&event["requestContext"], "time", "timeEpoch");
    for field in
        ["version", "routeKey", "rawPath", "rawQueryString", "cookies", "queryStringParameters", "body"]
    {
        assert_eq!(event[field], genuine[field], "{field}");
    }
    for field in ["pathParameters", "isBase64Encoded"] {
        assert_eq!(event[field], genuine[field], "{field}");
    }
    echo.gateway.stop().await;
}

#[tokio::test]
async fn websocket_events_look_like_those_of_aws() {
    let echo = Echo::start(Options::default()).await;
    let mut client = echo.open().await;
    client.send(r#"{"action":"send"}"#).await;
    let message = echo.log.wait_for("MESSAGE").await;
    client.socket.close(None).await.unwrap();
    let disconnect = echo.log.wait_for("DISCONNECT").await;
    let connect = echo.log.wait_for("CONNECT").await;
    let authorizer = echo.log.events().into_iter().find(|event| event["type"] == "REQUEST").unwrap();
    for (name, event) in [
        ("websocket-connect.json", connect),
        ("websocket-message.json", message),
        ("websocket-disconnect.json", disconnect),
        ("websocket-authorizer.json", authorizer),
    ] {
        let genuine = genuine(name);
        assert_eq!(differences(&genuine, &event, name), Vec::<String>::new());
        assert_times_agree(&event["requestContext"], "requestTime", "requestTimeEpoch");
        for field in ["routeKey", "eventType", "messageDirection", "disconnectStatusCode", "disconnectReason"]
        {
            assert_eq!(event["requestContext"][field], genuine["requestContext"][field], "{name}: {field}");
        }
        assert_eq!(event["stageVariables"], json!({ "color": "blue" }), "{name}");
    }
    echo.gateway.stop().await;
}
