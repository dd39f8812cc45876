//! A proxy that counts round trips to a store, and can interrupt one between any two of its commands.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Proxy;
use super::resp::{read_command, read_reply};

/// A wave ends when nothing more comes for so long: commands that a function sends together may arrive in pieces.
const GATHERING: Duration = Duration::from_millis(10);

/// Commands of a client that has just connected, or that checks whether it still is.
const SETTING_UP: [&str; 7] = ["AUTH", "CLIENT", "CLUSTER", "HELLO", "PING", "SELECT", "TIME"];

/// The first words of commands that were sent before any of their replies came: one round trip.
pub type Wave = Vec<String>;

/// An interruption of a connection in the middle of its commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// It is closed, and the replies of what was carried out are lost.
    Cut,
    /// Nothing more passes on it until [`CountingProxy::resume`], nor on any other.
    Hold,
    /// Nothing more passes on it until [`CountingProxy::resume`], while the others go on.
    HoldAlone,
}

/// In which order the commands of one wave, which depend on nothing among it, are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they were sent.
    #[default]
    Sent,
    /// The other way round, as may be where they go to several nodes.
    Reversed,
}

/// A plain proxy that counts.
#[derive(Debug)]
pub struct CountingProxy {
    proxy: Proxy,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    resumed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waves: Vec<Wave>,
    /// Of these, both ways.
    bytes: usize,
    /// The number of the wave whose replies get lost, together with its connection.
    lost: Option<usize>,
    interruption: Option<Pending>,
    /// Whether one is held while the others go on.
    holds_alone: bool,
    /// Connections that are held.
    held: usize,
}

/// An interruption after so many more commands.
#[derive(Clone, Copy, Debug)]
struct Pending {
    what: Interruption,
    commands: usize,
    order: Order,
}

impl CountingProxy {
    /// Before the server that listens on this port.
    pub fn start(server: u16) -> Self {
        let (proxy, shared) = Proxy::before(server, relay);
        Self { proxy, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.proxy.port
    }

    /// Where a Redis client reaches the server through this proxy.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// How many waves there were so far.
    pub fn count(&self) -> usize {
        self.shared.lock().waves.len()
    }

    /// The waves after the first so many.
    pub fn waves_after(&self, count: usize) -> Vec<Wave> {
        self.shared.lock().waves[count..].to_vec()
    }

    /// How many bytes the waves so far took, both ways.
    pub fn bytes(&self) -> usize {
        self.shared.lock().bytes
    }

    /// Lets so many more waves pass; of the one after them the server carries out the commands, but its replies are
    /// lost and its connection is closed.
    pub fn lose_replies_after(&self, waves: usize) {
        let mut state = self.shared.lock();
        state.lost = Some(state.waves.len() + waves);
    }

    /// Interrupts the connection that sends the next command after so many more.
    pub fn interrupt_after(&self, commands: usize, order: Order, what: Interruption) {
        self.shared.lock().interruption = Some(Pending { what, commands, order });
    }

    /// Whether an interruption is still to come.
    pub fn is_interruption_pending(&self) -> bool {
        self.shared.lock().interruption.is_some()
    }

    /// Connections that are held at present.
    pub fn held(&self) -> usize {
        self.shared.lock().held
    }

    /// Lets the connection go on that has been held for longest, and no other.
    pub fn resume_first(&self) {
        self.shared.resumed.notify_one();
    }

    /// Lets everything pass from now on, what was held first.
    pub fn resume(&self) {
        let mut state = self.shared.lock();
        state.interruption = None;
        state.holds_alone = false;
        drop(state);
        self.shared.resumed.notify_waiters();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which of so many commands of one wave pass, and what happens before the others or, to be cut, after the last.
    fn pass(&self, count: usize) -> (Range<usize>, Option<Interruption>) {
        let mut state = self.lock();
        let Some(Pending { what, commands, order }) = &mut state.interruption else {
            return (0..count, None);
        };
        let passing = count.min(*commands);
        *commands -= passing;
        let range = if *order == Order::Reversed { count - passing..count } else { 0..passing };
        let interruption = match what {
            Interruption::Cut if *commands == 0 => Some(Interruption::Cut),
            Interruption::Hold | Interruption::HoldAlone if passing < count => Some(*what),
            _ => return (range, None),
        };
        if interruption != Some(Interruption::Hold) {
            state.interruption = None;
        }
        state.holds_alone = interruption == Some(Interruption::HoldAlone);
        (range, interruption)
    }

    fn begins_to_hold(&self) -> bool {
        let mut state = self.lock();
        let holds = state.interruption.is_some() || state.holds_alone;
        state.held += usize::from(holds);
        holds
    }

    /// Waits until everything may pass again; an error where the client has gone meanwhile.
    async fn hold(&self, client: &mut TcpStream) -> io::Result<()> {
        let mut resumed = std::pin::pin!(self.resumed.notified());
        resumed.as_mut().enable();
        if !self.begins_to_hold() {
            return Ok(());
        }
        let outcome = tokio::select! {
            () = resumed => Ok(()),
            // A client that waits for replies sends nothing.
            _ = client.read_u8() => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        self.lock().held -= 1;
        outcome
    }
}

/// Carries one wave at a time to the server, and all its replies back before it reads the next. A client sends a
/// command that depends on a reply only after that reply, so commands that arrive together are one round trip.
async fn relay(mut client: TcpStream, mut server: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut sent = Vec::new();
    while client.read_buf(&mut sent).await? > 0 {
        while let Ok(more) = timeout(GATHERING, client.read_buf(&mut sent)).await {
            if more? == 0 {
                break;
            }
        }
        let (mut words, mut commands, mut whole) = (Vec::new(), Vec::new(), 0);
        while let Some((command, length)) = read_command(&sent[whole..]) {
            words.push(command.into_iter().next().unwrap_or_default().to_uppercase());
            commands.push(&sent[whole..whole + length]);
            whole += length;
        }
        let is_set_up = |word: &String| SETTING_UP.contains(&word.as_str());
        let (passing, interruption) = match words.iter().all(is_set_up) {
            true => (0..commands.len(), None),
            false => shared.pass(commands.len()),
        };
        let mut replies = ask(&mut server, &commands[passing.clone()]).await?;
        match interruption {
            Some(Interruption::Cut) => return Ok(()),
            Some(Interruption::Hold | Interruption::HoldAlone) => {
                shared.hold(&mut client).await?;
                let mut before = ask(&mut server, &commands[..passing.start]).await?;
                before.append(&mut replies);
                before.append(&mut ask(&mut server, &commands[passing.end..]).await?);
                replies = before;
            }
            None => {}
        }
        // Before the function can go on, so that a client that gets its answer finds this counted.
        words.retain(|word| !is_set_up(word));
        sent.drain(..whole);
        if !words.is_empty() {
            let mut state = shared.lock();
            state.waves.push(words);
            state.bytes += whole + replies.len();
            if state.lost == Some(state.waves.len() - 1) {
                return Ok(());
            }
        }
        client.write_all(&replies).await?;
    }
    Ok(())
}

/// Has the server carry out these commands, and reads their replies.
async fn ask(server: &mut TcpStream, commands: &[&[u8]]) -> io::Result<Vec<u8>> {
    server.write_all(&commands.concat()).await?;
    let (mut replies, mut whole) = (Vec::new(), 0);
    for _ in commands {
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
