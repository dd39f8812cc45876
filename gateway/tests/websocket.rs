//! The WebSocket API as a client and its functions see it.

use crate::support::{Client, Gateway, api, authorizer, eventually, lambda_route, spawn, within};
use axum::http::{Method, StatusCode};
use futures_util::{SinkExt, StreamExt};
use gateway::connections_api;
use gateway::faults::Faults;
use gateway::project::WebSocketApi;
use gateway::websocket_api::WebSocketOptions;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

const KB: usize = 1024;

#[tokio::test]
async fn events_carry_what_those_of_aws_carry() {
    let gateway = Gateway::start().await;
    let headers = [("user-agent", "test/1"), ("x-tag", "one")];
    let (mut client, _) = gateway.try_open("/any/path?a=1&a=2&b=%C3%BC", &headers).await.unwrap();
    client.send(r#"{"action":"send","n":1}"#).await;
    let message = gateway.log.wait_for("MESSAGE").await;
    client
        .socket
        .close(Some(CloseFrame { code: CloseCode::Library(4001), reason: "bye".into() }))
        .await
        .unwrap();
    let disconnect = gateway.log.wait_for("DISCONNECT").await;
    let connect = gateway.log.wait_for("CONNECT").await;

    assert_eq!(connect["headers"]["X-Tag"], "one");
    assert_eq!(connect["headers"]["Host"], gateway.address.to_string());
    assert_eq!(connect["headers"]["Sec-WebSocket-Version"], "13");
    assert_eq!(connect["multiValueHeaders"]["User-Agent"], json!(["test/1"]));
    assert_eq!(connect["queryStringParameters"], json!({ "a": "2", "b": "ü" }));
    assert_eq!(connect["multiValueQueryStringParameters"], json!({ "a": ["1", "2"], "b": ["ü"] }));
    assert_eq!(connect["isBase64Encoded"], false);
    assert_eq!(message["body"], r#"{"action":"send","n":1}"#);
    assert_eq!(message["requestContext"]["routeKey"], "send");
    assert!(message["requestContext"]["messageId"].is_string());
    assert!(message.get("headers").is_none());
    assert_eq!(disconnect["requestContext"]["disconnectStatusCode"], 4001);
    assert_eq!(disconnect["requestContext"]["disconnectReason"], "bye");
    assert_eq!(disconnect["headers"]["Host"], gateway.address.to_string());

    for (event, key) in [(&connect, "$connect"), (&message, "send"), (&disconnect, "$disconnect")] {
        let context = &event["requestContext"];
        assert_eq!(context["routeKey"], key);
        assert_eq!(context["apiId"], "abcdef1234");
        assert_eq!(context["stage"], "dev");
        assert_eq!(context["domainName"], gateway.address.to_string());
        assert_eq!(context["messageDirection"], "IN");
        assert_eq!(context["identity"], json!({ "sourceIp": "127.0.0.1", "userAgent": "test/1" }));
        assert_eq!(context["connectionId"], connect["requestContext"]["connectionId"]);
        assert_eq!(context["connectedAt"], connect["requestContext"]["connectedAt"]);
        assert_eq!(context["requestId"], context["extendedRequestId"]);
        assert!(context["requestTimeEpoch"].as_i64() >= context["connectedAt"].as_i64());
        assert!(context["requestTime"].as_str().unwrap().ends_with(" +0000"));
    }
}

#[tokio::test]
async fn connect_decides_whether_a_client_gets_in() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.refusal("/?status=401").await, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.refusal("/?status=418").await, StatusCode::IM_A_TEAPOT);
    assert_eq!(gateway.refusal("/?error=no").await, StatusCode::BAD_GATEWAY);
    assert_eq!(gateway.refusal("/?panic=1").await, StatusCode::BAD_GATEWAY);
    assert_eq!(gateway.refusal("/?exit=3").await, StatusCode::BAD_GATEWAY);
    assert_eq!(gateway.refusal("/?raw=nonsense").await, StatusCode::BAD_GATEWAY);
    assert_eq!(gateway.refusal("/?status=99").await, StatusCode::BAD_GATEWAY);
    gateway.open("/?status=204").await.ping().await;
    assert_eq!(gateway.log.of_type("DISCONNECT").len(), 0);
}

#[tokio::test]
async fn the_upgrade_waits_for_connect_and_posts_meanwhile_find_nobody() {
    let gateway = Gateway::start().await;
    let mut opening = std::pin::pin!(gateway.open("/?sleep=400"));
    let posting = async {
        let id = gateway.connection_id().await;
        connections_api::handle(&gateway.websocket, &Method::POST, &id, "hello".into()).await.status()
    };
    let status = tokio::select! {
        _ = &mut opening => panic!("the upgrade did not wait"),
        status = posting => status,
    };
    assert_eq!(status, StatusCode::GONE);
    opening.await.ping().await;
}

#[tokio::test]
async fn without_a_connect_route_everybody_gets_in() {
    let mut api = api();
    api.routes.remove("$connect");
    let gateway = Gateway::start_with(api, WebSocketOptions::default()).await;
    gateway.open("/?status=403").await.ping().await;
}

#[tokio::test]
async fn a_closed_api_lets_nobody_in() {
    let closed = Some("its authorization cannot be emulated".to_owned());
    let gateway = Gateway::start_with(WebSocketApi { closed, ..api() }, WebSocketOptions::default()).await;
    assert_eq!(gateway.refusal("/").await, StatusCode::FORBIDDEN);
    assert_eq!(gateway.lambda.started("Echo"), 0);
}

#[tokio::test]
async fn the_function_chooses_the_subprotocol() {
    let gateway = Gateway::start().await;
    let offered = [("sec-websocket-protocol", "chat, video")];
    let (_, response) = gateway.try_open("/?protocol=video", &offered).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "video");
}

#[tokio::test]
async fn a_broken_upgrade_is_refused_before_any_function_runs() {
    let gateway = Gateway::start().await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    within("an answer", tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    assert_eq!(gateway.lambda.instances("Echo"), 0);
}

#[tokio::test]
async fn an_authorizer_guards_connect_and_its_context_goes_with_every_event() {
    let mut api = api();
    api.routes.get_mut("$connect").unwrap().authorizer = Some(authorizer());
    let gateway = Gateway::start_with(api, WebSocketOptions::default()).await;
    assert_eq!(gateway.refusal("/").await, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.refusal("/?token=").await, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.lambda.instances("Authorize"), 0, "a missing identity source invokes nothing");
    assert_eq!(gateway.refusal("/?token=deny").await, StatusCode::FORBIDDEN);
    assert_eq!(gateway.refusal("/?token=unauthorized").await, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.refusal("/?token=broken").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(gateway.refusal("/?token=nonsense").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(gateway.log.of_type("CONNECT").is_empty(), "$connect runs for the authorized only");

    let mut client = gateway.open("/?token=allow").await;
    client.send(r#"{"action":"echo"}"#).await;
    let message = client.json().await;
    drop(client);
    let disconnect = gateway.log.wait_for("DISCONNECT").await;
    let connect = gateway.log.wait_for("CONNECT").await;
    for event in [connect, message, disconnect] {
        let authorizer = &event["requestContext"]["authorizer"];
        assert_eq!(authorizer["principalId"], "ada");
        assert_eq!(authorizer["team"], "engines");
        assert_eq!(authorizer["level"], "7");
        assert_eq!(authorizer["admin"], "true");
    }
}

#[tokio::test]
async fn what_selects_no_route_goes_to_default() {
    let mut api = api();
    api.routes.insert("$default".into(), lambda_route(true));
    let gateway = Gateway::start_with(api, WebSocketOptions::default()).await;
    let mut client = gateway.open("/").await;
    for sent in ["hello", "[1]", "", r#"{"action":"unknown"}"#, r#"{"action":"$connect"}"#, r#"{"other":1}"#]
    {
        client.send(sent).await;
        let event = client.json().await;
        assert_eq!(event["requestContext"]["routeKey"], "$default");
        assert_eq!(event["requestContext"]["eventType"], "MESSAGE");
        assert_eq!(event["body"], sent);
    }
    client.send(r#"{"action":1}"#).await;
    assert_eq!(client.json().await["requestContext"]["routeKey"], "1");
}

#[tokio::test]
async fn frames_of_one_connection_run_concurrently() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    client.send(r#"{"action":"echo","sleep":1000,"n":"slow"}"#).await;
    client.send(r#"{"action":"echo","n":"fast"}"#).await;
    assert!(client.json().await["body"].as_str().unwrap().contains("fast"));
    assert!(client.json().await["body"].as_str().unwrap().contains("slow"));
}

#[tokio::test]
async fn a_flood_is_slowed_down_and_loses_nothing() {
    let options = WebSocketOptions { in_flight: 4, ..WebSocketOptions::default() };
    let gateway = Gateway::start_with(api(), options).await;
    let client = gateway.open("/").await;
    let (mut sink, mut stream) = client.socket.split();
    let sending = async {
        for n in 0..500 {
            sink.send(Message::text(format!(
                r#"{{"action":"echo","raw":{{"statusCode":200,"body":"{n}"}}}}"#
            )))
            .await
            .unwrap();
        }
    };
    let receiving = async {
        let mut seen = Vec::new();
        while seen.len() < 500 {
            if let Some(Ok(Message::Text(text))) = within("an answer", stream.next()).await {
                assert!(gateway.lambda.busy("Echo") <= 4, "no more than four at once");
                seen.push(text.parse::<u32>().unwrap());
            }
        }
        seen.sort_unstable();
        seen
    };
    let (_, seen) = tokio::join!(sending, receiving);
    assert_eq!(seen, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_fault_lets_later_frames_overtake() {
    let faults = Faults::parse(["frames:echo:delay=500ms"]).unwrap();
    let options = WebSocketOptions { faults: faults.clone(), ..WebSocketOptions::default() };
    let gateway = Gateway::start_with(api(), options).await;
    let mut client = gateway.open("/").await;
    client.send(r#"{"action":"echo"}"#).await;
    client.ping().await;
    assert_eq!(client.json().await["requestContext"]["routeKey"], "echo");
}

#[tokio::test]
async fn binary_frames_close_with_1003() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.close_frame().await.code, CloseCode::Unsupported);
    assert_disconnected(&gateway, 1003).await;
}

async fn send_fragments(client: &mut Client, sizes: &[usize]) {
    for (index, size) in sizes.iter().enumerate() {
        let opcode = if index == 0 { Data::Text } else { Data::Continue };
        let text = "x".repeat(*size);
        let frame = Frame::message(text, OpCode::Data(opcode), index + 1 == sizes.len());
        client.socket.send(Message::Frame(frame)).await.unwrap();
    }
}

#[tokio::test]
async fn a_frame_over_32_kb_closes_with_1009() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    send_fragments(&mut client, &[32 * KB]).await;
    assert_eq!(client.json().await["message"], "Forbidden");
    send_fragments(&mut client, &[32 * KB + 1]).await;
    assert_eq!(client.close_frame().await.code, CloseCode::Size);
    assert_disconnected(&gateway, 1009).await;
}

#[tokio::test]
async fn a_message_over_128_kb_closes_with_1009() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    send_fragments(&mut client, &[32 * KB; 4]).await;
    assert_eq!(client.json().await["message"], "Forbidden");
    send_fragments(&mut client, &[32 * KB, 32 * KB, 32 * KB, 32 * KB, 1]).await;
    assert_eq!(client.close_frame().await.code, CloseCode::Size);
    assert_disconnected(&gateway, 1009).await;
}

#[tokio::test]
async fn a_huge_frame_is_refused_with_a_close_frame_too() {
    let gateway = Gateway::start().await;
    let client = gateway.open("/").await;
    let (mut sink, mut stream) = client.socket.split();
    // The server stops reading and closes; whether all of this leaves is its business.
    let sending = spawn(async move { sink.send(Message::text("x".repeat(1024 * KB))).await });
    match within("a close frame", stream.next()).await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Size),
        other => panic!("{other:?}"),
    }
    drop(stream);
    let _ = within("the end of sending", sending).await;
}

pub(crate) async fn assert_disconnected(gateway: &Gateway, code: u16) {
    let event = gateway.log.wait_for("DISCONNECT").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], code);
    eventually("the connection is forgotten", || (gateway.websocket.connections() == 0).then_some(())).await;
    assert_eq!(gateway.log.of_type("DISCONNECT").len(), 1);
}

#[tokio::test]
async fn disconnect_tells_how_a_client_left() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    client.socket.close(None).await.unwrap();
    let event = gateway.log.wait_for("DISCONNECT").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1005);
    assert_eq!(event["requestContext"]["disconnectReason"], "Client-side close frame status not set");
    assert!(within("the end", client.socket.next()).await.is_some_and(|frame| frame.unwrap().is_close()));

    let gateway = Gateway::start().await;
    drop(gateway.open("/").await);
    assert_disconnected(&gateway, 1006).await;

    let gateway = Gateway::start().await;
    let mut client = gateway.open("/").await;
    client.socket.send(Message::Ping("are you there?".into())).await.unwrap();
    let pong = within("a pong", client.socket.next()).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong("are you there?".into()));
    let id = gateway.connection_id().await;
    assert!(gateway.websocket.cut(&id));
    assert!(within("the end", client.socket.next()).await.is_none_or(|frame| frame.is_err()));
    assert_disconnected(&gateway, 1006).await;
}

#[tokio::test]
async fn a_client_that_leaves_during_connect_is_still_disconnected() {
    let gateway = Gateway::start().await;
    let mut opening = Box::pin(gateway.try_open("/?sleep=200", &[]));
    tokio::select! {
        _ = &mut opening => panic!("the upgrade did not wait"),
        _ = gateway.connection_id() => {}
    }
    drop(opening);
    assert_disconnected(&gateway, 1006).await;
}

#[tokio::test]
async fn a_lost_disconnect_is_never_delivered() {
    let faults = Faults::parse(["disconnect:lost=0.5"]).unwrap();
    let options = WebSocketOptions { faults, ..WebSocketOptions::default() };
    let gateway = Gateway::start_with(api(), options).await;
    for _ in 0..2 {
        drop(gateway.open("/").await);
        eventually("the connection ends", || (gateway.websocket.connections() == 0).then_some(())).await;
    }
    gateway.websocket.stop().await;
    assert_eq!(gateway.log.of_type("CONNECT").len(), 2);
    assert_eq!(gateway.log.of_type("DISCONNECT").len(), 1);
}

#[tokio::test]
async fn stopping_closes_every_connection_with_1001() {
    let gateway = Gateway::start().await;
    let mut clients = [gateway.open("/").await, gateway.open("/").await];
    let stopping = gateway.websocket.stop();
    let closing = async {
        for client in &mut clients {
            assert_eq!(client.close_frame().await.code, CloseCode::Away);
        }
    };
    tokio::join!(stopping, closing);
    assert_eq!(gateway.log.of_type("DISCONNECT").len(), 2);
    assert_eq!(gateway.websocket.connections(), 0);
    gateway.lambda.stop().await;
    assert_eq!(gateway.lambda.instances("Echo"), 0);
}
