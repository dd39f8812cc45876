//! The port: loopback, over IPv4 and where there is one over IPv6, so that `localhost` works either way; and the other
//! addresses that are asked for.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept;

/// The most connections that the system queues before they are accepted.
const BACKLOG: u32 = 1024;

/// How long a client may take to send a request's head, and how long for its body: one that stops in between must not
/// hold a connection for ever.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A port that is held but not listened on yet: clients are refused, not kept waiting.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    sockets: Vec<TcpSocket>,
}

/// Takes `port`, or a free one for 0, on loopback and at the addresses among `hosts`; the error is a sentence that says
/// what to do.
pub(super) fn take(port: u16, hosts: &[String]) -> Result<Port, String> {
    // A port that is free over IPv4 may be taken over IPv6; then another is tried.
    for _ in 0..20 {
        match take_all(port, hosts) {
            Ok(taken) => return Ok(taken),
            Err(error) if error.kind() == ErrorKind::AddrInUse && port == 0 => {}
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                return Err(format!(
                    "An address of --host is not one of this machine's: {}",
                    hosts.join(", ")
                ));
            }
            Err(error) => return Err(describe(port, &error)),
        }
    }
    Err("There is no free port: stop something that listens, or choose a port with --port".to_owned())
}

fn take_all(port: u16, hosts: &[String]) -> io::Result<Port> {
    let asked: Vec<IpAddr> = hosts.iter().filter_map(|host| address(host)).collect();
    // One that stands for all addresses holds loopback, too; over IPv6 also those of IPv4.
    let everywhere = asked.contains(&Ipv6Addr::UNSPECIFIED.into());
    let every_v4 = asked.contains(&Ipv4Addr::UNSPECIFIED.into());
    let first: IpAddr = match (everywhere, every_v4) {
        (true, _) => Ipv6Addr::UNSPECIFIED.into(),
        (false, true) => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::LOCALHOST.into(),
    };
    let socket = new_socket(first)?;
    let number = bind(&socket, (first, port).into())?;
    let mut sockets = vec![socket];
    if everywhere {
        return Ok(Port { number, sockets });
    }
    // A machine may have no IPv6.
    if let Ok(second) = TcpSocket::new_v6() {
        match bind(&second, (Ipv6Addr::LOCALHOST, number).into()) {
            Ok(_) => sockets.push(second),
            // Another server would answer half of the requests to `localhost`.
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
            Err(_) => {}
        }
    }
    for other in asked.into_iter().filter(|address| !address.is_loopback()) {
        if other != first && !(every_v4 && other.is_ipv4()) {
            let socket = new_socket(other)?;
            bind(&socket, (other, number).into())?;
            sockets.push(socket);
        }
    }
    Ok(Port { number, sockets })
}

/// The address that a host of `--host` is, if it is one.
fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn new_socket(address: IpAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

fn bind(socket: &TcpSocket, address: SocketAddr) -> io::Result<u16> {
    // Else the connections of a server that has just stopped would hold the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket.local_addr()?.port())
}

fn describe(port: u16, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            let other = port.checked_add(1).unwrap_or(3000);
            format!(
                "Port {port} is taken: stop what listens there, or choose another one (--port {other}, with \
                 --ephemeral where this project runs already)"
            )
        }
        ErrorKind::PermissionDenied => {
            format!("Port {port} is reserved: choose one above 1023 (--port 3000)")
        }
        _ => format!("Port {port} cannot be used ({error}): choose another one with --port"),
    }
}

impl Port {
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// Listens from now on and serves `app` until `shutdown`, finishing requests in progress. The error is a
    /// sentence, as from [`take`]: another holder of the port may have listened first.
    pub(super) fn serve(
        self,
        app: &Router,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<(), String> {
        for socket in self.sockets {
            let listener = socket.listen(BACKLOG).map_err(|error| describe(self.number, &error))?;
            tasks.spawn(accept::run(listener, app.clone(), tasks.clone(), shutdown.clone(), REQUEST_TIMEOUT));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    async fn is_answered(port: u16) -> bool {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok()
    }

    #[tokio::test]
    async fn a_port_is_held_from_the_start_and_answers_when_served() {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let port = take(0, &[]).expect("a free port");
        let number = port.number();
        assert!(!is_answered(number).await);
        let rival = take(number, &[]).expect("nobody listens yet");
        port.serve(&Router::new(), &tasks, &shutdown).expect("it was first");
        assert!(is_answered(number).await);
        let refused = |error: String| error.starts_with(&format!("Port {number} is taken: stop what"));
        assert!(rival.serve(&Router::new(), &tasks, &shutdown).is_err_and(refused));
        assert!(take(number, &[]).is_err_and(refused));
        shutdown.cancel();
    }

    #[tokio::test]
    async fn other_addresses_are_listened_at_where_asked_for() {
        // Each address of 127.0.0.0/8 is this machine's, but only on Linux.
        let other = Ipv4Addr::new(127, 9, 9, 9);
        let reached = |port| async move { TcpStream::connect((other, port)).await.is_ok() };
        for (hosts, expected) in
            [(vec![], false), (vec!["phone.example"], false), (vec!["0.0.0.0"], true), (vec!["::"], true)]
        {
            let hosts: Vec<String> = hosts.into_iter().map(str::to_owned).collect();
            let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
            let Ok(port) = take(0, &hosts) else { continue };
            let number = port.number();
            port.serve(&Router::new(), &tasks, &shutdown).expect("it listens");
            assert!(is_answered(number).await, "{hosts:?}");
            assert!(!cfg!(target_os = "linux") || reached(number).await == expected, "{hosts:?}");
            shutdown.cancel();
        }
        let foreign = take(0, &["192.0.2.1".to_owned()]);
        assert!(foreign.is_err_and(|error| error.ends_with("not one of this machine's: 192.0.2.1")));
    }
}
