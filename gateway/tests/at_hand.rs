//! What a developer has at hand: reloading, a record of all that happens, other names, a store that stays where it is.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use gateway::server::{Gateway, Options, Store};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::echo::Echo;
use crate::support::program::Program;
use crate::support::tiny::Tiny;
use crate::support::{Client, within};

async fn get(url: String, host: Option<&str>) -> (StatusCode, String) {
    let http: Http<_, Body> = Http::builder(TokioExecutor::new()).build_http();
    let mut request = Request::get(url);
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let response = within("an answer", http.request(request.body(Body::empty()).unwrap())).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(Body::new(response.into_body()), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn open(port: u16) -> Client {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let opening = tokio_tungstenite::client_async(format!("ws://127.0.0.1:{port}/"), stream);
    let (socket, _) = within("the upgrade", opening).await.unwrap();
    Client { socket }
}

#[tokio::test]
async fn an_edit_swaps_the_code_between_two_events_and_connections_stay_open() {
    let project = Tiny::new("one", false);
    let mut program = Program::start(project.folder(), &["--watch"]).await;
    let (url, port) = (program.url(), program.port());
    let mut client = open(port).await;
    client.send("x").await;
    assert_eq!(client.text().await, "one");

    // One instance works while the code changes.
    let slow = get(format!("{url}/slow"), None);
    let edited = async {
        program.wait_for_line("slow begins").await;
        project.write("tiny/src/word.txt", "two");
        program.wait_for_line("Renewed Tiny").await;
        get(format!("{url}/quick"), None).await
    };
    let (slow, quick) = tokio::join!(slow, edited);
    assert_eq!((slow.1.as_str(), quick.1.as_str()), ("one", "two"));
    client.send("x").await;
    assert_eq!(client.text().await, "two");

    // The code of before goes on where the new one does not compile.
    project.write("tiny/src/main.rs", "fn main() { no sense }");
    program.wait_for_line("expected one of").await;
    program.wait_for_line("do not compile").await;
    client.send("x").await;
    assert_eq!(client.text().await, "two");
    program.interrupt().await;
    assert!(program.wait().await.success());
}

#[tokio::test]
async fn the_record_holds_each_event_frame_and_push() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.ndjson");
    let echo = Echo::start(Options { record: Some(file.clone()), ..Options::default() }).await;
    echo.get("/echo/x?status=201").await;
    echo.get("/echo/x?error=no").await;
    let mut client = echo.open().await;
    let id = echo.connection_id().await;
    client.ping().await;
    echo.send(Method::POST, &format!("/@connections/{id}"), &[], "hello").await;
    assert_eq!(client.text().await, "hello");
    echo.gateway.stop().await;

    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |wanted: Value| {
        let wanted = wanted.as_object().unwrap().clone();
        let is_it = |line: &&Value| wanted.iter().all(|(name, value)| line[name] == *value);
        lines.iter().find(is_it).unwrap_or_else(|| panic!("{wanted:?} is not in {text}")).clone()
    };
    let first = find(json!({ "kind": "event", "function": "Echo", "number": 1 }));
    assert_eq!(first["event"]["rawQueryString"], "status=201");
    assert!(chrono::DateTime::parse_from_rfc3339(first["at"].as_str().unwrap()).is_ok());
    assert_eq!(find(json!({ "kind": "answer", "number": 1 }))["answer"]["statusCode"], 201);
    assert!(find(json!({ "kind": "answer", "number": 2 }))["error"].as_str().unwrap().ends_with(": no"));
    find(json!({ "kind": "event", "function": "Authorize" }));
    find(json!({ "kind": "frame", "connection": id, "direction": "in", "text": r#"{"action":"ping"}"# }));
    find(json!({ "kind": "frame", "connection": id, "direction": "out", "text": r#"{"action":"pong"}"# }));
    find(json!({ "kind": "push", "connection": id, "text": "hello", "status": 200 }));
    let closed = lines.last().unwrap();
    assert_eq!((&closed["kind"], &closed["function"]), (&json!("answer"), &json!("Echo")));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn another_name_is_let_in_where_it_was_given() {
    for (hosts, status) in
        [(vec![], StatusCode::FORBIDDEN), (vec!["phone.example".to_owned()], StatusCode::OK)]
    {
        let echo = Echo::start(Options { hosts, ..Options::default() }).await;
        let url = format!("{}/echo/x", echo.gateway.url());
        assert_eq!(get(url.clone(), Some("phone.example")).await.0, status);
        assert_eq!(get(url.clone(), Some("other.example")).await.0, StatusCode::FORBIDDEN);
        assert_eq!(get(url, None).await.0, StatusCode::OK);
        echo.gateway.stop().await;
    }
}

#[tokio::test]
async fn a_private_store_stays_at_the_port_that_it_was_given() {
    let project = Tiny::new("one", true);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let options = || Options {
        template: project.template(),
        executables: Some(BTreeMap::new()),
        store: Store::Ephemeral,
        store_port: Some(port),
        ..Options::default()
    };
    let taken = Gateway::start(options()).await.unwrap_err().to_string();
    assert!(taken.contains(&format!("port {port} is taken")), "{taken}");
    drop(free);
    for _ in 0..2 {
        let gateway = Gateway::start(options()).await.unwrap();
        assert_eq!(gateway.environment()["STORE"], format!("redis://127.0.0.1:{port}"));
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_management_request_for_no_connection_is_in_the_log() {
    let project = Tiny::new("one", false);
    let mut program = Program::start(project.folder(), &["-v"]).await;
    let (status, body) = get(format!("{}/@connections/none", program.url()), None).await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::BAD_REQUEST, r#"{"message":"Invalid connectionId: none"}"#)
    );
    program.wait_for_line("GET /@connections/none 400").await;
    program.interrupt().await;
    program.wait().await;
}
