//! Without `ALLOW_ANONYMOUS`, as in every deployment, only users that the platform has authenticated get in.

use hyper::Method;
use support::App;

/// A gateway whose functions have the flag no more than deployed ones.
async fn not_open() -> App {
    App::builder().environment("ALLOW_ANONYMOUS", "").start().await
}

#[tokio::test]
async fn every_route_demands_a_principal() {
    let app = not_open().await;
    let shared = App::open().await;
    let message = shared.user("alice").post_message(&shared.user("bob"), "hello").await;
    let one = format!("/messages/{}", message["id"].as_str().expect("an id"));
    let requests = [
        (Method::GET, "/messages", ""),
        (Method::GET, "/messages?user=alice", ""),
        (Method::GET, &one, ""),
        (Method::POST, "/messages", r#"{"sender_id":"a","receiver_id":"b","content":"c"}"#),
        (Method::PUT, &one, r#"{"content":"bye"}"#),
        (Method::DELETE, &one, ""),
        (Method::POST, "/tickets", ""),
    ];
    for (method, path, body) in requests {
        let reply = app.send_with(method, path, &[("authorization", "Bearer x")], body).await;
        reply.assert_refused(401, "unauthenticated", "Authentication is required");
    }
    assert_eq!(shared.get(&one).await.json(), message);
}

#[tokio::test]
async fn no_websocket_opens_without_a_ticket() {
    let app = not_open().await;
    for path in
        ["/", "/?ticket=", "/?ticket=guessed", "/?ticket=%00", "/?ticket=a&ticket=b", "/?userKey=alice"]
    {
        assert_eq!(app.try_connect(path, &[]).await.map(drop), Err(401), "{path}");
    }
}
