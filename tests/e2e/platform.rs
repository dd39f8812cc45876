//! The platform answers some requests itself, and that everything is on one port.

use hyper::Method;
use serde_json::json;
use support::App;

#[tokio::test]
async fn an_unknown_route_is_the_platforms_404() {
    let app = App::open().await;
    let routes = [
        (Method::GET, "/nowhere"),
        (Method::GET, "/message"),
        (Method::GET, "/messages/1/2"),
        (Method::POST, "/messages/1"),
        (Method::PUT, "/messages"),
        (Method::DELETE, "/messages"),
        (Method::PATCH, "/messages"),
        (Method::POST, "/tickets/1"),
        (Method::GET, "/%00"),
        (Method::POST, "/nowhere"),
    ];
    for (method, path) in routes {
        let reply = app.send(method.clone(), path, "{}").await;
        assert_eq!(reply.status, 404, "{method} {path}");
        reply.assert_platform_refused(404, "Not Found");
        assert_eq!(reply.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn a_body_over_10_mb_is_the_platforms_413() {
    let app = App::open().await;
    let reply = app.post("/messages", vec![b' '; 10 * 1024 * 1024 + 1]).await;
    reply.assert_platform_refused(413, "Request Entity Too Large");
}

#[tokio::test]
async fn a_large_body_below_that_is_still_answered() {
    let app = App::open().await;
    let draft =
        json!({ "sender_id": "a", "receiver_id": "b", "content": "c", "more": "x".repeat(4_000_000) });
    assert_eq!(app.post("/messages", draft.to_string()).await.status, 201);
}

#[tokio::test]
async fn an_upgrade_request_is_a_websocket_on_every_path() {
    let app = App::open().await;
    for path in ["/", "/ws", "/messages", "/a/b?c=d", "/live"] {
        let mut device = app.try_connect(path, &[]).await.expect("accepted");
        device.expect_silence().await;
        device.register(&app.user("alice").key).await;
    }
}

#[tokio::test]
async fn an_upgrade_keeps_its_port_for_plain_requests() {
    let app = App::open().await;
    let mut device = app.connect().await;
    assert_eq!(app.get("/messages?limit=1").await.status, 200);
    device.expect_silence().await;
}

#[tokio::test]
async fn many_connections_live_side_by_side() {
    let app = App::open().await;
    let mut devices = Vec::new();
    for _ in 0..100 {
        devices.push(app.connect().await);
    }
    for mut device in devices {
        device.expect_silence().await;
        device.close().await;
    }
}
