//! A proxy that leads new connections to another server, as a name does after a failover.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::copy_bidirectional;

use super::{Proxy, connect};

/// A plain proxy; connections that are open stay where they are.
#[derive(Debug)]
pub struct SwitchProxy {
    proxy: Proxy,
    server: Arc<AtomicU16>,
}

impl SwitchProxy {
    /// Before the server that listens on this port.
    pub fn start(server: u16) -> Self {
        let server = Arc::new(AtomicU16::new(server));
        let shared = Arc::clone(&server);
        let proxy = Proxy::start(move |mut client| {
            let port = shared.load(Ordering::Relaxed);
            async move { copy_bidirectional(&mut client, &mut connect(port).await?).await.map(drop) }
        });
        Self { proxy, server }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.proxy.port
    }

    /// Where a Redis client reaches the server through this proxy.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.proxy.port)
    }

    /// Leads new connections to the server that listens on this port.
    pub fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::Relaxed);
    }
}
