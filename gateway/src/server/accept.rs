//! Accepted connections: HTTP/1.1 on each, with a limit on how long a request may take to arrive.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyDataStream;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait where no connection can be accepted, as when every file descriptor is taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many new connections are read at once, and how long one of them counts as new at most. A request and its answer
/// need far more memory than an open WebSocket, and memory that thousands took at once is not given back.
const NEW_LIMIT: usize = 128;
const NEW_FOR: Duration = Duration::from_millis(50);

/// Serves `app` until `shutdown`; connections finish their requests in progress within `tasks`.
pub(super) async fn run(
    listener: TcpListener,
    app: Router,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    timeout: Duration,
) {
    let new = Arc::new(Semaphore::new(NEW_LIMIT));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (new, app, shutdown) = (Arc::clone(&new), app.clone(), shutdown.clone());
                tasks.spawn(async move {
                    let Ok(new) = new.acquire_owned().await else { return };
                    Box::pin(serve(stream, peer, app, New::begin(new), shutdown, timeout)).await;
                });
            }
            Err(error) => {
                tracing::debug!("A connection was not accepted: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection's place among the new ones: it is given up with the first answer, or when it was held for long.
#[derive(Debug)]
struct New {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl New {
    fn begin(permit: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new(Self { permit: Mutex::new(Some(permit)) })
    }

    fn end(&self) {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    new: Arc<New>,
    shutdown: CancellationToken,
    timeout: Duration,
) {
    // Small answers must not wait for the acknowledgement of earlier ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY cannot be set: {error}");
    }
    let app = TowerToHyperService::new(app.layer(Extension(ConnectInfo(peer))));
    let begun = Arc::clone(&new);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = hyper::service::Service::call(&app, request.map(|body| limit(body, timeout)));
        let new = Arc::clone(&begun);
        async move {
            let answer = answer.await;
            new.end();
            answer
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(timeout);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let early = tokio::time::timeout(NEW_FOR, connection.as_mut()).await;
    new.end();
    if let Ok(ended) = early {
        return tell(ended, peer);
    }
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    tell(ended, peer);
}

fn tell(ended: hyper::Result<()>, peer: SocketAddr) {
    if let Err(error) = ended {
        tracing::debug!("The connection of {peer} broke: {error}");
    }
}

/// The body, which fails where its end has not come in time.
fn limit(body: Incoming, timeout: Duration) -> Body {
    if body.is_end_stream() {
        return Body::new(body);
    }
    let late = Box::pin(sleep(timeout));
    let chunks = stream::unfold((BodyDataStream::new(body), late), |(mut chunks, mut late)| async move {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk?.map_err(io::Error::other),
            () = &mut late => Err(io::ErrorKind::TimedOut.into()),
        };
        Some((chunk, (chunks, late)))
    });
    Body::from_stream(chunks)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::http::StatusCode;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::aws::answers;

    const TIMEOUT: Duration = Duration::from_millis(300);

    /// Serves an app that reads a whole body, and sends it `parts`; the next one when the one before was read.
    async fn send(parts: &[&str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let app = Router::new().fallback(|body: Body| async {
            match axum::body::to_bytes(body, 10).await {
                Ok(_) => answers::message(StatusCode::OK, "read"),
                Err(error) => answers::unreadable(&error),
            }
        });
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(run(listener, app, tasks.clone(), shutdown.clone(), TIMEOUT));
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        for part in parts {
            stream.write_all(part.as_bytes()).await.expect("sent");
        }
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an end").expect("text");
        shutdown.cancel();
        tasks.close();
        tasks.wait().await;
        answer
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_closed_in_time() {
        let started = Instant::now();
        for half in ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"] {
            let answer = send(&[half]).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{half}: {answer}");
        }
        assert!(started.elapsed() >= 3 * TIMEOUT, "not before it");
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_answered_in_time() {
        let started = Instant::now();
        let answer = send(&["POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n", "half"]).await;
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
        assert!(started.elapsed() >= TIMEOUT, "not before it");
    }

    #[tokio::test]
    async fn whole_requests_are_answered_and_large_ones_refused() {
        let post = |length: usize| {
            let body = "x".repeat(length);
            format!(
                "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        assert!(send(&[&post(10)]).await.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(send(&[&post(11)]).await.starts_with("HTTP/1.1 413 Payload Too Large\r\n"));
    }

    #[tokio::test]
    async fn silent_connections_keep_no_others_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let app = Router::new().fallback(async || "read");
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let long = Duration::from_secs(60);
        tasks.spawn(run(listener, app, tasks.clone(), shutdown.clone(), long));
        let mut silent = Vec::new();
        for _ in 0..2 * NEW_LIMIT {
            silent.push(TcpStream::connect(address).await.expect("a connection"));
        }
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("sent");
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an end").expect("text");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        shutdown.cancel();
        drop(silent);
        tasks.close();
        tasks.wait().await;
    }
}
