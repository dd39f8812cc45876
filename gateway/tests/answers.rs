//! The fate of a function's answer on a route, and of one that does not come.

use std::time::Duration;

use gateway::websocket_api::WebSocketOptions;
use serde_json::Value;

use crate::support::{Gateway, api, eventually};

#[tokio::test]
async fn one_way_routes_send_nothing_of_an_answer() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    for wish in [r#""n":1"#, r#""status":500"#, r#""raw":{"statusCode":200,"body":"x"}"#] {
        client.send(&format!(r#"{{"action":"send",{wish}}}"#)).await;
    }
    client.send(r#"{"action":"hint"}"#).await;
    eventually("all handled", || (gateway.log.of_type("MESSAGE").len() == 3).then_some(())).await;
    eventually("all answered", || (gateway.lambda.busy("Echo") == 0).then_some(())).await;
    client.ping().await;
}

#[tokio::test]
async fn two_way_routes_answer_with_the_body_whatever_the_status() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    client.send(r#"{"action":"echo"}"#).await;
    assert_eq!(client.json().await["requestContext"]["routeKey"], "echo");
    for (raw, text) in [
        (r#"{"statusCode":200,"body":"plain"}"#, "plain"),
        (r#"{"statusCode":500,"body":"failed"}"#, "failed"),
        (r#"{"statusCode":403,"body":"no"}"#, "no"),
        (r#"{"statusCode":200,"body":"cGxhaW4=","isBase64Encoded":true}"#, "plain"),
        (r#"{"statusCode":200}"#, ""),
    ] {
        client.send(&format!(r#"{{"action":"echo","raw":{raw}}}"#)).await;
        assert_eq!(client.text().await, text, "{raw}");
    }
}

#[tokio::test]
async fn a_malformed_answer_is_a_failure_on_every_route() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    for malformed in ["null", "{}", r#""text""#, "[]", "1", r#"{"statusCode":200,"unknown":1}"#] {
        for action in ["send", "echo"] {
            client.send(&format!(r#"{{"action":"{action}","raw":{malformed}}}"#)).await;
            assert_eq!(client.json().await["message"], "Internal server error", "{action}: {malformed}");
        }
    }
    for malformed in ["", "text"] {
        assert_eq!(gateway.refusal(&format!("/?raw={malformed}")).await.as_u16(), 502, "{malformed}");
    }
}

#[tokio::test]
async fn what_the_platform_no_longer_waits_for_has_words_of_its_own() {
    let integration_timeout = Duration::from_millis(300);
    let gateway =
        Gateway::start_with(api(), WebSocketOptions { integration_timeout, ..WebSocketOptions::default() })
            .await;
    // The first event waits for the function's start as well.
    let mut client = open_in_time(&gateway).await;
    for action in ["send", "echo"] {
        client.send(&format!(r#"{{"action":"{action}","sleep":5000}}"#)).await;
        assert_eq!(client.json().await["message"], "Endpoint request timed out", "{action}");
    }
    assert_eq!(gateway.refusal("/?sleep=5000").await.as_u16(), 504);
}

/// Opens a connection where the first attempts may take too long.
async fn open_in_time(gateway: &Gateway) -> crate::support::Client {
    for _ in 0..50 {
        if let Ok((client, _)) = gateway.try_open("/", &[]).await {
            return client;
        }
    }
    panic!("no connection was opened in time");
}

#[tokio::test]
async fn failures_are_told_in_the_platforms_own_words() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    let id = gateway.connection_id().await;
    let mut check = async |sent: &str, message: &str| {
        client.send(sent).await;
        let text = client.text().await;
        let frame: Value = serde_json::from_str(&text).unwrap();
        let request_id = frame["requestId"].as_str().unwrap();
        let exact =
            format!(r#"{{"message": "{message}", "connectionId":"{id}", "requestId":"{request_id}"}}"#);
        assert_eq!(text, exact, "{sent}");
        assert_eq!(request_id.len(), 16);
    };
    for sent in [
        "hello",
        "{}",
        "[]",
        "",
        r#"{"action":"unknown"}"#,
        r#"{"action":"$connect"}"#,
        r#"{"action":"$disconnect"}"#,
    ] {
        check(sent, "Forbidden").await;
    }
    for wish in [r#""error":"no""#, r#""panic":1"#, r#""exit":1"#, r#""bytes":6300000"#] {
        check(&format!(r#"{{"action":"send",{wish}}}"#), "Internal server error").await;
        check(&format!(r#"{{"action":"echo",{wish}}}"#), "Internal server error").await;
    }
    assert_eq!(gateway.log.of_type("CONNECT").len(), 1);
}
