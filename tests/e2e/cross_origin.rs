//! Web pages of other origins, and how far CORS lets them.

use hyper::Method;
use support::{App, Reply};

const DRAFT: &str = r#"{"sender_id":"a","receiver_id":"b","content":"c"}"#;
const LOCAL: [&str; 3] = ["http://localhost:5173", "http://localhost:8080", "http://localhost"];
const FOREIGN: [&str; 4] =
    ["https://evil.example", "http://localhost.evil.example", "http://192.168.0.1:3000", "null"];

async fn ask_for(app: &App, origin: &str, method: &str, headers: &str) -> Reply {
    let asking = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", headers),
    ];
    app.send_with(Method::OPTIONS, "/messages/1", &asking, "").await
}

/// A comma-separated header's values, lower-cased and sorted.
fn values(reply: &Reply, name: &str) -> Vec<String> {
    let mut values: Vec<_> =
        reply.header(name).to_lowercase().split(',').map(|value| value.trim().to_owned()).collect();
    values.sort_unstable();
    values
}

#[tokio::test]
async fn a_local_page_is_told_what_it_may_do() {
    let app = App::open().await;
    for origin in LOCAL {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let reply = ask_for(&app, origin, method, "content-type,authorization,idempotency-key").await;
            assert!(matches!(reply.status, 200 | 204), "{}", reply.status);
            assert_eq!(reply.header("access-control-allow-origin"), origin);
            assert_eq!(values(&reply, "access-control-allow-methods"), ["delete", "get", "post", "put"]);
            assert_eq!(
                values(&reply, "access-control-allow-headers"),
                ["authorization", "content-type", "idempotency-key"]
            );
        }
    }
}

#[tokio::test]
async fn a_local_page_may_read_every_answer() {
    let app = App::open().await;
    for origin in LOCAL {
        let headers = [("origin", origin), ("content-type", "application/json")];
        let replies = [
            app.send_with(Method::GET, "/messages?limit=1", &headers, "").await,
            app.send_with(Method::POST, "/messages", &headers, DRAFT).await,
            app.send_with(Method::POST, "/messages", &headers, "{}").await,
            app.send_with(Method::DELETE, "/messages/1", &headers, "").await,
            app.send_with(Method::PUT, "/messages/1", &headers, "{}").await,
        ];
        for (reply, status) in replies.iter().zip([200, 201, 400, 404, 400]) {
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("access-control-allow-origin"), origin);
            assert_eq!(
                values(reply, "access-control-expose-headers"),
                ["idempotent-replayed", "link", "retry-after"]
            );
        }
    }
}

#[tokio::test]
async fn a_foreign_page_is_told_nothing() {
    let app = App::open().await;
    for origin in FOREIGN {
        for method in ["GET", "POST", "DELETE"] {
            let reply = ask_for(&app, origin, method, "content-type").await;
            assert_eq!(reply.header("access-control-allow-origin"), "", "{origin}");
        }
        let reply = app.send_with(Method::GET, "/messages?limit=1", &[("origin", origin)], "").await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{origin}");
    }
}

#[tokio::test]
async fn a_foreign_page_writes_nothing() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "hello").await;
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    for origin in FOREIGN {
        // Requests that a form or a script may send without a preflight.
        let headers = [("origin", origin), ("content-type", "text/plain")];
        let writes = [
            (Method::POST, "/messages", DRAFT),
            (Method::PUT, path.as_str(), r#"{"content":"bye"}"#),
            (Method::DELETE, path.as_str(), ""),
        ];
        for (method, path, body) in writes {
            let reply = app.send_with(method, path, &headers, body).await;
            reply.assert_platform_refused(403, "Forbidden");
        }
    }
    assert_eq!(alice.read_message(&message).await.json(), message);
}

#[tokio::test]
async fn a_foreign_page_opens_no_websocket() {
    let app = App::open().await;
    for origin in FOREIGN {
        assert_eq!(app.try_connect("/", &[("origin", origin)]).await.map(drop), Err(403), "{origin}");
    }
    for origin in LOCAL {
        app.try_connect("/", &[("origin", origin)]).await.expect("accepted").expect_silence().await;
    }
}

#[tokio::test]
async fn a_client_that_is_no_page_needs_no_origin() {
    let app = App::open().await;
    let reply = app.send_with(Method::POST, "/messages", &[], DRAFT).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (201, ""));
}
