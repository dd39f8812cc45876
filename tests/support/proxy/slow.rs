//! A proxy that delivers late whatever the server says.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Proxy;

/// A plain proxy with a delay.
#[derive(Debug)]
pub struct SlowProxy {
    proxy: Proxy,
    /// Milliseconds.
    delay: Arc<AtomicU64>,
}

impl SlowProxy {
    /// Before the server that listens on this port; without a delay at first.
    pub fn start(server: u16) -> Self {
        let (proxy, delay) = Proxy::before(server, relay);
        Self { proxy, delay }
    }

    /// Where a Redis client reaches the server through this proxy.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// Sets how late things come from now on.
    pub fn delay(&self, by: Duration) {
        self.delay.store(by.as_millis().try_into().expect("a short time"), Ordering::Relaxed);
    }
}

async fn relay(client: TcpStream, server: TcpStream, delay: Arc<AtomicU64>) -> io::Result<()> {
    let ((mut requests, mut to_client), (mut replies, mut to_server)) =
        (client.into_split(), server.into_split());
    let replying = async {
        let mut bytes = [0; 16 * 1024];
        loop {
            let length = replies.read(&mut bytes).await?;
            tokio::time::sleep(Duration::from_millis(delay.load(Ordering::Relaxed))).await;
            if length == 0 {
                return Ok(());
            }
            to_client.write_all(&bytes[..length]).await?;
        }
    };
    // Either side that closes its connection ends both.
    tokio::select! {
        requested = tokio::io::copy(&mut requests, &mut to_server) => requested.map(drop),
        replied = replying => replied,
    }
}
