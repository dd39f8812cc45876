//! The gateway in front of a real `cargo lambda watch`, which builds and runs the functions.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Client, EventLog, executables, project_folder, skip};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use gateway::server::{Gateway, Options};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// The first event of a function waits for cargo.
const BUILD_TIMEOUT: Duration = Duration::from_secs(300);

async fn within_a_build<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BUILD_TIMEOUT, future).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// `None` where there is no cargo-lambda.
async fn watch(port: u16, gateway: &Gateway) -> Option<Child> {
    let version = Command::new("cargo-lambda").args(["lambda", "--version"]).stdout(Stdio::null()).status();
    if !version.await.is_ok_and(|status| status.success()) {
        return None;
    }
    // Both build into the same folder; what is built already is not built again.
    executables();
    let mut command = Command::new("cargo-lambda");
    command
        .args(["lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()])
        .current_dir(project_folder())
        .envs(gateway.environment_elsewhere())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        // Cargo sets these variables for the package of this test.
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_") && name != "CARGO_HOME") {
            command.env_remove(name);
        }
    }
    let child = command.spawn().unwrap();
    let listening = async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within_a_build("its port", listening).await;
    Some(child)
}

async fn get(url: &str) -> (StatusCode, Value) {
    let http: Http<_, Body> = Http::builder(TokioExecutor::new()).build_http();
    let request = Request::get(url).body(Body::empty()).unwrap();
    let response = within_a_build(url, http.request(request)).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(Body::new(response.into_body()), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{status}: {body:?}")))
}

#[tokio::test]
async fn rest_and_websockets_work_in_front_of_cargo_lambda_watch() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let log = EventLog::new();
    let options = Options {
        template: project_folder().join("template.yaml"),
        environment: log.environment(),
        lambda_url: Some(format!("http://127.0.0.1:{port}")),
        ..Options::default()
    };
    let gateway = Gateway::start(options).await.unwrap();
    let Some(mut watch) = watch(port, &gateway).await else {
        return skip("cargo-lambda is not installed");
    };

    let (status, event) = get(&format!("{}/echo/x?y=1", gateway.url())).await;
    assert_eq!((status, event["routeKey"].as_str()), (StatusCode::OK, Some("ANY /echo/{proxy+}")));
    let (status, seen) = get(&format!("{}/echo/x?environment=1", gateway.url())).await;
    assert_eq!((status, seen["GREETING"].as_str()), (StatusCode::OK, Some("hello")));
    let (status, failure) = get(&format!("{}/echo/x?error=no", gateway.url())).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(failure["message"], "Internal Server Error");

    let url = format!("ws://127.0.0.1:{}/?token=allow", gateway.port());
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, gateway.port())).await.unwrap();
    let opening = tokio_tungstenite::client_async(url, stream);
    let (socket, _) = within_a_build("the upgrade", opening).await.unwrap();
    let mut client = Client { socket };
    client.send(r#"{"action":"echo"}"#).await;
    assert_eq!(client.json().await["requestContext"]["authorizer"]["principalId"], "ada");
    client.send(r#"{"action":"send","error":"no"}"#).await;
    assert_eq!(client.json().await["message"], "Internal server error");
    client.socket.close(None).await.unwrap();
    log.wait_for("DISCONNECT").await;

    // By itself, without the gateway, it serves plain requests by path.
    let (status, event) = get(&format!("http://127.0.0.1:{port}/plain/7")).await;
    assert_eq!((status, event["version"].as_str()), (StatusCode::OK, Some("2.0")));

    gateway.stop().await;
    watch.kill().await.unwrap();
}
