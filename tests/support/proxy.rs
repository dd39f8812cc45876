//! Proxies before a store or a gateway, each on a port of its own. Dropped, a proxy ends, and so do its connections.

mod counting;
mod cuttable;
pub mod resp;
mod slow;
mod switch;
mod tls;
mod token_check;

use std::io;
use std::net::{Ipv4Addr, TcpListener as BlockingListener};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::environment::runtime;

pub use counting::{CountingProxy, Interruption, Order, Wave};
pub use cuttable::CuttableProxy;
pub use slow::SlowProxy;
pub use switch::SwitchProxy;
pub use tls::{Admission, Client, TlsProxy, admit_all};
pub use token_check::TokenCheck;

/// The part that all proxies share: a listener that hands each connection to a relay.
#[derive(Debug)]
struct Proxy {
    port: u16,
    accepting: AbortHandle,
}

impl Proxy {
    /// On a free port; each connection is relayed by a task of its own.
    fn start<R>(relay: impl Fn(TcpStream) -> R + Send + 'static) -> Self
    where
        R: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = BlockingListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket takes options");
        let port = listener.local_addr().expect("a bound port").port();
        let accepting = runtime().spawn(accept(listener, relay)).abort_handle();
        Self { port, accepting }
    }

    /// Before the server that listens on this port; all relays, each between a client and the server, share a state.
    fn before<S, R>(server: u16, relay: fn(TcpStream, TcpStream, Arc<S>) -> R) -> (Self, Arc<S>)
    where
        S: Default + Send + Sync + 'static,
        R: Future<Output = io::Result<()>> + Send + 'static,
    {
        let shared = Arc::<S>::default();
        let state = Arc::clone(&shared);
        let proxy = Self::start(move |client| {
            let state = Arc::clone(&state);
            async move { relay(client, connect(server).await?, state).await }
        });
        (proxy, shared)
    }

    /// Where a Redis client reaches the server through this proxy.
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept<R>(listener: BlockingListener, relay: impl Fn(TcpStream) -> R) -> io::Result<()>
where
    R: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::from_std(listener)?;
    // Its tasks end with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted?;
                client.set_nodelay(true)?;
                connections.spawn(relay(client));
            }
            // Its result is dropped: client and server see for themselves that the connection ended.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Connects to a server on this machine.
async fn connect(port: u16) -> io::Result<TcpStream> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    server.set_nodelay(true)?;
    Ok(server)
}
