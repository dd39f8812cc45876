//! The whole gateway on a project's own template, from outside: AWS's client, a WebSocket client, plain HTTP, curl.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::support::form::{Form, REQUEST_TIME};
use crate::support::{Client, EventLog, eventually, executables, project_folder, skip, within};
use aws_credential_types::Credentials;
use aws_sdk_apigatewaymanagement::Client as Management;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use chrono::DateTime;
use futures_util::StreamExt;
use gateway::server::{Gateway, Options};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as SocketError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A gateway on the echo project, and what its function saw.
struct Echo {
    gateway: Gateway,
    log: EventLog,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Echo {
    async fn start(options: Options) -> Self {
        let log = EventLog::new();
        let options = Options {
            template: project_folder().join("template.yaml"),
            environment: log.environment(),
            executables: options.executables.clone().or_else(|| Some(executables())),
            ..options
        };
        Self { gateway: Gateway::start(options).await.unwrap(), log }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.gateway.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.body(body.into()).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    async fn try_open(&self, path: &str) -> Result<Client, SocketError> {
        let mut request =
            format!("ws://abcdxyz123.localhost:{}{path}", self.gateway.port()).into_client_request()?;
        request.headers_mut().insert("user-agent", "test/1".parse().unwrap());
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", self.gateway.port())).await?;
        let (socket, _) = within("the upgrade", tokio_tungstenite::client_async(request, stream)).await?;
        Ok(Client { socket })
    }

    async fn open(&self) -> Client {
        self.try_open("/?token=allow").await.unwrap()
    }

    /// The id of the connection opened last.
    async fn connection_id(&self) -> String {
        self.log.wait_for("CONNECT").await;
        let connect = self.log.of_type("CONNECT").pop().unwrap();
        connect["requestContext"]["connectionId"].as_str().unwrap().to_owned()
    }

    fn management(&self, stage: &str) -> Management {
        let config = aws_sdk_apigatewaymanagement::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .region(Region::new("us-east-1"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("{}{stage}", self.gateway.url()))
            .build();
        Management::from_conf(config)
    }

    async fn admin(&self, method: Method, path: &str, body: &'static str) -> StatusCode {
        let uri = format!("http://127.0.0.1:{}/_gateway{path}", self.gateway.admin_port().unwrap());
        let request = Request::builder().method(method).uri(uri).body(Body::from(body)).unwrap();
        answer(request).await.status
    }
}

async fn answer(request: Request<Body>) -> Answer {
    let http: Http<_, Body> = Http::builder(TokioExecutor::new()).build_http();
    let response = within("an answer", http.request(request)).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(Body::new(body), 16 << 20).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

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
        "headers": {"content-type": "image/png", "x-number": 7},
    }});
    let kind = [("content-type", "application/json")];
    let answer = echo.send(Method::PUT, "/echo/x", &kind, raw.to_string()).await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::CREATED, &b"\x89PNG"[..]));
    assert_eq!(answer.headers["content-type"], "image/png");
    assert_eq!(answer.headers["x-number"], "7");
    assert_eq!(answer.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
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
