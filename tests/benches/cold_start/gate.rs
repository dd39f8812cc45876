//! A port that refuses connections until it is opened: with these before the store and the management API, a function
//! is ready without its connections, and its first event has to make them.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;

use crate::instance::spawn;

/// A port of this machine that is taken, and on which nothing listens yet.
pub(crate) struct Gate {
    socket: TcpSocket,
    server: u16,
}

/// An open gate; dropped, it lets no more connections in.
pub(crate) struct Open(AbortHandle);

impl Gate {
    /// Before the server that listens on this port.
    pub(crate) fn closed_before(server: u16) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self { socket, server }
    }

    /// A setting that names the server, with the gate in its place.
    pub(crate) fn put_into(&self, setting: &str) -> String {
        let port = self.socket.local_addr().unwrap().port();
        ["localhost", "127.0.0.1"].iter().fold(setting.to_owned(), |setting, host| {
            setting.replace(&format!("{host}:{}", self.server), &format!("{host}:{port}"))
        })
    }

    pub(crate) fn open(self) -> Open {
        let (listener, server) = (self.socket.listen(16).unwrap(), self.server);
        let accepting = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                spawn(relay(client, server));
            }
        });
        Open(accepting)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Carries what either side sends; a function that is stopped ends it.
async fn relay(mut client: TcpStream, server: u16) {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await.unwrap();
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
    }
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
