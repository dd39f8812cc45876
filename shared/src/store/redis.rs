//! One multiplexed connection to Redis that mends itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError};
use tokio::sync::Mutex;

use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// After this long without a command the process may have been frozen and its socket dead.
const IDLE_BEFORE_CHECK: Duration = Duration::from_secs(60);
const CHECK_TIMEOUT: Duration = Duration::from_millis(250);

/// A handle to the one connection of this process; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Redis {
    client: Client,
    // Held while connecting, so that concurrent commands share one reconnect.
    live: Arc<Mutex<Option<Live>>>,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    // Wall time: a frozen process must notice how long it was away.
    used: SystemTime,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("used", &self.used).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Request<'a> {
    One(&'a Cmd),
    Several(&'a Pipeline),
}

impl Request<'_> {
    async fn send<T: FromRedisValue>(self, mut connection: MultiplexedConnection) -> Result<T, RedisError> {
        match self {
            Self::One(command) => command.query_async(&mut connection).await,
            Self::Several(pipeline) => pipeline.query_async(&mut connection).await,
        }
    }
}

impl Redis {
    pub(super) fn new(url: &str) -> Result<Self, RedisError> {
        let info = url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self { client: Client::open(info)?, live: Arc::default() })
    }

    /// Connects ahead of the first command; a failure shows there.
    pub(super) async fn warm(&self) {
        if let Err(error) = self.connection().await {
            tracing::warn!(%error, "Redis cannot be reached yet");
        }
    }

    /// Sends one command. It may reach the server twice, so it must be safe to repeat.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        self.attempt(Request::One(command)).await
    }

    /// Sends commands of one slot together. They may reach the server twice.
    pub(super) async fn run_all<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Error> {
        self.attempt(Request::Several(pipeline)).await
    }

    async fn attempt<T: FromRedisValue>(&self, request: Request<'_>) -> Result<T, Error> {
        match request.send(self.connection().await?).await {
            Err(error) if is_lost(&error) => {
                self.forget().await;
                // A time-out has used up the patience of whoever waits; a dropped connection has not.
                if error.is_timeout() {
                    return Err(error.into());
                }
                request.send(self.connection().await?).await.map_err(Error::from)
            }
            result => result.map_err(Error::from),
        }
    }

    async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut live = self.live.lock().await;
        if let Some(live) = live.as_mut() {
            let idle = live.used.elapsed().unwrap_or_default();
            live.used = SystemTime::now();
            if idle < IDLE_BEFORE_CHECK || answers(&live.connection).await {
                return Ok(live.connection.clone());
            }
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        *live = Some(Live { connection: connection.clone(), used: SystemTime::now() });
        Ok(connection)
    }

    async fn forget(&self) {
        *self.live.lock().await = None;
    }
}

fn is_lost(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_timeout()
        || error.is_unrecoverable_error()
}

async fn answers(connection: &MultiplexedConnection) -> bool {
    let mut connection = connection.clone();
    let ping = redis::cmd("PING");
    matches!(tokio::time::timeout(CHECK_TIMEOUT, connection.req_packed_command(&ping)).await, Ok(Ok(_)))
}

/// A script call with all its text, so that it is always one round trip; its keys must share a slot.
pub(super) fn script(text: &str, keys: &[&str]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(keys.len()).arg(keys);
    command
}
