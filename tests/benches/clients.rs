//! Clients of the servers that are compared: one that sends messages over HTTP, and one that is pushed frames over a
//! WebSocket, plain or of Socket.IO.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use uuid::Uuid;

/// How long a frame may take.
pub(crate) const FRAME_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that are opened at once.
const OPENED_AT_ONCE: usize = 50;

/// What a server's frames are wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// A JSON object with its `type`.
    Plain,
    /// An event of Socket.IO, in a packet of Engine.IO.
    SocketIo,
}

pub(crate) struct Sender(SendRequest<Body>);

#[derive(Deserialize)]
struct Created {
    data: Id,
}

#[derive(Deserialize)]
struct Id {
    id: Uuid,
}

impl Sender {
    pub(crate) async fn connect(port: u16) -> Self {
        let (sender, connection) = handshake(TokioIo::new(connect(port).await)).await.unwrap();
        spawn(connection);
        Self(sender)
    }

    /// Sends a message; the status if it was not created.
    pub(crate) async fn create(&mut self, from: &str, to: &str) -> Result<Uuid, StatusCode> {
        let body = format!(
            r#"{{"sender_id":"{from}","receiver_id":"{to}","content":"What time shall we meet tomorrow?"}}"#
        );
        let request = Request::post("/messages")
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        self.0.ready().await.unwrap();
        let response = self.0.send_request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        if status != StatusCode::CREATED {
            return Err(status);
        }
        let created: Created = serde_json::from_slice(&body).unwrap();
        Ok(created.data.id)
    }
}

/// A registered connection.
pub(crate) struct Listener {
    socket: WebSocketStream<TcpStream>,
    wire: Wire,
}

/// The part of a frame that is looked at.
#[derive(Deserialize)]
pub(crate) struct Frame {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    data: Option<Value>,
}

impl Frame {
    /// The message that a `new_message` tells of.
    pub(crate) fn message_id(&self) -> Uuid {
        assert_eq!(self.kind, "new_message");
        let id = self.data.as_ref().and_then(|data| data["id"].as_str());
        id.and_then(|id| id.parse().ok()).unwrap()
    }
}

impl Listener {
    pub(crate) async fn register(port: u16, wire: Wire, user: &str) -> Self {
        let mut listener = Self { socket: open(port, wire).await, wire };
        if wire == Wire::SocketIo {
            // The handshake of Engine.IO, then that of Socket.IO.
            assert!(listener.text().await.starts_with('0'));
            listener.socket.send(Message::text("40")).await.unwrap();
            assert!(listener.text().await.starts_with("40"));
        }
        listener.send(&json!({ "type": "register", "userKey": user })).await;
        assert_eq!(listener.next().await.kind, "registered");
        listener
    }

    /// Registers connections of these users.
    pub(crate) async fn register_all(port: u16, wire: Wire, users: &[String]) -> Vec<Self> {
        let mut listeners = Vec::with_capacity(users.len());
        for some in users.chunks(OPENED_AT_ONCE) {
            listeners.extend(join_all(some.iter().map(|user| Self::register(port, wire, user))).await);
        }
        listeners
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        let text = match self.wire {
            Wire::Plain => frame.to_string(),
            Wire::SocketIo => format!("42{}", json!([frame["type"], frame])),
        };
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next frame. Dropped before it is there, nothing is lost.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            let text = self.text().await;
            match self.wire {
                Wire::Plain => return serde_json::from_str(&text).unwrap(),
                // A ping, which a connection that is not to be closed answers.
                Wire::SocketIo if text == "2" => self.socket.send(Message::text("3")).await.unwrap(),
                Wire::SocketIo => {
                    let event = text.strip_prefix("42").unwrap_or_else(|| panic!("no event: {text}"));
                    let (_, frame): (String, Frame) = serde_json::from_str(event).unwrap();
                    return frame;
                }
            }
        }
    }

    /// The next frame, which has to come, and when it came.
    pub(crate) async fn expect(&mut self, kind: &str) -> Instant {
        let frame = timeout(FRAME_TIMEOUT, self.next()).await.unwrap_or_else(|_| panic!("no {kind} came"));
        let now = Instant::now();
        assert_eq!(frame.kind, kind);
        now
    }

    async fn text(&mut self) -> String {
        loop {
            match self.socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("a text was expected, not {other:?}"),
            }
        }
    }
}

/// Opens connections that then say nothing.
pub(crate) async fn open_idle(port: u16, count: usize) -> Vec<WebSocketStream<TcpStream>> {
    let mut open_ones = Vec::with_capacity(count);
    while open_ones.len() < count {
        let some = (count - open_ones.len()).min(OPENED_AT_ONCE);
        open_ones.extend(join_all((0..some).map(|_| open(port, Wire::Plain))).await);
    }
    open_ones
}

async fn open(port: u16, wire: Wire) -> WebSocketStream<TcpStream> {
    let path = match wire {
        Wire::Plain => "",
        Wire::SocketIo => "socket.io/?EIO=4&transport=websocket",
    };
    let url = format!("ws://localhost:{port}/{path}");
    // Cleared before every read, so no larger than a few frames.
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let stream = connect(port).await;
    tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await.unwrap().0
}

async fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

#[expect(clippy::disallowed_methods, reason = "nothing freezes here")]
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}
