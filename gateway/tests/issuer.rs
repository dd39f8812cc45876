//! The development issuer on a real port: who may ask it, and what its tokens are worth.

use std::collections::BTreeMap;
use std::path::Path;

use gateway::http_api::Authorizers;
use gateway::server::{Gateway, Options};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A project in a folder of its own, where the issuer keeps its key.
fn copy_project() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/issuer/template.yaml");
    std::fs::copy(template, folder.path().join("template.yaml")).expect("copied");
    folder
}

async fn start(folder: &TempDir, port: u16) -> Gateway {
    let options = Options {
        template: folder.path().join("template.yaml"),
        executables: Some(BTreeMap::new()),
        authorizers: Authorizers::Enforced,
        port,
        ..Options::default()
    };
    Gateway::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Sends the request and returns the whole answer.
async fn send(gateway: &Gateway, request: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("localhost", gateway.port())).await.expect("connected");
    let host = if headers.contains("Host:") { "" } else { "Host: localhost\r\n" };
    let length = body.len();
    let head =
        format!("{request} HTTP/1.1\r\n{host}{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

async fn sign_in(gateway: &Gateway) -> String {
    let answer = send(gateway, "POST /_gateway/token", "Accept: text/plain\r\n", "sub=alice").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer.lines().last().expect("a token").to_owned()
}

/// The status of a request with this token. Its function cannot be started: who is let in gets a 5xx.
async fn status_with(gateway: &Gateway, token: &str) -> u16 {
    let answer = send(gateway, "POST /things", &format!("Authorization: Bearer {token}\r\n"), "{}").await;
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test]
async fn a_token_survives_a_restart() {
    let folder = copy_project();
    let gateway = start(&folder, 0).await;
    let token = sign_in(&gateway).await;
    assert_eq!(status_with(&gateway, "no.good.token").await, 401);
    assert_eq!(status_with(&gateway, &token).await, 502);
    let port = gateway.port();
    gateway.stop().await;
    let again = start(&folder, port).await;
    assert_eq!(status_with(&again, &token).await, 502);
    let other_folder = copy_project();
    let another = start(&other_folder, 0).await;
    assert_eq!(status_with(&another, &token).await, 401, "another project's");
    again.stop().await;
}

#[tokio::test]
async fn its_keys_are_published() {
    let folder = copy_project();
    let gateway = start(&folder, 0).await;
    let answer = send(&gateway, "GET /.well-known/jwks.json", "", "").await;
    let keys: Value = serde_json::from_str(answer.lines().last().expect("a body")).expect("JSON");
    let key = &keys["keys"][0];
    assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&"RSA".into(), &"RS256".into(), &"sig".into()));
    assert!(key.get("d").is_none() && keys["keys"].as_array().is_some_and(|keys| keys.len() == 1), "{keys}");
    let answer = send(&gateway, "GET /.well-known/openid-configuration", "", "").await;
    let configuration: Value = serde_json::from_str(answer.lines().last().expect("a body")).expect("JSON");
    let url = format!("http://localhost:{}", gateway.port());
    assert_eq!(configuration["issuer"], url);
    assert_eq!(configuration["jwks_uri"], format!("{url}/.well-known/jwks.json"));
    gateway.stop().await;
}

#[tokio::test]
async fn foreign_pages_and_rebound_names_get_no_token() {
    let folder = copy_project();
    let gateway = start(&folder, 0).await;
    for headers in ["Origin: https://evil.example\r\n", "Origin: null\r\n", "Host: evil.example\r\n"] {
        let answer = send(&gateway, "POST /_gateway/token", headers, "sub=alice").await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{headers}: {answer}");
        assert!(!answer.contains("access_token"), "{answer}");
    }
    for (origin, allowed) in
        [("http://localhost:5173", true), ("https://app.example", true), ("https://evil.example", false)]
    {
        let headers = format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n");
        let answer = send(&gateway, "OPTIONS /_gateway/token", &headers, "").await;
        let line = format!("\r\naccess-control-allow-origin: {origin}\r\n");
        assert_eq!(answer.contains(&line), allowed, "{answer}");
        if allowed {
            let answer =
                send(&gateway, "POST /_gateway/token", &format!("Origin: {origin}\r\n"), "sub=alice").await;
            assert!(answer.contains(&line) && answer.contains("access_token"), "{answer}");
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_sentence() {
    let folder = copy_project();
    let gateway = start(&folder, 0).await;
    let large = "x".repeat(20_000);
    for (request, body, status) in [
        ("POST /_gateway/token", "", 400),
        ("POST /_gateway/token", "{", 400),
        ("POST /_gateway/token", r#"{"sub":"a","exp":"soon"}"#, 400),
        ("POST /_gateway/token", large.as_str(), 413),
        ("GET /_gateway/token", "", 405),
        ("DELETE /.well-known/jwks.json", "", 405),
    ] {
        let answer = send(&gateway, request, "", body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        let error: Value = serde_json::from_str(answer.lines().last().expect("a body")).expect("JSON");
        assert_eq!(error["error"], "invalid_request");
        assert!(error["error_description"].as_str().is_some_and(|sentence| !sentence.is_empty()));
    }
    gateway.stop().await;
}
