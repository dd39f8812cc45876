//! One open WebSocket of a user.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{Mode, User, in_time, recording};

/// Most bytes of one frame; a longer message is sent in several.
const FRAME_BYTES: usize = 32 * 1024;

/// A connection, registered or not.
#[derive(Debug)]
pub struct Device {
    socket: WebSocketStream<TcpStream>,
    /// Frames that came before the one that was waited for, in order.
    kept: VecDeque<String>,
    settled: u64,
    /// Whether it may name any user as its own.
    names_users: bool,
}

impl Device {
    pub(crate) fn new(socket: WebSocketStream<TcpStream>, mode: Mode) -> Self {
        Self { socket, kept: VecDeque::new(), settled: 0, names_users: mode == Mode::Open }
    }

    /// Registers and returns `registered`.
    pub async fn register(&mut self, user_key: &str) -> Value {
        self.send(json!({ "type": "register", "userKey": user_key })).await;
        let registered = self.expect("registered").await;
        assert_eq!(registered["userKey"], user_key);
        registered
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(frame.to_string()).await;
    }

    /// Sends a text in frames of at most 32 KB.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        let text = text.into();
        recording::sent(&text);
        if text.len() <= FRAME_BYTES {
            return self.send_raw(Message::text(text)).await;
        }
        let pieces: Vec<_> = text.as_bytes().chunks(FRAME_BYTES).collect();
        for (place, piece) in pieces.iter().enumerate() {
            let opcode = OpCode::Data(if place == 0 { Data::Text } else { Data::Continue });
            let frame = Frame::message(piece.to_vec(), opcode, place + 1 == pieces.len());
            self.send_raw(Message::Frame(frame)).await;
        }
    }

    /// Sends a text in one frame, whatever its size.
    pub async fn send_in_one_frame(&mut self, text: String) {
        self.send_raw(Message::text(text)).await;
    }

    pub async fn send_binary(&mut self, bytes: &[u8]) {
        self.send_raw(Message::binary(bytes.to_vec())).await;
    }

    async fn send_raw(&mut self, message: Message) {
        in_time("room to send", self.socket.send(message)).await.expect("the connection is open");
    }

    /// The next frame, whatever it is.
    pub async fn next(&mut self) -> Value {
        parse(&self.next_text().await)
    }

    /// The next frame as it came.
    pub async fn next_text(&mut self) -> String {
        match self.kept.pop_front() {
            Some(text) => text,
            None => self.receive("a frame").await,
        }
    }

    /// The next frame, whatever it is; `None` once the connection has ended, however it did.
    pub async fn next_or_end(&mut self) -> Option<Value> {
        if let Some(text) = self.kept.pop_front() {
            return Some(parse(&text));
        }
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => {
                    recording::received(&text);
                    return Some(parse(&text));
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next frame of a type; those that come before it are kept for later.
    pub async fn expect(&mut self, kind: &str) -> Value {
        self.expect_where(kind, |frame| frame["type"] == kind).await
    }

    /// The next frame that `wanted` tells; those that come before it are kept for later.
    pub async fn expect_where(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.kept.iter().position(|text| wanted(&parse(text))) {
            return parse(&self.kept.remove(place).unwrap_or_default());
        }
        loop {
            let text = self.receive(what).await;
            let frame = parse(&text);
            if wanted(&frame) {
                return frame;
            }
            self.kept.push_back(text);
        }
    }

    /// As many frames of a type, in the order in which they came.
    pub async fn expect_many(&mut self, kind: &str, count: usize) -> Vec<Value> {
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            frames.push(self.expect(kind).await);
        }
        frames
    }

    /// Fails if anything has come but what was expected: nothing stands before the answer to a ping.
    pub async fn expect_silence(&mut self) {
        assert!(self.kept.is_empty(), "unexpected: {:?}", self.kept);
        self.send(json!({ "type": "ping" })).await;
        assert_eq!(self.next_text().await, r#"{"type":"pong"}"#);
    }

    /// Awaits the answer to a ping; what comes before it is kept.
    pub async fn ping(&mut self) {
        self.send(json!({ "type": "ping" })).await;
        self.expect("pong").await;
    }

    /// All frames that have come.
    pub async fn take_all(&mut self) -> Vec<Value> {
        self.ping().await;
        self.kept.drain(..).map(|text| parse(&text)).collect()
    }

    /// Awaits that whatever this connection sent before has been dealt with: two answers to nobody, which make no call,
    /// are refused one after the other, each of which costs as much as any frame before it.
    pub async fn settle(&mut self) {
        for _ in 0..2 {
            self.settled += 1;
            let reference = format!("settled-{}", self.settled);
            let nobody = format!("nobody-{}", uuid::Uuid::now_v7());
            let mut answer = json!({ "type": "answer", "target": nobody, "data": null, "ref": reference });
            if self.names_users {
                answer["userKey"] = json!("settling");
            }
            self.send(answer).await;
            self.expect_where("the refusal of an answer to nobody", |frame| {
                frame["ref"] == reference.as_str()
            })
            .await;
        }
    }

    /// Sends a signal; its outcome is for other connections to see.
    pub async fn signal(&mut self, kind: &str, from: &User, to: &User, data: Value) {
        self.send(json!({ "type": kind, "target": to.key, "userKey": from.key, "data": data })).await;
    }

    /// Awaits that the server closes this connection; returns the close code.
    pub async fn expect_close(&mut self) -> u16 {
        loop {
            match in_time("the close of the connection", self.socket.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map_or(1005, |frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) | None => {
                    panic!("closed without a close frame")
                }
                Some(Err(error)) => panic!("closed without a close frame: {error}"),
            }
        }
    }

    /// Closes as a client does, and awaits the server's part of it.
    pub async fn close(mut self) {
        let closing = async {
            self.socket.close(None).await.expect("the connection was open");
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        in_time("the end of the connection", closing).await;
    }

    /// Lets the connection die without a word, as a phone in a tunnel does, and awaits that the server has
    /// noticed.
    pub async fn cut(self) {
        let mut stream = self.socket.into_inner();
        let dying = async {
            stream.shutdown().await.expect("the connection was open");
            let mut rest = Vec::new();
            // Frames that are still on their way do not matter, nor does how the server closes.
            let _ = stream.read_to_end(&mut rest).await;
        };
        in_time("the end of the connection", dying).await;
    }

    /// The same with a reset, which cannot be waited for.
    pub fn reset(self) {
        let stream = self.socket.into_inner();
        stream.set_zero_linger().expect("a socket takes options");
    }

    async fn receive(&mut self, what: &str) -> String {
        loop {
            match in_time(what, self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    recording::received(&text);
                    return text.as_str().to_owned();
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("waiting for {what}, got {other:?} after {:?}", self.kept),
            }
        }
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
