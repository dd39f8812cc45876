//! The whole gateway on a project's own template, from outside: AWS's client, a WebSocket client, plain HTTP, curl.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::primitives::Blob;
use axum::http::{Method, StatusCode};
use futures_util::StreamExt;
use gateway::server::{Gateway, Options};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::echo::Echo;
use crate::support::{EventLog, eventually, executables, project_folder, skip, within};

#[tokio::test]
async fn binary_and_unnamed_bodies_come_as_base64_and_go_back_as_bytes() {
    let echo = Echo::start(Options::default()).await;
    let kind = [("content-type", "image/png")];
    let event = echo.send(Method::POST, "/echo/x", &kind, &b"\x89PNG"[..]).await.json();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("iVBORw=="), &json!(true)));
    let event = echo.send(Method::POST, "/echo/x", &[], "plain").await.json();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("cGxhaW4="), &json!(true)));

    let raw = json!({"raw": {
        "statusCode": 201, "isBase64Encoded": true, "body": "iVBORw==", "cookies": ["a=1", "b=2"],
        "headers": {"content-type": "image/png", "x-number": 7, "Set-Cookie": "c=3"},
    }});
    let kind = [("content-type", "application/json")];
    let answer = echo.send(Method::PUT, "/echo/x", &kind, raw.to_string()).await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::CREATED, &b"\x89PNG"[..]));
    assert_eq!(answer.headers["content-type"], "image/png");
    assert_eq!(answer.headers["x-number"], "7");
    assert_eq!(answer.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2", "c=3"]);
    echo.gateway.stop().await;
}

#[tokio::test]
async fn answers_without_a_status_are_bodies_and_failures_are_the_platforms() {
    let echo = Echo::start(Options::default()).await;
    let kind = [("content-type", "application/json")];
    for (raw, body) in [(json!({"a": 1}), r#"{"a":1}"#), (json!("text"), "text"), (json!([1]), "[1]")] {
        let wish = json!({ "raw": raw }).to_string();
        let answer = echo.send(Method::POST, "/echo/x", &kind, wish).await;
        assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, body.as_bytes()));
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    let failure = json!({ "message": "Internal Server Error" });
    for (query, status, body) in [
        ("status=404", 404, None),
        ("error=no", 500, Some(&failure)),
        ("panic=1", 500, Some(&failure)),
        ("status=9999", 500, Some(&failure)),
        ("bytes=6300000", 500, Some(&failure)),
        ("exit=3", 502, Some(&json!({ "message": "Bad Gateway" }))),
    ] {
        let answer = echo.get(&format!("/echo/x?{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}");
        if let Some(body) = body {
            assert_eq!(answer.json(), *body, "{query}");
            assert!(answer.headers.contains_key("apigw-requestid"), "{query}");
        }
    }
    assert_eq!(echo.get("/echo/x").await.status, StatusCode::OK);
    echo.gateway.stop().await;
}

#[tokio::test]
async fn a_function_over_its_time_limit_is_ended_and_the_next_request_works() {
    let echo = Echo::start(Options::default()).await;
    let started = std::time::Instant::now();
    // The template gives it 5 s.
    let answer = echo.get("/echo/x?sleep=20000").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(started.elapsed() >= Duration::from_secs(5) && started.elapsed() < Duration::from_secs(15));
    assert_eq!(echo.get("/echo/x").await.status, StatusCode::OK);
    echo.gateway.stop().await;
}

#[tokio::test]
async fn an_upgrade_is_a_websocket_on_every_path_and_a_plain_request_is_routed() {
    let echo = Echo::start(Options::default()).await;
    for path in ["/?token=allow", "/dev?token=allow", "/echo/x?token=allow", "/nothing/here?token=allow"] {
        echo.try_open(path).await.unwrap().ping().await;
    }
    for path in ["/", "/echo", "/nothing/here"] {
        let answer = echo.get(path).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::NOT_FOUND, json!({ "message": "Not Found" }))
        );
    }
    assert_eq!(echo.get("/echo/a%2Fb%20c").await.json()["rawPath"], "/echo/a/b c");
    echo.gateway.stop().await;
}

#[tokio::test]
async fn awss_own_client_posts_gets_and_deletes_with_and_without_the_stage() {
    let echo = Echo::start(Options::default()).await;
    for stage in ["", "/dev"] {
        let mut client = echo.open().await;
        let id = echo.connection_id().await;
        let management = echo.management(stage);
        management.post_to_connection().connection_id(&id).data(Blob::new("hello")).send().await.unwrap();
        assert_eq!(client.text().await, "hello");
        let known = management.get_connection().connection_id(&id).send().await.unwrap();
        assert!(known.connected_at().is_some() && known.last_active_at().is_some());
        assert_eq!(known.identity().unwrap().user_agent(), Some("test/1"));
        management.delete_connection().connection_id(&id).send().await.unwrap();
        assert_eq!(client.close_frame().await.code, CloseCode::Normal);
        let gone = management.post_to_connection().connection_id(&id).data(Blob::new("x")).send().await;
        assert!(gone.unwrap_err().into_service_error().is_gone_exception());
        let closed = eventually("its $disconnect", || {
            let is_its = |event: &Value| event["requestContext"]["connectionId"] == id.as_str();
            echo.log.of_type("DISCONNECT").into_iter().find(is_its)
        });
        let closed = closed.await;
        assert_eq!(closed["requestContext"]["disconnectStatusCode"], 1000);
        assert_eq!(closed["requestContext"]["disconnectReason"], "Connection Closed Normally");
        // The next one opens after this one's last event, so ids cannot be confused.
        drop(client);
    }
    echo.gateway.stop().await;
}

#[tokio::test]
async fn curl_gets_what_it_gets_from_aws() {
    let echo = Echo::start(Options::default()).await;
    let curl = |arguments: &[&str], path: &str| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--include", "--max-time", "20"]).args(arguments);
        command.arg(format!("http://localhost:{}{path}", echo.gateway.port()));
        command.output()
    };
    let Ok(posted) = curl(&["--data", "a=1&b=2"], "/echo/form?x=1").await else {
        return skip("curl is not installed");
    };
    let text = String::from_utf8(posted.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let event: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("YT0xJmI9Mg=="), &json!(true)));
    assert_eq!(event["headers"]["content-type"], "application/x-www-form-urlencoded");

    // curl waits for `100 Continue` before it sends a body as large as this.
    let large = "x".repeat(100_000);
    let headers = ["--header", "Expect: 100-continue", "--header", "content-type: text/plain"];
    let posted = curl(&[&headers[..], &["--data", &large]].concat(), "/echo/large").await;
    let text = String::from_utf8(posted.unwrap().stdout).unwrap();
    let (_, body) = text.rsplit_once("\r\n\r\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["body"].as_str().unwrap().len(), 100_000);

    let head = curl(&["--head"], "/echo/x").await.unwrap();
    assert!(head.stdout.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let absent = curl(&["--request", "DELETE"], "/nothing").await.unwrap();
    assert!(absent.stdout.ends_with(b"{\"message\":\"Not Found\"}"));
    echo.gateway.stop().await;
}

#[tokio::test]
async fn every_fault_can_be_had_through_the_admin_endpoint() {
    let echo = Echo::start(Options { admin_port: Some(0), ..Options::default() }).await;
    let mut client = echo.open().await;
    let id = echo.connection_id().await;
    let post =
        || async { echo.send(Method::POST, &format!("/@connections/{id}"), &[], "hi").await.status.as_u16() };

    for (fault, status) in [("push:410=1", 410), ("push:429=1", 429), ("push:500=1", 500)] {
        assert_eq!(echo.admin(Method::POST, "/faults", fault).await, StatusCode::OK);
        assert_eq!(post().await, status);
        assert_eq!(echo.admin(Method::DELETE, "/faults", "").await, StatusCode::NO_CONTENT);
    }
    echo.admin(Method::POST, "/faults", "push:delay=60ms").await;
    let started = std::time::Instant::now();
    assert_eq!(post().await, 200);
    assert!(started.elapsed() >= Duration::from_millis(60));
    assert_eq!(client.text().await, "hi");

    echo.admin(Method::DELETE, "/faults", "").await;
    echo.admin(Method::POST, "/faults", "frames:reorder=0.5").await;
    for name in ["first", "second"] {
        client
            .send(&json!({ "action": "echo", "raw": { "statusCode": 200, "body": name } }).to_string())
            .await;
    }
    assert_eq!((client.text().await, client.text().await), ("second".into(), "first".into()));

    echo.admin(Method::DELETE, "/faults", "").await;
    client.send(r#"{"action":"echo","sleep":4000}"#).await;
    eventually("it works", || (echo.gateway.lambda().busy("Echo") == 1).then_some(())).await;
    assert_eq!(echo.admin(Method::POST, "/kill/Echo", "").await, StatusCode::NO_CONTENT);
    assert_eq!(client.json().await["message"], "Internal server error");

    echo.admin(Method::POST, "/faults", "disconnect:lost=1").await;
    let cut = format!("/cut/{}", id.replace('=', "%3D"));
    assert_eq!(echo.admin(Method::POST, &cut, "").await, StatusCode::NO_CONTENT);
    let last = within("the end", client.socket.next()).await;
    assert!(!matches!(last, Some(Ok(Message::Close(_)))), "{last:?}");
    assert_eq!(post().await, 410);
    let log = echo.log.clone();
    echo.gateway.stop().await;
    assert!(log.of_type("DISCONNECT").is_empty());
}

#[tokio::test]
async fn limits_hold_only_where_asked_for() {
    let limits = [
        Options { idle_limit: Some(Duration::from_millis(150)), ..Options::default() },
        Options { lifetime: Some(Duration::from_millis(150)), aws_limits: true, ..Options::default() },
    ];
    for options in limits {
        let echo = Echo::start(options).await;
        assert_eq!(echo.open().await.close_frame().await.code, CloseCode::Away);
        let event = echo.log.wait_for("DISCONNECT").await;
        assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
        assert_eq!(event["requestContext"]["disconnectReason"], "Going away");
        echo.gateway.stop().await;
    }
}

#[tokio::test]
async fn a_project_is_built_and_a_template_parameter_reaches_its_function() {
    let log = EventLog::new();
    executables();
    let options = Options {
        template: project_folder().join("template.yaml"),
        parameters: [("Greeting".to_owned(), "good evening".to_owned())].into(),
        environment: log.environment(),
        ..Options::default()
    };
    let gateway = Gateway::start(options).await.unwrap();
    let echo = Echo { gateway, log };
    let seen = echo.get("/echo/x?environment=1").await.json();
    assert_eq!(seen["GREETING"], "good evening");
    assert_eq!(seen["_X_AMZN_TRACE_ID"].as_str().map(|id| id.starts_with("Root=1-")), Some(true));
    echo.gateway.stop().await;
}
