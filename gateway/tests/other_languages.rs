//! WebSockets in front of functions in another language, which a server of the Invoke API runs: Node's, from the
//! example.

use std::path::Path;
use std::process::Stdio;

use gateway::server::{Gateway, Options};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::error::Error as SocketError;

use crate::support::{Client, skip, within};

/// `None` where there is no Node.
async fn invoke_server(function: &Path) -> Option<(Child, u16)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/invoke-server.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(format!("Chat={}", function.display())).env("ROOM", "lobby");
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().ok()?;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = within("its port", lines.next_line()).await.unwrap()?;
    Some((child, port.parse().unwrap()))
}

async fn open(gateway: &Gateway, query: &str) -> Result<Client, SocketError> {
    let stream = TcpStream::connect(("127.0.0.1", gateway.port())).await?;
    let url = format!("ws://127.0.0.1:{}/live{query}", gateway.port());
    let (socket, _) = within("the upgrade", tokio_tungstenite::client_async(url, stream)).await?;
    Ok(Client { socket })
}

#[tokio::test]
async fn websockets_work_in_front_of_functions_in_node() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/node-chat");
    let Some((_server, port)) = invoke_server(&example.join("chat/app.mjs")).await else {
        return skip("node is not installed");
    };
    let options = Options {
        template: example.join("template.yaml"),
        lambda_url: Some(format!("http://127.0.0.1:{port}")),
        ..Options::default()
    };
    let gateway = Gateway::start(options).await.unwrap();
    assert!(matches!(open(&gateway, "").await, Err(SocketError::Http(refused)) if refused.status() == 401));
    let mut client = open(&gateway, "?name=ada").await.unwrap();
    client.send(r#"{"text":"hello"}"#).await;
    let answer = client.json().await;
    assert_eq!((&answer["room"], &answer["text"]), (&json!("lobby"), &json!("hello")));
    // The handler throws on what is no JSON.
    client.send("{").await;
    assert_eq!(client.json().await["message"], "Internal server error");
    client.send(r#"{"text":"still there"}"#).await;
    assert_eq!(client.json().await["text"], "still there");
    gateway.stop().await;
}
