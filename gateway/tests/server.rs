//! The gateway on a real port: what it answers by itself, before any function is asked.

use std::collections::BTreeMap;
use std::path::Path;

use gateway::http_api::Authorizers;
use gateway::server::{Gateway, Options, StartError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn options() -> Options {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/page/template.yaml");
    Options { template, executables: Some(BTreeMap::new()), ..Options::default() }
}

/// Sends the request as it stands and returns the whole answer.
async fn send(gateway: &Gateway, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(("localhost", gateway.port())).await.expect("connected");
    let head = format!("{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.expect("written");
    // The server may answer and close before it has read all of a body that is too large.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_no_route_takes_is_the_page_or_the_platforms_404() {
    let gateway = Gateway::start(options()).await.expect("started");
    let page = send(&gateway, "GET / HTTP/1.1\r\nHost: localhost", b"").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("<title>The page</title>"), "{page}");
    for path in ["/nothing", "/../Cargo.toml", "/..%2fCargo.toml", "/things"] {
        let answer = send(&gateway, &format!("GET {path} HTTP/1.1\r\nHost: localhost"), b"").await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}: {answer}");
        assert!(answer.contains("\r\napigw-requestid: "), "{answer}");
        assert!(answer.ends_with("\r\n\r\n{\"message\":\"Not Found\"}"), "{answer}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn foreign_pages_and_rebound_names_are_refused_while_nobody_proves_who_they_are() {
    let gateway = Gateway::start(options()).await.expect("started");
    for head in [
        "POST /things HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example",
        "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\nConnection: upgrade",
        "GET / HTTP/1.1\r\nHost: evil.example",
    ] {
        let answer = send(&gateway, head, b"").await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{head}: {answer}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_function() {
    let gateway = Gateway::start(options()).await.expect("started");
    let head = "OPTIONS /things HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: POST";
    let answer = send(&gateway, head, b"").await;
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
    assert!(answer.contains("\r\naccess-control-allow-origin: https://app.example\r\n"), "{answer}");
    assert!(answer.contains("\r\naccess-control-allow-methods: GET,POST\r\n"), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_preflight_to_a_route_that_takes_it_needs_a_token_where_authorizers_are_enforced() {
    for (authorizers, status) in [(Authorizers::Off, "204"), (Authorizers::Enforced, "401")] {
        let gateway = Gateway::start(Options { authorizers, ..options() }).await.expect("started");
        // `POST /things` takes no OPTIONS, so that the platform answers it.
        for (path, status) in [("/things", "204"), ("/anything", status)] {
            let head = format!(
                "OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\
                 Access-Control-Request-Method: POST"
            );
            let answer = send(&gateway, &head, b"").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_body_over_ten_megabytes_is_refused() {
    let gateway = Gateway::start(options()).await.expect("started");
    // The declared length is enough: a client that waits for `100 Continue` never sends the body.
    let mut stream = TcpStream::connect(("localhost", gateway.port())).await.expect("connected");
    let head =
        "POST /things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 10485761\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
    assert!(answer.ends_with("{\"message\":\"Request Entity Too Large\"}"), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn enforced_authorizers_let_nobody_in_without_a_token_or_keys() {
    let options = Options { authorizers: Authorizers::Enforced, ..options() };
    let gateway = Gateway::start(options).await.expect("started");
    let answer = send(&gateway, "POST /things HTTP/1.1\r\nHost: localhost", b"{}").await;
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(answer.contains("\r\nwww-authenticate: Bearer\r\n"), "{answer}");
    assert!(answer.ends_with("{\"message\":\"Unauthorized\"}"), "{answer}");
    let token = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA";
    let head = format!("POST /things HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}");
    let answer = send(&gateway, &head, b"{}").await;
    assert!(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said_in_a_sentence() {
    let first = Gateway::start(options()).await.expect("started");
    let second = Gateway::start(Options { port: first.port(), ..options() }).await.expect_err("taken");
    assert!(second.to_string().starts_with(&format!("Port {} is taken: ", first.port())), "{second}");
    let missing = Gateway::start(Options { template: "/nowhere/template.yaml".into(), ..options() }).await;
    assert!(matches!(missing, Err(StartError::Template(_))), "{missing:?}");
    let faults = vec!["frames:offer:delay=5ms".to_owned()];
    let useless = Gateway::start(Options { faults, ..options() }).await.expect_err("no WebSocket API");
    assert!(useless.to_string().contains("there is no route that frames take"), "{useless}");
    let port = first.port();
    first.stop().await;
    let both = Gateway::start(Options { port, admin_port: Some(port), ..options() }).await;
    let both = both.expect_err("one port for two");
    assert!(both.to_string().ends_with("cannot be both: choose another --admin-port"), "{both}");
}
