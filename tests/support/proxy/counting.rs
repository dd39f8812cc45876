//! A proxy that counts round trips to a store, and can lose the replies of one.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Proxy;
use super::resp::{read_command, read_reply};

/// A wave ends when nothing more comes for so long: commands that a function sends together may arrive in pieces.
const GATHERING: Duration = Duration::from_millis(10);

/// Commands of a client that has just connected, or that checks whether it still is.
const SETTING_UP: [&str; 5] = ["AUTH", "CLIENT", "HELLO", "PING", "SELECT"];

/// The first words of commands that were sent before any of their replies came: one round trip.
pub type Wave = Vec<String>;

/// A plain proxy that counts.
#[derive(Debug)]
pub struct CountingProxy {
    proxy: Proxy,
    counted: Arc<Mutex<Counted>>,
}

#[derive(Debug, Default)]
struct Counted {
    waves: Vec<Wave>,
    /// The number of the wave whose replies get lost, together with its connection.
    lost: Option<usize>,
}

impl CountingProxy {
    /// Before the server that listens on this port.
    pub fn start(server: u16) -> Self {
        let (proxy, counted) = Proxy::before(server, relay);
        Self { proxy, counted }
    }

    /// Where a Redis client reaches the server through this proxy.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// How many waves there were so far.
    pub fn count(&self) -> usize {
        lock(&self.counted).waves.len()
    }

    /// The waves after the first so many.
    pub fn waves_after(&self, count: usize) -> Vec<Wave> {
        lock(&self.counted).waves[count..].to_vec()
    }

    /// Lets so many more waves pass; of the one after them the server carries out the commands, but its replies are
    /// lost and its connection is closed.
    pub fn lose_replies_after(&self, waves: usize) {
        let mut counted = lock(&self.counted);
        counted.lost = Some(counted.waves.len() + waves);
    }
}

fn lock(counted: &Mutex<Counted>) -> MutexGuard<'_, Counted> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries one wave at a time to the server, and all its replies back before it reads the next. A client sends a
/// command that depends on a reply only after that reply, so commands that arrive together are one round trip.
async fn relay(mut client: TcpStream, mut server: TcpStream, counted: Arc<Mutex<Counted>>) -> io::Result<()> {
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
        // Before the function can go on, so that a client that gets its answer finds this counted.
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
