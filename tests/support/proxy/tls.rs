//! A proxy that speaks TLS with clients and plain with the server, as ElastiCache does before its nodes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc};
use tokio_rustls::TlsAcceptor;

use super::{Proxy, connect};
use crate::store::certificates::Certificates;

/// A client's connection, decrypted.
pub type Client = tokio_rustls::server::TlsStream<TcpStream>;

/// Speaks with a client and with the server before anything passes between them; an error ends both connections.
pub type Admission =
    dyn for<'a> Fn(&'a mut Client, &'a mut TcpStream) -> BoxFuture<'a, io::Result<()>> + Send + Sync;

/// Admits every client.
pub fn admit_all() -> Arc<Admission> {
    Arc::new(|_, _| async { Ok(()) }.boxed())
}

/// More interruptions than a connection ever has to catch up with.
const INTERRUPTIONS: usize = 16;

/// A TLS proxy whose open connections can be interrupted.
#[derive(Debug)]
pub struct TlsProxy {
    proxy: Proxy,
    server: Arc<AtomicU16>,
    interruptions: broadcast::Sender<Interruption>,
}

/// Happens to every open connection, each of which then drops its sender.
type Interruption = (Kind, mpsc::Sender<()>);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Stall,
    Cut,
}

impl TlsProxy {
    /// Before the server that listens on this port.
    pub fn start(server: u16, certificates: &Certificates) -> Self {
        Self::start_with(server, certificates, admit_all())
    }

    /// The same for clients that are admitted.
    pub fn start_with(server: u16, certificates: &Certificates, admission: Arc<Admission>) -> Self {
        let server = Arc::new(AtomicU16::new(server));
        let interruptions = broadcast::Sender::new(INTERRUPTIONS);
        let acceptor = TlsAcceptor::from(Arc::clone(certificates.server()));
        let (port, sender) = (Arc::clone(&server), interruptions.clone());
        let proxy = Proxy::start(move |client| {
            let relaying =
                relay(client, acceptor.clone(), port.load(Ordering::Relaxed), Arc::clone(&admission));
            until_cut(sender.subscribe(), relaying)
        });
        Self { proxy, server, interruptions }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.proxy.port
    }

    /// Leads new connections to the server on this port from now on.
    pub fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::Relaxed);
    }

    /// Closes all connections that are open, whatever is under way on them.
    pub async fn cut(&self) {
        self.interrupt(Kind::Cut).await;
    }

    /// Leaves all connections open that are, and lets nothing pass on them any more.
    pub async fn stall(&self) {
        self.interrupt(Kind::Stall).await;
    }

    /// Interrupts all connections, and awaits that it has happened.
    async fn interrupt(&self, kind: Kind) {
        let (happening, mut happened) = mpsc::channel(1);
        // There is no receiver where no connection is open.
        let _ = self.interruptions.send((kind, happening));
        happened.recv().await;
    }
}

/// Lets a connection run until it is cut.
async fn until_cut(
    mut interruptions: broadcast::Receiver<Interruption>,
    running: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let mut running = Box::pin(running);
    let mut stalled = false;
    let cut = loop {
        tokio::select! {
            biased;
            interruption = interruptions.recv() => match interruption {
                Ok((Kind::Stall, _happening)) => stalled = true,
                // It is cut, or the proxy has ended.
                cut => break cut,
            },
            ended = &mut running, if !stalled => return ended,
        }
    };
    drop(running);
    drop(cut);
    Ok(())
}

async fn relay(
    client: TcpStream,
    acceptor: TlsAcceptor,
    server: u16,
    admission: Arc<Admission>,
) -> io::Result<()> {
    let mut client = acceptor.accept(client).await?;
    let mut server = connect(server).await?;
    admission(&mut client, &mut server).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
