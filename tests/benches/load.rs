//! The load: clients that create without pause, and two listeners that must be pushed every message.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

const BODY: &str =
    r#"{"sender_id":"alice","receiver_id":"bob","content":"What time shall we meet tomorrow?"}"#;
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last pushes may take.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<TcpStream>;

pub(crate) struct Load {
    pub(crate) clients: usize,
    pub(crate) duration: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) created: usize,
    took: Duration,
    /// Ascending, in milliseconds.
    latencies: Vec<f64>,
}

impl Outcome {
    pub(crate) fn rate(&self) -> f64 {
        self.created as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn percentile(&self, part: f64) -> f64 {
        self.latencies.get((self.latencies.len() as f64 * part) as usize).copied().unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Created {
    data: Id,
}

#[derive(Deserialize)]
struct Pushed<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: Option<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: Uuid,
}

impl Load {
    /// Creates for the time given and checks that both listeners were pushed every message once.
    pub(crate) async fn run(&self, port: u16) -> Outcome {
        // Instances start and code gets hot before the clock does.
        self.create(port, WARM_UP.min(self.duration)).await;
        let mut listeners = Vec::new();
        for user in ["alice", "bob"] {
            listeners.push(listen(port, user).await);
        }
        let expected = Arc::new(tokio::sync::watch::Sender::new(None));
        let listening = listeners.into_iter().map(|socket| {
            let expected = expected.subscribe();
            spawn(collect(socket, expected))
        });
        let listening: Vec<_> = listening.collect();
        let started = Instant::now();
        let (ids, latencies) = self.create(port, self.duration).await;
        let creating = started.elapsed();
        expected.send_replace(Some(ids.len()));
        for pushed in join_all(listening).await {
            assert_eq!(pushed.unwrap(), ids, "every message is pushed to everybody, once");
        }
        // The time of the last pushes counts.
        let took = started.elapsed().max(creating);
        Outcome { created: ids.len(), took, latencies }
    }

    async fn create(&self, port: u16, duration: Duration) -> (HashSet<Uuid>, Vec<f64>) {
        let until = Instant::now() + duration;
        let clients = (0..self.clients).map(|_| spawn(create_until(port, until)));
        let (mut ids, mut latencies) = (HashSet::new(), Vec::new());
        for (id, latency) in join_all(clients).await.into_iter().flat_map(Result::unwrap) {
            ids.insert(id);
            latencies.push(latency);
        }
        latencies.sort_by(f64::total_cmp);
        (ids, latencies)
    }
}

async fn create_until(port: u16, until: Instant) -> Vec<(Uuid, f64)> {
    let mut sender = connect_http(port).await;
    let mut created = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        let request = Request::post("/messages")
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(BODY))
            .unwrap();
        sender.ready().await.unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Created = serde_json::from_slice(&body).unwrap();
        created.push((answer.data.id, started.elapsed().as_secs_f64() * 1000.0));
    }
    created
}

async fn connect_http(port: u16) -> SendRequest<Body> {
    let (sender, connection) = handshake(TokioIo::new(connect(port).await)).await.unwrap();
    spawn(connection);
    sender
}

async fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

async fn open(port: u16) -> Socket {
    let url = format!("ws://localhost:{port}/");
    // Cleared before every read, so no larger than a few frames.
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let stream = connect(port).await;
    tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await.unwrap().0
}

async fn listen(port: u16, user: &str) -> Socket {
    let mut socket = open(port).await;
    socket.send(Message::text(format!(r#"{{"type":"register","userKey":"{user}"}}"#))).await.unwrap();
    let answer = timeout(PUSH_TIMEOUT, socket.next()).await.unwrap().unwrap().unwrap();
    assert!(answer.to_text().unwrap().contains("registered"), "{answer}");
    socket
}

/// Reads pushes until as many as expected have come; how many those are is known at the end only.
async fn collect(
    mut socket: Socket,
    mut expected: tokio::sync::watch::Receiver<Option<usize>>,
) -> HashSet<Uuid> {
    let mut ids = HashSet::new();
    loop {
        tokio::select! {
            frame = socket.next() => add(&mut ids, frame),
            _ = expected.changed() => break,
        }
    }
    let all = expected.borrow().unwrap();
    while ids.len() < all {
        add(&mut ids, timeout(PUSH_TIMEOUT, socket.next()).await.expect("pushes go on"));
    }
    ids
}

fn add(ids: &mut HashSet<Uuid>, frame: Option<Result<Message, Error>>) {
    let Message::Text(text) = frame.unwrap().unwrap() else { return };
    let pushed: Pushed<'_> = serde_json::from_str(&text).unwrap();
    assert_eq!(pushed.kind, "new_message");
    assert!(ids.insert(pushed.data.unwrap().id), "nothing is pushed twice");
}

/// Opens connections that then say nothing.
pub(crate) async fn open_idle(port: u16, count: usize) -> Vec<Socket> {
    let mut open_ones = Vec::with_capacity(count);
    while open_ones.len() < count {
        let some = (count - open_ones.len()).min(50);
        open_ones.extend(join_all((0..some).map(|_| open(port))).await);
    }
    open_ones
}

#[expect(clippy::disallowed_methods, reason = "nothing freezes here")]
fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}
