//! One multiplexed connection to Redis, single server or cluster, that mends itself.

use std::io;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, SystemTime};

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use tokio::sync::Mutex;

use super::failure::{is_lost, is_refused};
use super::script::Call;
use super::server::{Link, Primary, Server};
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::error::Error;
use crate::idle;
use crate::telemetry::StoreTime;

/// A cluster client asks and connects to one node after another before it is ready, each with limits of its own.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection may take to show that it is good.
const CHECK_TIMEOUT: Duration = Duration::from_millis(250);

/// How often a busy connection to a single server has to show that: one that only reads would not notice that the
/// server became a replica.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// A connection made with a token is replaced while that token still opens others, which a cluster client
/// does whenever it pleases.
const TOKEN_CONNECTION_AGE: Duration = Duration::from_secs(600);

/// A handle to the one connection of this process; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Redis {
    server: Arc<Server>,
    // Held while connecting, so that concurrent commands share one reconnect.
    slot: Arc<Mutex<Slot>>,
}

/// The connection, if there is one, and how many there were.
#[derive(Debug, Default)]
struct Slot {
    number: u64,
    live: Option<Live>,
}

struct Live {
    connection: Connection,
    // Wall time: a frozen process must notice how long it was away.
    since: SystemTime,
    used: SystemTime,
    checked: SystemTime,
}

/// An open connection, told from others by its number.
#[derive(Clone)]
struct Connection {
    link: Link,
    number: u64,
    /// The scripts that were sent whole over it.
    scripts: Arc<StdMutex<Vec<&'static str>>>,
}

/// Why a request failed.
struct Failure {
    error: RedisError,
    /// Whether the request was sent, and its connection is given up.
    given_up: bool,
}

/// A command or script to send. It may reach the server twice unless it is sent by [`Redis::run_once`].
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    One(&'a Cmd),
    Script(&'a Call),
}

impl Redis {
    pub(super) fn new(config: &Config) -> Result<Self, RedisError> {
        Ok(Self { server: Arc::new(Server::new(config)?), slot: Arc::default() })
    }

    /// Connects ahead of the first command, and sets this clock by the store's, so that the first message gets the right
    /// time, too. A failure shows at the first command.
    pub(super) async fn warm(&self, clock: &Clock) {
        let connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => return tracing::warn!(%error, "Redis cannot be reached yet"),
        };
        let sent = clock::system_ms();
        let time = redis::cmd("TIME");
        let asking = connection.send::<(i64, i64)>(Request::One(&time));
        if let Ok(Ok((seconds, microseconds))) = tokio::time::timeout(CHECK_TIMEOUT, asking).await {
            clock.compare(sent, seconds * 1000 + microseconds / 1000, clock::system_ms());
        }
    }

    /// Sends what is safe to repeat: it may reach the server twice.
    pub(super) async fn run<'a, T: FromRedisValue>(
        &self,
        request: impl Into<Request<'a>>,
    ) -> Result<T, Error> {
        let request = request.into();
        match self.send(request).await {
            // A timeout has used up the time of whoever waits.
            Err(Failure { error, given_up: true }) if !error.is_timeout() => self.send(request).await,
            result => result,
        }
        .map_err(|failure| Error::from(failure.error))
    }

    /// Sends what would lose its answer if repeated: it reaches a single server once at most.
    pub(super) async fn run_once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        self.send(Request::One(command)).await.map_err(|failure| Error::from(failure.error))
    }

    /// Whether keys of different slots need commands of their own.
    pub(super) async fn is_clustered(&self) -> Result<bool, Error> {
        Ok(matches!(self.connection().await?.link, Link::Cluster(_)))
    }

    /// The servers that keys are spread over.
    pub(super) async fn primaries(&self) -> Result<Vec<Primary>, Error> {
        self.connection().await?.link.primaries().await.map_err(Error::from)
    }

    /// A step of a walk over a server's keys, begun at 0: where it goes on, 0 again at its end, and keys.
    pub(super) async fn scan(
        &self,
        primary: &Primary,
        cursor: &str,
    ) -> Result<(String, Vec<Vec<u8>>), Error> {
        self.connection().await?.link.scan(primary, cursor).await.map_err(Error::from)
    }

    async fn send<T: FromRedisValue>(&self, request: Request<'_>) -> Result<T, Failure> {
        let _time = StoreTime::start();
        let connection = self.connection().await.map_err(|error| Failure { error, given_up: false })?;
        let (number, link) = (connection.number, connection.link.clone());
        let error = match connection.send(request).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let given_up = is_lost(&error) && !self.mends_itself(link, &error).await;
        if given_up {
            self.forget(number).await;
        }
        Err(Failure { error, given_up })
    }

    /// Whether a connection goes on after this error: that to a cluster, of which one node failed, if another answers.
    ///
    /// It does not notice itself that it has gone silent, and logs in again as it did before.
    async fn mends_itself(&self, link: Link, error: &RedisError) -> bool {
        match link {
            Link::Cluster(mut connection) if !error.is_timeout() && !is_refused(error) => {
                self.server.learn(&mut connection).await
            }
            _ => false,
        }
    }

    /// The connection, a new one where there is none to trust.
    async fn connection(&self) -> Result<Connection, RedisError> {
        let mut slot = self.slot.lock().await;
        if let Some(live) = slot.live.as_mut() {
            let trusted = live.is_trusted(self.server.takes_tokens()).await;
            live.used = SystemTime::now();
            if trusted {
                return Ok(live.connection.clone());
            }
        }
        slot.live = None;
        let connecting = tokio::time::timeout(READY_TIMEOUT, self.server.connect());
        let link =
            connecting.await.map_err(|_| RedisError::from(io::Error::from(io::ErrorKind::TimedOut)))??;
        slot.number += 1;
        let connection = Connection { link, number: slot.number, scripts: Arc::default() };
        let now = SystemTime::now();
        slot.live = Some(Live { connection: connection.clone(), since: now, used: now, checked: now });
        Ok(connection)
    }

    /// Drops the connection of this number, unless another command has replaced it already.
    async fn forget(&self, number: u64) {
        let mut slot = self.slot.lock().await;
        if slot.number == number {
            slot.live = None;
        }
    }
}

impl Live {
    /// Whether it is good, as far as that is known without asking, or after asking where it is not.
    async fn is_trusted(&mut self, takes_tokens: bool) -> bool {
        let since = |time: SystemTime| time.elapsed().unwrap_or_default();
        if takes_tokens && since(self.since) > TOKEN_CONNECTION_AGE {
            return false;
        }
        // A cluster's nodes redirect those who ask the wrong one.
        let busy = matches!(self.connection.link, Link::Cluster(_)) || since(self.checked) < CHECK_INTERVAL;
        if busy && since(self.used) < idle::TRUSTED {
            return true;
        }
        self.checked = SystemTime::now();
        let good = tokio::time::timeout(CHECK_TIMEOUT, self.connection.link.is_good());
        good.await.unwrap_or_default()
    }
}

impl Connection {
    async fn send<T: FromRedisValue>(mut self, request: Request<'_>) -> Result<T, RedisError> {
        match request {
            Request::One(command) => self.link.command(command).await,
            Request::Script(call) => self.call(call).await,
        }
    }

    /// By its hash, if the server should know the script. It may not after all: each node of a cluster learns for
    /// itself, and what it learned can be flushed.
    async fn call<T: FromRedisValue>(&mut self, call: &Call) -> Result<T, RedisError> {
        let scripts = self.scripts.clone();
        let known = || scripts.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(&call.script()) {
            match self.link.command(call.by_hash()).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {}
                result => return result,
            }
        }
        let result = self.link.command(&call.whole()).await;
        if result.is_ok() && !known().contains(&call.script()) {
            known().push(call.script());
        }
        result
    }
}

impl<'a> From<&'a Cmd> for Request<'a> {
    fn from(command: &'a Cmd) -> Self {
        Self::One(command)
    }
}

impl<'a> From<&'a Call> for Request<'a> {
    fn from(call: &'a Call) -> Self {
        Self::Script(call)
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("used", &self.used).finish_non_exhaustive()
    }
}
