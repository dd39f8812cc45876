//! One open connection: its frames in and out, its limits and its end.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as SocketError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::events::Facts;
use crate::aws::{answers, limits};

/// How long a closing handshake may take before the connection is dropped.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// A client that sends nothing for this long has seen that the connection is closed.
const DRAIN_PAUSE: Duration = Duration::from_millis(200);
/// The memory that one queued frame takes besides its text.
const FRAME_OVERHEAD: usize = 64;
/// Small, as there may be thousands of idle connections; of a longer frame the rest is read at once.
const READ_BUFFER: usize = 256;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A connection as others reach it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) facts: Facts,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    queued: AtomicUsize,
    outgoing_limit: usize,
    last_active: AtomicI64,
    end: Mutex<Option<oneshot::Sender<End>>>,
}

/// The other end of a `Connection`, for its task.
#[derive(Debug)]
pub(super) struct Inbox {
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    end: oneshot::Receiver<End>,
}

#[derive(Debug)]
enum Outgoing {
    Text(Utf8Bytes),
    Close(CloseFrame),
}

/// How a connection is ended from this side.
#[derive(Debug)]
pub(super) enum End {
    /// With a close frame, after everything queued.
    Close(CloseFrame),
    /// At once and without a close frame, as if the network had failed.
    Cut,
}

impl End {
    pub(super) fn going_away() -> Self {
        Self::Close(close_frame(CloseCode::Away, answers::GOING_AWAY))
    }

    pub(super) fn normally() -> Self {
        Self::Close(close_frame(CloseCode::Normal, answers::CLOSED_NORMALLY))
    }
}

/// The limits that a connection is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Frames handled at once.
    pub(super) in_flight: usize,
    pub(super) idle: Option<Duration>,
    pub(super) lifetime: Option<Duration>,
}

/// How a connection ended.
#[derive(Debug)]
enum Ending {
    /// The client sent a close frame; its answer is on its way.
    ByClient(Option<CloseFrame>),
    /// A close frame is to be sent.
    ByUs(CloseFrame),
    /// The client cannot be reached any more.
    Lost,
}

/// The queue of a connection has no room.
#[derive(Debug)]
pub(crate) struct Full;

impl Connection {
    pub(super) fn new(facts: Facts, outgoing_limit: usize) -> (Arc<Self>, Inbox) {
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let last_active = AtomicI64::new(facts.connected_at.timestamp_millis());
        let connection = Self {
            facts,
            outgoing,
            queued: AtomicUsize::new(0),
            outgoing_limit,
            last_active,
            end: Mutex::new(Some(end)),
        };
        (Arc::new(connection), Inbox { outgoing: queue, end: ended })
    }

    /// Queues a text frame; a client that does not read gets no more than fits.
    pub(crate) fn send(&self, text: Utf8Bytes) -> Result<(), Full> {
        let size = text.len() + FRAME_OVERHEAD;
        let queued = self.queued.fetch_add(size, Ordering::Relaxed);
        if queued + size > self.outgoing_limit {
            self.queued.fetch_sub(size, Ordering::Relaxed);
            return Err(Full);
        }
        self.touch();
        // This fails if the connection's task has ended just now, and so has the connection.
        let _ = self.outgoing.send(Outgoing::Text(text));
        Ok(())
    }

    /// Ends the connection; only the first call counts.
    pub(super) fn end(&self, end: End) {
        let sender = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            let _ = sender.send(end);
        }
    }

    pub(crate) fn last_active(&self) -> DateTime<Utc> {
        let millis = self.last_active.load(Ordering::Relaxed);
        DateTime::from_timestamp_millis(millis).unwrap_or(self.facts.connected_at)
    }

    fn touch(&self) {
        self.last_active.store(Utc::now().timestamp_millis(), Ordering::Relaxed);
    }

    fn idle_for(&self) -> Duration {
        (Utc::now() - self.last_active()).to_std().unwrap_or_default()
    }
}

/// Serves an accepted connection from its upgrade to its end. Every frame goes to `on_frame`; `on_end` is called once,
/// with the close code and reason.
///
/// There may be thousands of idle connections, so what an idle one has no use for is boxed: a future is as large as the
/// largest of all that it may become.
pub(super) async fn serve<Handling, Ended>(
    connection: &Connection,
    mut inbox: Inbox,
    upgrade: OnUpgrade,
    limits: Limits,
    on_frame: impl Fn(Utf8Bytes) -> Handling,
    on_end: impl FnOnce(u16, String) -> Ended,
) where
    Handling: Future<Output = ()>,
    Ended: Future<Output = ()>,
{
    let Ok(upgraded) = upgrade.await else {
        // The client went away while `$connect` ran.
        return Box::pin(on_end(CloseCode::Abnormal.into(), String::new())).await;
    };
    let config = WebSocketConfig::default()
        .max_frame_size(Some(limits::FRAME))
        .max_message_size(Some(limits::MESSAGE))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(READ_BUFFER);
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let id = &connection.facts.connection_id;
    tracing::debug!("connection {id} is open");
    let (mut sink, mut stream) = socket.split();
    let mut in_flight = FuturesUnordered::new();
    let mut timer = LimitTimer::new(limits);

    let ending = {
        let mut writing = std::pin::pin!(write(&mut sink, &mut inbox.outgoing, connection));
        loop {
            tokio::select! {
                frame = stream.next(), if in_flight.len() < limits.in_flight => {
                    match frame {
                        // Control frames keep no connection from being idle.
                        Some(Ok(Message::Text(body))) => {
                            connection.touch();
                            in_flight.push(Box::pin(on_frame(body)));
                        }
                        Some(Ok(Message::Close(frame))) => break Ending::ByClient(frame),
                        Some(Ok(Message::Binary(_))) => break by_us(CloseCode::Unsupported, answers::NOT_TEXT),
                        Some(Ok(_)) => {}
                        Some(Err(error)) => break on_error(&error),
                        None => break Ending::Lost,
                    }
                },
                Some(()) = in_flight.next(), if !in_flight.is_empty() => {},
                end = &mut inbox.end => break match end {
                    Ok(End::Close(frame)) => Ending::ByUs(frame),
                    Ok(End::Cut) | Err(_) => Ending::Lost,
                },
                _ = &mut writing => break Ending::Lost,
                () = timer.wait() => if let Some(reason) = timer.check(connection) {
                    break by_us(CloseCode::Away, reason);
                },
            }
        }
    };
    let (code, reason) = describe(&ending);
    tracing::debug!("connection {id} is closed: {code} {reason}");
    let after_end = on_end(code, reason);
    let closing = close(ending, sink, stream, &mut inbox.outgoing, connection);
    // Frames in flight are handled to the end, as functions do not notice that a client has left.
    let finishing = async { while in_flight.next().await.is_some() {} };
    Box::pin(async { tokio::join!(closing, finishing, after_end) }).await;
}

fn by_us(code: CloseCode, reason: &'static str) -> Ending {
    Ending::ByUs(close_frame(code, reason))
}

fn close_frame(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
}

fn on_error(error: &SocketError) -> Ending {
    match error {
        SocketError::Capacity(CapacityError::MessageTooLong { .. }) => {
            by_us(CloseCode::Size, answers::TOO_LONG)
        }
        SocketError::Utf8(_) => by_us(CloseCode::Invalid, answers::INVALID_TEXT),
        SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::Lost,
        SocketError::Protocol(_) => by_us(CloseCode::Protocol, answers::PROTOCOL_ERROR),
        _ => Ending::Lost,
    }
}

/// The code and reason that `$disconnect` gets.
fn describe(ending: &Ending) -> (u16, String) {
    match ending {
        Ending::ByClient(Some(frame)) | Ending::ByUs(frame) => (frame.code.into(), frame.reason.to_string()),
        Ending::ByClient(None) => (CloseCode::Status.into(), answers::NO_CLOSE_STATUS.into()),
        Ending::Lost => (CloseCode::Abnormal.into(), String::new()),
    }
}

/// Sends what is queued, until a close frame was sent or the client is gone.
async fn write(
    sink: &mut SplitSink<Socket, Message>,
    outgoing: &mut mpsc::UnboundedReceiver<Outgoing>,
    connection: &Connection,
) -> Result<(), SocketError> {
    while let Some(first) = outgoing.recv().await {
        let mut next = Some(first);
        // Frames that are queued together are sent together.
        while let Some(item) = next {
            match item {
                Outgoing::Text(text) => {
                    let size = text.len() + FRAME_OVERHEAD;
                    sink.feed(Message::Text(text)).await?;
                    connection.queued.fetch_sub(size, Ordering::Relaxed);
                }
                Outgoing::Close(frame) => return sink.send(Message::Close(Some(frame))).await,
            }
            next = outgoing.try_recv().ok();
        }
        sink.flush().await?;
    }
    Ok(())
}

/// Ends the transport; bounded, whatever the client does.
async fn close(
    ending: Ending,
    mut sink: SplitSink<Socket, Message>,
    mut stream: SplitStream<Socket>,
    outgoing: &mut mpsc::UnboundedReceiver<Outgoing>,
    connection: &Connection,
) {
    let handshake = async {
        match ending {
            Ending::Lost => return,
            // Reading on sends the answering close frame.
            Ending::ByClient(_) => {}
            Ending::ByUs(frame) => {
                let _ = connection.outgoing.send(Outgoing::Close(frame));
                if write(&mut sink, outgoing, connection).await.is_err() {
                    return;
                }
            }
        }
        while let Some(Ok(_)) = stream.next().await {}
        // After a broken or too large frame nothing can be read as frames; but closing with bytes unread resets
        // the connection, and the client may then never see the close frame.
        if let Ok(mut socket) = sink.reunite(stream) {
            let transport = socket.get_mut();
            let _ = transport.shutdown().await;
            let mut scratch = [0; 1024];
            while let Ok(Ok(1..)) = timeout(DRAIN_PAUSE, transport.read(&mut scratch)).await {}
        }
    };
    let _ = timeout(CLOSE_LIMIT, handshake).await;
}

/// Fires when an idle or lifetime limit may have passed.
struct LimitTimer {
    idle: Option<Duration>,
    ends: Option<Instant>,
    next: Option<Instant>,
}

impl LimitTimer {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let ends = limits.lifetime.map(|lifetime| now + lifetime);
        Self {
            idle: limits.idle,
            ends,
            next: limits.idle.map(|idle| now + idle).into_iter().chain(ends).min(),
        }
    }

    async fn wait(&self) {
        match self.next {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// The reason to close now; otherwise the timer is set anew.
    fn check(&mut self, connection: &Connection) -> Option<&'static str> {
        let now = Instant::now();
        if self.ends.is_some_and(|ends| now >= ends) {
            return Some(answers::GOING_AWAY);
        }
        let mut left = None;
        if let Some(idle) = self.idle {
            let quiet = connection.idle_for();
            if quiet >= idle {
                return Some(answers::GOING_AWAY);
            }
            left = Some(now + (idle - quiet).max(Duration::from_millis(1)));
        }
        self.next = left.into_iter().chain(self.ends).min();
        None
    }
}
