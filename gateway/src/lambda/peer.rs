//! Who is at the other end of a connection to a runtime API: the process that its instance started, one of that
//! process's children, or a stranger. Linux tells, in /proc (see proc(5)); elsewhere nobody does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::{Arc, OnceLock};

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};

/// Where the kernel lists TCP sockets: of IPv4, and of IPv6, which also reach IPv4.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// The fields of their lines.
const LOCAL: usize = 1;
const REMOTE: usize = 2;
const INODE: usize = 9;

/// Whether this machine tells; found out with a connection to ourselves.
pub(super) fn can_be_told() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    let probe = || {
        let listener = StdListener::bind(("127.0.0.1", 0)).ok()?;
        let own = listener.local_addr().ok()?;
        let stream = StdStream::connect(own).ok()?;
        Some(belongs(stream.local_addr().ok()?, own, std::process::id()))
    };
    *ANSWER.get_or_init(|| probe().unwrap_or(false))
}

/// A listener that lets one process in, with its children. Others are hung up on.
#[derive(Debug)]
pub(super) struct OwnListener {
    pub(super) listener: TcpListener,
    /// `None` lets everybody in.
    pub(super) process: Option<u32>,
    pub(super) label: Arc<str>,
}

impl Listener for OwnListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            let is_own = match (self.process, stream.local_addr()) {
                (None, _) => true,
                (Some(process), Ok(own)) => belongs(peer, own, process),
                (Some(_), Err(_)) => false,
            };
            if is_own {
                // Without it, small answers wait for the acknowledgment of the packet before.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            tracing::warn!("[{}] a stranger was kept from its runtime API", self.label);
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whether the socket of `peer` that is connected to `own` is open in the process or below it.
fn belongs(peer: SocketAddr, own: SocketAddr, process: u32) -> bool {
    let Some(inode) = inode(peer, own) else { return false };
    let wanted = format!("socket:[{inode}]");
    let has = |process: u32| {
        let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
        files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str()))
    };
    has(process) || descendants(process).into_iter().any(has)
}

fn inode(peer: SocketAddr, own: SocketAddr) -> Option<u64> {
    let wanted = [(hex(peer, false), hex(own, false)), (hex(peer, true), hex(own, true))];
    TABLES.iter().zip(wanted).find_map(|(table, (peer, own))| {
        let table = fs::read_to_string(table).ok()?;
        table.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let is_wanted = *fields.get(LOCAL)? == peer && *fields.get(REMOTE)? == own;
            is_wanted.then(|| fields.get(INODE)?.parse().ok()).flatten()
        })
    })
}

/// As in the tables: each 32 bits of the address as a number of this machine, then the port.
fn hex(address: SocketAddr, mapped: bool) -> String {
    let octets = match (address.ip(), mapped) {
        (IpAddr::V4(ip), true) => ip.to_ipv6_mapped().octets().to_vec(),
        (IpAddr::V4(ip), false) => ip.octets().to_vec(),
        (IpAddr::V6(ip), _) => ip.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    let words: String = words.map(|word| format!("{word:08X}")).collect();
    format!("{words}:{:04X}", address.port())
}

fn descendants(process: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The second field, in brackets, may hold anything; after it come the state and the parent.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(id);
        }
    }
    let (mut found, mut open) = (BTreeSet::new(), vec![process]);
    while let Some(process) = open.pop() {
        let below = children.get(&process).map(Vec::as_slice).unwrap_or_default();
        open.extend(below.iter().filter(|child| found.insert(**child)));
    }
    found
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_told_from_others() {
        assert!(can_be_told());
        let listener = StdListener::bind(("127.0.0.1", 0)).expect("a port");
        let own = listener.local_addr().expect("its address");
        let mine = StdStream::connect(own).expect("connected").local_addr().expect("its address");
        assert!(!belongs(mine, own, std::process::id()), "it is closed");
        let stream = StdStream::connect(own).expect("connected");
        let mine = stream.local_addr().expect("its address");
        assert!(belongs(mine, own, std::process::id()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("a child");
        assert!(!belongs(mine, own, child.id()), "a child's parent is no child of it");
        assert!(descendants(std::process::id()).contains(&child.id()));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
}
