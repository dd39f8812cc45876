//! A store that takes its time: whatever it says comes late.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A plain way to a server, open to the end of this process.
#[derive(Debug)]
pub(crate) struct SlowStore {
    port: u16,
    delay: Arc<AtomicU64>,
}

impl SlowStore {
    /// In front of the server that listens on this port; as fast as that at first.
    pub(crate) async fn start(server: u16) -> Self {
        let listening = harness::runtime().spawn(TcpListener::bind("127.0.0.1:0"));
        let listener = listening.await.expect("no panic").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let delay = Arc::default();
        harness::runtime().spawn(accept(listener, server, Arc::clone(&delay)));
        Self { port, delay }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How late things come from now on.
    pub(crate) fn delay(&self, by: Duration) {
        self.delay.store(by.as_millis().try_into().expect("a short time"), Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, server: u16, delay: Arc<AtomicU64>) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        harness::runtime().spawn(relay(client, server, Arc::clone(&delay)));
    }
}

async fn relay(client: TcpStream, server: u16, delay: Arc<AtomicU64>) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut asked, mut told), (mut replies, mut commands)) = (client.into_split(), server.into_split());
    let telling = async {
        let mut bytes = [0; 16 * 1024];
        loop {
            let length = replies.read(&mut bytes).await?;
            tokio::time::sleep(Duration::from_millis(delay.load(Ordering::Relaxed))).await;
            if length == 0 {
                return Ok(());
            }
            told.write_all(&bytes[..length]).await?;
        }
    };
    // Whoever hangs up ends both.
    tokio::select! {
        asked = tokio::io::copy(&mut asked, &mut commands) => asked.map(drop),
        told = telling => told,
    }
}
