//! The management API as AWS's own client understands it, and the admin API.

use std::time::Duration;

use crate::support::{Gateway, STAGE, api, eventually, sdk_http, spawn, within};
use aws_credential_types::Credentials;
use aws_sdk_apigatewaymanagement::Client as Management;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region};
use aws_sdk_apigatewaymanagement::error::ProvideErrorMetadata;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use gateway::faults::Faults;
use gateway::websocket_api::{WebSocketApiServer, WebSocketOptions};
use gateway::{admin, connections_api};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

fn management(gateway: &Gateway) -> Management {
    let config = aws_sdk_apigatewaymanagement::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .http_client(sdk_http::plain())
        .endpoint_url(format!("http://{}/{}", gateway.address, STAGE))
        .build();
    Management::from_conf(config)
}

async fn start_with_faults(texts: &[&str]) -> Gateway {
    let faults = Faults::parse(texts.iter().copied()).unwrap();
    let options = WebSocketOptions { faults, ..WebSocketOptions::default() };
    Gateway::start_with(api(), options).await
}

async fn request(websocket: &WebSocketApiServer, method: Method, id: &str) -> StatusCode {
    connections_api::handle(websocket, &method, id, Bytes::from_static(b"hello")).await.status()
}

#[tokio::test]
async fn a_post_reaches_its_client() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    let id = gateway.connection_id().await;
    let management = management(&gateway);
    for text in ["hello", "", "{\"a\":\"ü\u{0}\"}", &"x".repeat(128 * 1024)] {
        management
            .post_to_connection()
            .connection_id(&id)
            .data(Blob::new(text.as_bytes()))
            .send()
            .await
            .unwrap();
        assert_eq!(client.text().await, text);
    }
}

#[tokio::test]
async fn get_tells_who_is_connected_since_when() {
    let gateway = Gateway::start().await;
    let (mut client, _) = gateway.try_open("/", &[("user-agent", "test/1")]).await.unwrap();
    let id = gateway.connection_id().await;
    let management = management(&gateway);
    let before = management.get_connection().connection_id(&id).send().await.unwrap();
    let identity = before.identity().unwrap();
    assert_eq!((identity.source_ip(), identity.user_agent()), (Some("127.0.0.1"), Some("test/1")));
    let connected_at =
        gateway.log.wait_for("CONNECT").await["requestContext"]["connectedAt"].as_i64().unwrap();
    assert_eq!(before.connected_at().unwrap().to_millis().unwrap(), connected_at);
    // Activity moves on by whole milliseconds.
    eventually("a later millisecond", || {
        (chrono::Utc::now().timestamp_millis() > before.last_active_at().unwrap().to_millis().unwrap())
            .then_some(())
    })
    .await;
    client.ping().await;
    let after = management.get_connection().connection_id(&id).send().await.unwrap();
    assert!(after.last_active_at() > before.last_active_at());
    assert_eq!(after.connected_at(), before.connected_at());
}

#[tokio::test]
async fn delete_closes_after_what_was_posted_and_fires_disconnect() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    let id = gateway.connection_id().await;
    let management = management(&gateway);
    management.post_to_connection().connection_id(&id).data(Blob::new("the reason")).send().await.unwrap();
    management.delete_connection().connection_id(&id).send().await.unwrap();
    let again = management.delete_connection().connection_id(&id).send().await.unwrap_err();
    assert!(again.into_service_error().is_gone_exception());
    assert_eq!(client.text().await, "the reason");
    assert_eq!(client.close_frame().await.code, CloseCode::Normal);
    let event = gateway.log.wait_for("DISCONNECT").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1000);
    gateway.websocket.stop().await;
    assert_eq!(gateway.log.of_type("DISCONNECT").len(), 1);
}

#[tokio::test]
async fn who_is_gone_is_gone_for_every_call() {
    let gateway = Gateway::start().await;
    drop(gateway.open("/").await);
    let id = gateway.connection_id().await;
    gateway.log.wait_for("DISCONNECT").await;
    let management = management(&gateway);
    for id in [id.as_str(), "L0SM9cOFvHcCIhw="] {
        let post = management.post_to_connection().connection_id(id).data(Blob::new("x")).send().await;
        assert!(post.unwrap_err().into_service_error().is_gone_exception());
        let get = management.get_connection().connection_id(id).send().await;
        assert!(get.unwrap_err().into_service_error().is_gone_exception());
        let delete = management.delete_connection().connection_id(id).send().await;
        assert!(delete.unwrap_err().into_service_error().is_gone_exception());
    }
}

#[tokio::test]
async fn bad_requests_have_the_statuses_of_aws() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    let id = gateway.connection_id().await;
    let management = management(&gateway);
    let malformed = management.post_to_connection().connection_id("nobody").data(Blob::new("x")).send().await;
    assert_eq!(malformed.unwrap_err().into_service_error().code(), Some("BadRequestException"));
    let large = Blob::new("x".repeat(128 * 1024 + 1));
    let too_large = management.post_to_connection().connection_id(&id).data(large).send().await;
    assert!(too_large.unwrap_err().into_service_error().is_payload_too_large_exception());
    let not_text =
        management.post_to_connection().connection_id(&id).data(Blob::new(vec![0xff])).send().await;
    assert_eq!(not_text.unwrap_err().into_service_error().code(), Some("BadRequestException"));

    let escaped = id.replace('=', "%3D");
    assert_eq!(request(&gateway.websocket, Method::PUT, &escaped).await, StatusCode::FORBIDDEN);
    assert_eq!(
        request(&gateway.websocket, Method::POST, &format!("{escaped}/more")).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(request(&gateway.websocket, Method::GET, "%00%ff").await, StatusCode::BAD_REQUEST);
    assert_eq!(request(&gateway.websocket, Method::POST, &escaped).await, StatusCode::OK);
    assert_eq!(client.text().await, "hello");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_answered_429_and_loses_nothing_promised() {
    let options = WebSocketOptions { outgoing_limit: 256 * 1024, ..WebSocketOptions::default() };
    let gateway = Gateway::start_with(api(), options).await;
    let mut client = gateway.open("/").await;
    let id = gateway.connection_id().await;
    let management = management(&gateway);
    let mut promised = 0;
    // The system's own socket buffers take some megabytes first.
    let refused = loop {
        assert!(promised < 1000, "no limit was met");
        let text = format!("{promised:04}{}", "x".repeat(60 * 1024));
        match management.post_to_connection().connection_id(&id).data(Blob::new(text)).send().await {
            Ok(_) => promised += 1,
            Err(error) => break error.into_service_error(),
        }
    };
    assert!(refused.is_limit_exceeded_exception());
    for n in 0..promised {
        assert!(client.text().await.starts_with(&format!("{n:04}")));
    }
    management.post_to_connection().connection_id(&id).data(Blob::new("again")).send().await.unwrap();
    assert_eq!(client.text().await, "again");
}

#[tokio::test]
async fn a_client_that_never_reads_can_be_deleted() {
    let options = WebSocketOptions { outgoing_limit: 1024 * 1024, ..WebSocketOptions::default() };
    let gateway = Gateway::start_with(api(), options).await;
    let _client = gateway.open("/").await;
    let id = gateway.connection_id().await;
    let websocket = &gateway.websocket;
    let text = Bytes::from("x".repeat(100 * 1024));
    let mut posts = 0;
    while connections_api::handle(websocket, &Method::POST, &id, text.clone()).await.status()
        == StatusCode::OK
    {
        posts += 1;
        assert!(posts < 1000, "no limit was met");
        tokio::task::yield_now().await;
    }
    assert_eq!(request(websocket, Method::DELETE, &id).await, StatusCode::NO_CONTENT);
    gateway.log.wait_for("DISCONNECT").await;
    within("the end of its task", websocket.stop()).await;
}

#[tokio::test]
async fn posts_fail_on_demand() {
    let gateway = start_with_faults(&["push:410=0.5"]).await;
    let mut client = gateway.open("/").await;
    let id = gateway.connection_id().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(request(&gateway.websocket, Method::POST, &id).await.as_u16());
    }
    assert_eq!(statuses, [410, 200, 410, 200]);
    assert_eq!((client.text().await, client.text().await), ("hello".into(), "hello".into()));
    assert_eq!(gateway.websocket.connections(), 1, "an injected 410 does not end the connection");

    let management = management(&start_with_faults(&["push:429=1"]).await);
    let error =
        management.post_to_connection().connection_id(&id).data(Blob::new("x")).send().await.unwrap_err();
    assert!(error.into_service_error().is_limit_exceeded_exception());
    let gateway = start_with_faults(&["push:500=1", "push:delay=30ms"]).await;
    let started = std::time::Instant::now();
    assert_eq!(request(&gateway.websocket, Method::POST, &id).await, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(started.elapsed() >= Duration::from_millis(30));
}

struct Admin {
    base: String,
    http: Http<HttpConnector, Body>,
}

impl Admin {
    async fn start(gateway: &Gateway, faults: &Faults) -> Self {
        let app = admin::router(faults.clone(), gateway.lambda.clone(), Some(gateway.websocket.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/_gateway", listener.local_addr().unwrap());
        spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base, http: Http::builder(TokioExecutor::new()).build_http() }
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        self.answer(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = within("an answer", self.http.request(request)).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(Body::new(response.into_body()), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn the_admin_api_changes_faults_kills_and_cuts() {
    let faults = Faults::default();
    let options = WebSocketOptions { faults: faults.clone(), ..WebSocketOptions::default() };
    let gateway = Gateway::start_with(api(), options).await;
    let admin = Admin::start(&gateway, &faults).await;

    let two = "push:410=1\nframes:echo:delay=5ms\n";
    assert_eq!(admin.send(Method::POST, "/faults", two).await, (StatusCode::OK, two.to_owned()));
    assert_eq!(admin.send(Method::GET, "/faults", "").await.1, two);
    let (status, why) = admin.send(Method::POST, "/faults", "push:429=1\nnonsense").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(why.contains("`nonsense` is not a fault"), "{why}");
    let (status, why) = admin.send(Method::POST, "/faults", "push:429=1\nframes:ecko:delay=5ms").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(why.contains("frames take no route ecko; there are "), "{why}");
    assert_eq!(admin.send(Method::GET, "/faults", "").await.1, two, "half a change is no change");
    assert_eq!(admin.send(Method::DELETE, "/faults", "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(admin.send(Method::GET, "/faults", "").await.1, "");

    let none = (StatusCode::NOT_FOUND, "Echo has no instance to kill\n".to_owned());
    assert_eq!(admin.send(Method::POST, "/kill/Echo", "").await, none);
    let unknown =
        (StatusCode::NOT_FOUND, "there is no function ecko; there are Authorize, Echo\n".to_owned());
    assert_eq!(admin.send(Method::POST, "/kill/ecko", "").await, unknown);
    let mut client = gateway.open("/").await;
    client.send(r#"{"action":"echo","sleep":9000}"#).await;
    gateway.log.wait_for("MESSAGE").await;
    assert_eq!(admin.send(Method::POST, "/kill/Echo", "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(client.json().await["message"], "Internal server error");

    let id = gateway.connection_id().await;
    let cut = format!("/cut/{}", id.replace('=', "%3D"));
    assert_eq!(admin.send(Method::POST, &cut, "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(admin.send(Method::POST, &cut, "").await.0, StatusCode::NOT_FOUND);
    let last = within("the end", client.socket.next()).await;
    assert!(!matches!(last, Some(Ok(Message::Close(_)))), "{last:?}");

    let page = Request::get(format!("{}/faults", admin.base)).header("origin", "http://elsewhere.example");
    assert_eq!(admin.answer(page.body(Body::empty()).unwrap()).await.0, StatusCode::FORBIDDEN);
}
