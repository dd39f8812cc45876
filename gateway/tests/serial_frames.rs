//! `--serial-frames`: what is handled one after another, and what is not.

use futures_util::{SinkExt as _, StreamExt as _};
use gateway::server::Options;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::echo::Echo;
use crate::support::{Client, within};

/// A frame that is answered with `name` after a while.
fn frame(name: &str, sleep_ms: u32) -> String {
    let raw = json!({ "statusCode": 200, "body": name });
    json!({ "action": "echo", "sleep": sleep_ms, "raw": raw }).to_string()
}

fn serial(faults: &[&str]) -> Options {
    let faults = faults.iter().map(|&fault| fault.to_owned()).collect();
    Options { serial_frames: true, faults, ..Options::default() }
}

async fn send_slow_then_quick(client: &mut Client) {
    client.send(&frame("slow", 300)).await;
    client.send(&frame("quick", 0)).await;
    client.send(r#"{"action":"ping"}"#).await;
}

#[tokio::test]
async fn frames_of_one_connection_are_handled_one_after_another() {
    let echo = Echo::start(serial(&[])).await;
    let mut client = echo.open().await;
    send_slow_then_quick(&mut client).await;
    for expected in ["slow", "quick", r#"{"action":"pong"}"#] {
        assert_eq!(client.text().await, expected);
    }
    echo.gateway.stop().await;
}

#[tokio::test]
async fn a_delayed_frame_keeps_its_place() {
    let echo = Echo::start(serial(&["frames:echo:delay=300ms"])).await;
    let mut client = echo.open().await;
    client.send(&frame("delayed", 0)).await;
    client.send(r#"{"action":"ping"}"#).await;
    assert_eq!(client.text().await, "delayed");
    assert_eq!(client.text().await, r#"{"action":"pong"}"#);
    echo.gateway.stop().await;
}

#[tokio::test]
async fn connections_do_not_wait_for_each_other() {
    let echo = Echo::start(serial(&[])).await;
    let (mut waiting, mut other) = (echo.open().await, echo.open().await);
    waiting.send(&frame("slow", 2000)).await;
    let started = std::time::Instant::now();
    other.send(&frame("quick", 0)).await;
    assert_eq!(other.text().await, "quick");
    assert!(started.elapsed().as_millis() < 2000);
    echo.gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_is_told_of_after_its_last_frame() {
    for lost in [false, true] {
        let faults: &[&str] = if lost { &["disconnect:lost=1"] } else { &[] };
        let echo = Echo::start(serial(faults)).await;
        let mut client = echo.open().await;
        for name in ["first", "second"] {
            client.send(&frame(name, 100)).await;
        }
        client.socket.send(Message::Close(None)).await.unwrap();
        let log = echo.log.clone();
        // Its answers and the close may cross.
        within("the end of the connection", async { while let Some(Ok(_)) = client.socket.next().await {} })
            .await;
        // Stopping waits for the events of connections that end.
        echo.gateway.stop().await;
        let types: Vec<_> =
            log.events().iter().map(|event| event["requestContext"]["eventType"].clone()).collect();
        let expected = json!(["CONNECT", "CONNECT", "MESSAGE", "MESSAGE", "DISCONNECT"]);
        let expected = &expected.as_array().unwrap()[..if lost { 4 } else { 5 }];
        assert_eq!(types, expected, "the first is the authorizer's");
    }
}
