//! The port: loopback, over IPv4 and where there is one over IPv6, so that `localhost` works either way.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug)]
pub(super) struct Listeners {
    port: u16,
    sockets: Vec<TcpListener>,
}

/// Listens on `port`, or on a free one for 0; the error is a sentence that says what to do.
pub(super) async fn bind(port: u16) -> Result<Listeners, String> {
    // A port that is free over IPv4 may be taken over IPv6; then another is tried.
    for _ in 0..20 {
        match bind_both(port).await {
            Ok(listeners) => return Ok(listeners),
            Err(error) if error.kind() == ErrorKind::AddrInUse && port == 0 => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let other = port.checked_add(1).unwrap_or(3000);
                return Err(format!(
                    "Port {port} is taken: stop what listens there, or choose another one (--port {other})"
                ));
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(format!("Port {port} is reserved: choose one above 1023 (--port 3000)"));
            }
            Err(error) => {
                return Err(format!("Port {port} cannot be used ({error}): choose another one with --port"));
            }
        }
    }
    Err("There is no free port: stop something that listens, or choose a port with --port".to_owned())
}

async fn bind_both(port: u16) -> io::Result<Listeners> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = first.local_addr()?.port();
    let mut sockets = vec![first];
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(second) => sockets.push(second),
        // Somebody else's server would answer half of the requests to `localhost`.
        Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
        Err(_) => {}
    }
    Ok(Listeners { port, sockets })
}

impl Listeners {
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Serves `app` until `shutdown`, finishing requests in progress.
    pub(super) fn serve(self, app: &Router, tasks: &TaskTracker, shutdown: &CancellationToken) {
        for socket in self.sockets {
            // Small answers must not wait for the acknowledgement of earlier ones.
            let socket = socket.tap_io(|stream| {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!("TCP_NODELAY cannot be set: {error}");
                }
            });
            let service = app.clone().into_make_service_with_connect_info::<SocketAddr>();
            let stopped = shutdown.clone().cancelled_owned();
            tasks.spawn(async move {
                if let Err(error) = axum::serve(socket, service).with_graceful_shutdown(stopped).await {
                    tracing::error!("The server stopped: {error}");
                }
            });
        }
    }
}
