//! Checks tokens in place of passwords, as ElastiCache does, and logs in to the server with a password of its own.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::resp::{read_command, read_reply};
use super::{Admission, Client};
use crate::clock::Clock;
use crate::store::access::FUNCTIONS;
use crate::store::iam::{Cache, Refusal};

/// The replies of servers to a bad login, and to a command before any login.
const WRONG: &[u8] = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const FIRST: &[u8] = b"-NOAUTH Authentication required.\r\n";

/// Admits clients whose token a cache admits by this clock, and records every token's age or refusal.
#[derive(Debug)]
pub struct TokenCheck {
    cache: Mutex<Cache>,
    clock: Arc<Clock>,
    /// How old each token was, or why it was refused.
    seen: Mutex<Vec<Result<Duration, Refusal>>>,
}

impl TokenCheck {
    /// For this cache, by this clock.
    pub fn new(cache: Cache, clock: Arc<Clock>) -> Arc<Self> {
        Arc::new(Self { cache: Mutex::new(cache), clock, seen: Mutex::default() })
    }

    /// The admission for a [`TlsProxy`](super::TlsProxy).
    pub fn admission(self: &Arc<Self>) -> Arc<Admission> {
        let check = Arc::clone(self);
        Arc::new(move |client, server| {
            let check = Arc::clone(&check);
            async move { check.admit(client, server).await }.boxed()
        })
    }

    /// Changes which tokens are admitted from now on.
    pub fn change(&self, change: impl FnOnce(&mut Cache)) {
        change(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Every token's age or refusal since this was asked before.
    pub fn take_seen(&self) -> Vec<Result<Duration, Refusal>> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn admit(&self, client: &mut Client, server: &mut TcpStream) -> io::Result<()> {
        let mut sent = Vec::new();
        loop {
            let Some((command, length)) = read_command(&sent) else {
                if client.read_buf(&mut sent).await? == 0 {
                    return Ok(());
                }
                continue;
            };
            sent.drain(..length);
            match self.judge(&command) {
                Some(Ok(age)) => {
                    self.record(Ok(age));
                    break self.log_in(&command, client, server).await?;
                }
                Some(Err(refusal)) => {
                    self.record(Err(refusal));
                    client.write_all(WRONG).await?;
                }
                None => client.write_all(FIRST).await?,
            }
            client.flush().await?;
        }
        server.write_all(&sent).await
    }

    /// The age or refusal of the token in a command that logs in; `None` for another command.
    fn judge(&self, command: &[String]) -> Option<Result<Duration, Refusal>> {
        let (user, token) = credentials(command)?;
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        Some(cache.admit(user, token, self.clock.now()))
    }

    fn record(&self, seen: Result<Duration, Refusal>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    /// Says the same to the server with its own password, and passes on what it replies.
    async fn log_in(
        &self,
        command: &[String],
        client: &mut Client,
        server: &mut TcpStream,
    ) -> io::Result<()> {
        let (user, token) = credentials(command).expect("it is a log-in");
        let own = command.iter().map(|word| match word {
            word if word == user => FUNCTIONS.user,
            word if word == token => FUNCTIONS.password,
            word => word,
        });
        let words: String = own.map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        server.write_all(format!("*{}\r\n{words}", command.len()).as_bytes()).await?;
        let mut reply = Vec::new();
        while read_reply(&reply).is_none() {
            if server.read_buf(&mut reply).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        client.write_all(&reply).await
    }
}

/// Name and password of `AUTH` or `HELLO … AUTH`.
fn credentials(command: &[String]) -> Option<(&str, &str)> {
    let is = |word: &String, wanted| word.eq_ignore_ascii_case(wanted);
    let at = match command {
        [auth, _, _] if is(auth, "AUTH") => 0,
        [hello, ..] if is(hello, "HELLO") => command.iter().position(|word| is(word, "AUTH"))?,
        _ => return None,
    };
    Some((command.get(at + 1)?, command.get(at + 2)?))
}
