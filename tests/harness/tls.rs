//! A TLS end before a plain server, as ElastiCache has one before its nodes.

use std::io;
use std::net::{Ipv4Addr, TcpListener as BlockingListener};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Certificates;

/// A client's connection, decrypted.
pub type Client = tokio_rustls::server::TlsStream<TcpStream>;

/// Speaks with a client and with the server before either hears of the other; an error ends both connections.
pub type Admission =
    dyn for<'a> Fn(&'a mut Client, &'a mut TcpStream) -> BoxFuture<'a, io::Result<()>> + Send + Sync;

/// More orders than a connection ever has to catch up with.
const ORDERS: usize = 16;

/// A running TLS end; dropped, it goes, and its connections with it.
#[derive(Debug)]
pub struct TlsEnd {
    port: u16,
    orders: broadcast::Sender<Ordered>,
    accepting: AbortHandle,
}

/// What connections that are open are to do, and what each lets go of once it has done so.
type Ordered = (Order, mpsc::Sender<()>);

#[derive(Clone, Copy, Debug)]
enum Order {
    Stall,
    Cut,
}

/// Where connections lead, and who admits them.
#[derive(Clone)]
struct Relay {
    acceptor: TlsAcceptor,
    server: u16,
    admission: Arc<Admission>,
}

impl TlsEnd {
    /// On a free port, before the server that listens on this one.
    pub fn start(runtime: &Handle, server: u16, certificates: &Certificates) -> Self {
        Self::start_with(runtime, server, certificates, Arc::new(|_, _| async { Ok(()) }.boxed()))
    }

    /// The same for those who are admitted.
    pub fn start_with(
        runtime: &Handle,
        server: u16,
        certificates: &Certificates,
        admission: Arc<Admission>,
    ) -> Self {
        let listener = BlockingListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket takes options");
        let port = listener.local_addr().expect("a bound port").port();
        let relay = Relay { acceptor: Arc::clone(certificates.server()).into(), server, admission };
        let orders = broadcast::Sender::new(ORDERS);
        let accepting = runtime.spawn(accept(listener, relay, orders.clone())).abort_handle();
        Self { port, orders, accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections that are open, whatever is under way on them.
    pub async fn cut(&self) {
        self.order(Order::Cut).await;
    }

    /// Leaves all connections open that are, and lets nothing pass on them any more.
    pub async fn stall(&self) {
        self.order(Order::Stall).await;
    }

    /// Gives an order, and awaits that all have obeyed.
    async fn order(&self, order: Order) {
        let (obeying, mut obeyed) = mpsc::channel(1);
        // Nobody gets it where no connection is open.
        let _ = self.orders.send((order, obeying));
        obeyed.recv().await;
    }
}

impl Drop for TlsEnd {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: BlockingListener,
    relay: Relay,
    orders: broadcast::Sender<Ordered>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        Handle::current().spawn(obey(orders.subscribe(), relay.clone().run(client)));
    }
}

/// Lets a connection run as long as there is no order against it.
async fn obey(mut orders: broadcast::Receiver<Ordered>, running: impl Future<Output = io::Result<()>>) {
    let mut running = Box::pin(running);
    let mut stalled = false;
    let cut = loop {
        tokio::select! {
            biased;
            ordered = orders.recv() => match ordered {
                Ok((Order::Stall, _obeying)) => stalled = true,
                // An order to cut, or the end of whoever gives orders.
                cut => break cut,
            },
            // How it ends is between client and server.
            _ = &mut running, if !stalled => return,
        }
    };
    drop(running);
    drop(cut);
}

impl Relay {
    async fn run(self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut client = self.acceptor.accept(client).await?;
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server)).await?;
        server.set_nodelay(true)?;
        (self.admission)(&mut client, &mut server).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }
}
