//! How long a connection may be idle, and how old it may get.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use gateway::websocket_api::WebSocketOptions;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{Gateway, api, within};
use crate::websocket::assert_disconnected;

#[tokio::test]
async fn limits_close_with_1001() {
    for options in [
        WebSocketOptions { idle_limit: Some(Duration::from_millis(100)), ..WebSocketOptions::default() },
        WebSocketOptions { lifetime: Some(Duration::from_millis(100)), ..WebSocketOptions::default() },
    ] {
        let gateway = Gateway::start_with(api(), options).await;
        let mut client = gateway.open("/").await;
        assert_eq!(client.close_frame().await.code, CloseCode::Away);
        assert_disconnected(&gateway, 1001).await;
    }
}

#[tokio::test]
async fn control_pings_do_not_keep_a_connection_from_being_idle() {
    let idle_limit = Some(Duration::from_millis(500));
    let gateway =
        Gateway::start_with(api(), WebSocketOptions { idle_limit, ..WebSocketOptions::default() }).await;
    let (mut sink, mut stream) = gateway.open("/").await.socket.split();
    let mut pongs = 0;
    let closing = async {
        // Each pong is answered with another ping, so that the connection is never silent.
        loop {
            let _ = sink.send(Message::Ping("".into())).await;
            match within("a pong or the end", stream.next()).await {
                Some(Ok(Message::Pong(_))) => pongs += 1,
                Some(Ok(Message::Close(Some(frame)))) => return frame.code,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(within("the end", closing).await, CloseCode::Away);
    assert!(pongs > 0);
    assert_disconnected(&gateway, 1001).await;
}
