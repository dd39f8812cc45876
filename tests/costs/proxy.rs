//! What stands between the functions and their store, and counts round trips.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use harness::resp::{read_command, read_reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// A wave ends when nothing more comes for so long: what a function sends together may arrive in pieces.
const GATHERING: Duration = Duration::from_millis(10);

/// What a client says when it has just connected, or to see whether it still is.
const SETTING_UP: [&str; 5] = ["AUTH", "CLIENT", "HELLO", "PING", "SELECT"];

/// The first words of commands that were sent before any of their replies came: one round trip.
pub(crate) type Wave = Vec<String>;

/// A running proxy; it ends with the runtime it was started in.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    counted: Arc<Mutex<Counted>>,
}

#[derive(Debug, Default)]
struct Counted {
    waves: Vec<Wave>,
    /// The number of the wave whose replies get lost, together with its connection.
    lost: Option<usize>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let counted = Arc::default();
        let shared = Arc::clone(&counted);
        spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                spawn(relay(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, counted }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// How many waves there were so far.
    pub(crate) fn count(&self) -> usize {
        self.lock().waves.len()
    }

    /// The waves after the first so many.
    pub(crate) fn waves_after(&self, count: usize) -> Vec<Wave> {
        self.lock().waves[count..].to_vec()
    }

    /// Cuts the connection of the wave after so many more once the server has carried it out.
    pub(crate) fn lose_replies_after(&self, waves: usize) {
        let mut counted = self.lock();
        counted.lost = Some(counted.waves.len() + waves);
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        lock(&self.counted)
    }
}

fn lock(counted: &Mutex<Counted>) -> MutexGuard<'_, Counted> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries one connection's waves to the server and all their replies back, in turn: a command can only be sent
/// after a reply that it depends on, so what comes together depends on nothing among it.
async fn relay(mut client: TcpStream, server: u16, counted: Arc<Mutex<Counted>>) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let mut sent = Vec::new();
    while client.read_buf(&mut sent).await? > 0 {
        while let Ok(more) = timeout(GATHERING, client.read_buf(&mut sent)).await {
            if more? == 0 {
                break;
            }
        }
        let (mut commands, mut whole) = (Vec::new(), 0);
        while let Some((command, length)) = read_command(&sent[whole..]) {
            commands.push(command.into_iter().next().unwrap_or_default().to_uppercase());
            whole += length;
        }
        server.write_all(&sent[..whole]).await?;
        sent.drain(..whole);

        let replies = read_replies(&mut server, commands.len()).await?;
        // Before the function can go on, so that whoever sees its answer finds this counted.
        commands.retain(|command| !SETTING_UP.contains(&command.as_str()));
        if !commands.is_empty() {
            let mut counted = lock(&counted);
            counted.waves.push(commands);
            if counted.lost == Some(counted.waves.len() - 1) {
                return Ok(());
            }
        }
        client.write_all(&replies).await?;
    }
    Ok(())
}

async fn read_replies(server: &mut TcpStream, count: usize) -> io::Result<Vec<u8>> {
    let (mut replies, mut whole) = (Vec::new(), 0);
    for _ in 0..count {
        loop {
            if let Some(length) = read_reply(&replies[whole..]) {
                whole += length;
                break;
            }
            if server.read_buf(&mut replies).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    Ok(replies)
}

/// Runs something beside the test; it ends with the test's runtime.
#[expect(clippy::disallowed_methods, reason = "nothing freezes here")]
fn spawn(future: impl Future<Output: Send + 'static> + Send + 'static) {
    tokio::spawn(future);
}
