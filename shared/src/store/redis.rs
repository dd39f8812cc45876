//! One multiplexed connection to Redis, single server or cluster, that mends itself.

use std::io;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, Pipeline, RedisError, ServerErrorKind, TlsCertificates, Value,
};
use tokio::sync::Mutex;

use super::iam::{Cache, Iam};
use super::script::Call;
use crate::config::Config;
use crate::error::Error;
use crate::idle;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A cluster client asks and connects to one node after another before it is ready, each with the limits above.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a cluster client tries a command again where a slot is moving or a node is away.
const CLUSTER_RETRIES: u32 = 2;

/// How long an idle connection may take to show that it is alive.
const CHECK_TIMEOUT: Duration = Duration::from_millis(250);

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

/// Where and how to connect.
#[derive(Debug)]
struct Server {
    info: ConnectionInfo,
    /// Present where the URL asks for TLS.
    certificates: Option<TlsCertificates>,
    iam: Option<Iam>,
    /// `?cluster=true` or `false` in the URL; else the server is asked.
    cluster: Option<bool>,
}

struct Live {
    connection: Connection,
    // Wall time: a frozen process must notice how long it was away.
    since: SystemTime,
    used: SystemTime,
}

/// An open connection, told from others by its number.
#[derive(Clone)]
struct Connection {
    link: Link,
    number: u64,
    /// The scripts that were sent whole over it.
    scripts: Arc<StdMutex<Vec<&'static str>>>,
}

#[derive(Clone)]
enum Link {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What is sent. It may reach the server twice unless it is sent by [`Redis::run_once`].
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    One(&'a Cmd),
    /// Commands of one slot.
    Several(&'a Pipeline),
    /// Commands of any slots, which do not need each other.
    Independent(&'a Pipeline),
    Script(&'a Call),
}

impl Redis {
    pub(super) fn new(config: &Config) -> Result<Self, RedisError> {
        let url = config.redis_url.expose();
        let query = |wanted: &str| {
            let url = redis::parse_redis_url(url)?;
            url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let info = url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if tls {
            // redis picks no provider of its own; installing one twice is harmless.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let root_cert = config.redis_tls_ca.as_ref().map(|pem| pem.clone().into_bytes());
        let user = info.redis_settings().username().unwrap_or_default().to_owned();
        let cache =
            query("iam").map(Cache::Serverless).or_else(|| query("iam-group").map(Cache::ReplicationGroup));
        let server = Server {
            info,
            certificates: tls.then_some(TlsCertificates { client_tls: None, root_cert }),
            iam: cache.map(|cache| Iam::new(cache, user, config)),
            cluster: query("cluster").map(|value| value == "true"),
        };
        Ok(Self { server: Arc::new(server), slot: Arc::default() })
    }

    /// Connects ahead of the first command; a failure shows there.
    pub(super) async fn warm(&self) {
        if let Err(error) = self.connection().await {
            tracing::warn!(%error, "Redis cannot be reached yet");
        }
    }

    /// Sends what is safe to repeat: it may reach the server twice.
    pub(super) async fn run<'a, T: FromRedisValue>(
        &self,
        request: impl Into<Request<'a>>,
    ) -> Result<T, Error> {
        let request = request.into();
        let connection = self.connection().await?;
        match self.send(connection, request).await {
            // A time-out has used up the patience of whoever waits; a dropped connection has not.
            Err(error) if is_lost(&error) && !error.is_timeout() => {
                let connection = self.connection().await?;
                self.send(connection, request).await
            }
            result => result,
        }
        .map_err(Error::from)
    }

    /// Sends what would lose its answer if repeated: it reaches the server once at most.
    pub(super) async fn run_once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let connection = self.connection().await?;
        self.send(connection, Request::One(command)).await.map_err(Error::from)
    }

    async fn send<T: FromRedisValue>(
        &self,
        connection: Connection,
        request: Request<'_>,
    ) -> Result<T, RedisError> {
        let number = connection.number;
        let result = connection.send(request).await;
        if result.as_ref().is_err_and(is_lost) {
            self.forget(number).await;
        }
        result
    }

    /// The connection, a new one where there is none to trust.
    async fn connection(&self) -> Result<Connection, RedisError> {
        let mut slot = self.slot.lock().await;
        if let Some(live) = slot.live.as_mut() {
            let unused = live.used.elapsed().unwrap_or_default();
            let old =
                self.server.iam.is_some() && live.since.elapsed().unwrap_or_default() > TOKEN_CONNECTION_AGE;
            live.used = SystemTime::now();
            if !old && (unused < idle::TRUSTED || live.connection.answers().await) {
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
        slot.live = Some(Live { connection: connection.clone(), since: now, used: now });
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

impl Server {
    async fn connect(&self) -> Result<Link, RedisError> {
        let mut info = self.info.clone();
        if let Some(iam) = &self.iam {
            let token = iam.token(SystemTime::now()).map_err(|error| {
                RedisError::from((ErrorKind::AuthenticationFailed, "no IAM token", error.to_string()))
            })?;
            let redis = info.redis_settings().clone().set_password(token);
            info = info.set_redis_settings(redis);
        }
        if self.cluster == Some(true) {
            return self.connect_cluster(info).await;
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let client = match &self.certificates {
            Some(certificates) => Client::build_with_tls(info.clone(), certificates.clone())?,
            None => Client::open(info.clone())?,
        };
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        if self.cluster.is_none() && is_cluster(&mut connection).await? {
            return self.connect_cluster(info).await;
        }
        Ok(Link::Single(connection))
    }

    async fn connect_cluster(&self, info: ConnectionInfo) -> Result<Link, RedisError> {
        let mut cluster = ClusterClientBuilder::new([info])
            .retries(CLUSTER_RETRIES)
            .connection_timeout(CONNECT_TIMEOUT)
            .response_timeout(RESPONSE_TIMEOUT)
            .overall_response_timeout(Some(RESPONSE_TIMEOUT))
            .tcp_settings(TcpSettings::default().set_nodelay(true));
        if let Some(certificates) = &self.certificates {
            cluster = cluster.certs(certificates.clone());
        }
        Ok(Link::Cluster(cluster.build()?.get_async_connection().await?))
    }
}

impl Connection {
    async fn send<T: FromRedisValue>(mut self, request: Request<'_>) -> Result<T, RedisError> {
        match request {
            Request::One(command) => self.link.command(command).await,
            Request::Several(pipeline) => self.link.pipeline(pipeline).await,
            Request::Independent(pipeline) => self.link.each(pipeline).await,
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

    async fn answers(&mut self) -> bool {
        let ping = redis::cmd("PING");
        let pong = self.link.command::<String>(&ping);
        matches!(tokio::time::timeout(CHECK_TIMEOUT, pong).await, Ok(Ok(_)))
    }
}

impl Link {
    async fn command<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisError> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    async fn pipeline<T: FromRedisValue>(&mut self, pipeline: &Pipeline) -> Result<T, RedisError> {
        match self {
            Self::Single(connection) => pipeline.query_async(connection).await,
            Self::Cluster(connection) => pipeline.query_async(connection).await,
        }
    }

    /// As one batch to a single server; to the nodes of a cluster, all at once.
    async fn each<T: FromRedisValue>(&mut self, pipeline: &Pipeline) -> Result<T, RedisError> {
        let Self::Cluster(connection) = self else { return self.pipeline(pipeline).await };
        let sent = pipeline.cmd_iter().map(|command| {
            let mut connection = connection.clone();
            async move { command.query_async::<Value>(&mut connection).await }
        });
        Ok(redis::from_redis_value(Value::Array(try_join_all(sent).await?))?)
    }
}

impl<'a> From<&'a Cmd> for Request<'a> {
    fn from(command: &'a Cmd) -> Self {
        Self::One(command)
    }
}

impl<'a> From<&'a Pipeline> for Request<'a> {
    fn from(pipeline: &'a Pipeline) -> Self {
        Self::Several(pipeline)
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

fn is_lost(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_timeout()
        || error.is_unrecoverable_error()
}

/// Asks the server for its mode; one that does not tell (Redis before 6) is taken for a single one.
async fn is_cluster(connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
    match redis::cmd("HELLO").query_async::<Vec<Value>>(connection).await {
        Ok(told) => {
            let mut told =
                told.iter().map(|value| redis::from_redis_value_ref::<String>(value).unwrap_or_default());
            Ok(told.any(|word| word == "mode") && told.next().as_deref() == Some("cluster"))
        }
        Err(error) if is_lost(&error) => Err(error),
        Err(_) => Ok(false),
    }
}
