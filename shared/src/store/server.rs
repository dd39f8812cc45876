//! Where the store is and how to connect to it: a single server, or the nodes of a cluster.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisError, TlsCertificates, Value,
};

use super::failure::is_lost;
use super::iam::{Cache, Iam};
use super::node::{NODE_TIMEOUT, Node};
use crate::config::Config;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a cluster client tries a command again where a slot is moving or a node is away, and how long it waits
/// before it does, in milliseconds: a second and a half in all.
const CLUSTER_RETRIES: u32 = 16;
const SHORTEST_WAIT: u64 = 20;
const LONGEST_WAIT: u64 = 200;

/// About how many keys one step of a walk over all of them takes.
const KEYS_PER_STEP: usize = 1000;

/// The servers that `REDIS_URL` names, and those learned since.
#[derive(Debug)]
pub(super) struct Server {
    /// The first server named, which tells how to log in.
    info: ConnectionInfo,
    /// All that are named.
    named: Vec<ConnectionAddr>,
    /// The nodes of the cluster, as one of them told last; empty where it is none, or not known to be one.
    learned: Mutex<Vec<ConnectionAddr>>,
    /// Present where the URL asks for TLS.
    certificates: Option<TlsCertificates>,
    iam: Option<Iam>,
    /// `?cluster=true` or `false` in the URL; else the server is asked, or several are named.
    cluster: Option<bool>,
}

/// An open connection to the server, or to the nodes of the cluster.
#[derive(Clone)]
pub(super) enum Link {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection<Node>),
}

/// A server of keys, in a cluster told by its address and the first slot that it serves.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Primary(Option<((String, u16), u16)>);

/// A server's description of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mode {
    is_cluster: bool,
    is_replica: bool,
}

impl Server {
    pub(super) fn new(config: &Config) -> Result<Self, RedisError> {
        let urls = split(config.redis_url.expose());
        let query = |wanted: &str| {
            let url = redis::parse_redis_url(&urls[0])?;
            url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let infos = urls.iter().map(|url| url.as_str().into_connection_info());
        let infos = infos.collect::<Result<Vec<_>, _>>()?;
        let named: Vec<_> = infos.iter().map(|info| info.addr().clone()).collect();
        let info = infos[0].clone().set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if tls {
            // redis picks no provider of its own; installing one twice is harmless.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let root_cert = config.redis_tls_ca.as_ref().map(|pem| pem.clone().into_bytes());
        let user = info.redis_settings().username().unwrap_or_default().to_owned();
        let cache =
            query("iam").map(Cache::Serverless).or_else(|| query("iam-group").map(Cache::ReplicationGroup));
        let cluster = match (query("cluster").map(|value| value == "true"), named.len()) {
            (cluster, 1) => cluster,
            (Some(false), _) => {
                return Err((ErrorKind::InvalidClientConfig, "only a cluster has several nodes").into());
            }
            _ => Some(true),
        };
        Ok(Self {
            info,
            named,
            learned: Mutex::default(),
            certificates: tls.then_some(TlsCertificates { client_tls: None, root_cert }),
            iam: cache.map(|cache| Iam::new(cache, user, config)),
            cluster,
        })
    }

    /// Whether it is logged in to with a token that expires.
    pub(super) fn takes_tokens(&self) -> bool {
        self.iam.is_some()
    }

    pub(super) async fn connect(&self) -> Result<Link, RedisError> {
        let mut info = self.info.clone();
        if let Some(iam) = &self.iam {
            let token = iam.token(SystemTime::now()).map_err(|error| {
                RedisError::from((ErrorKind::AuthenticationFailed, "no IAM token", error.to_string()))
            })?;
            let redis = info.redis_settings().clone().set_password(token);
            info = info.set_redis_settings(redis);
        }
        let is_known = !self.learned().is_empty();
        if self.cluster == Some(true) || is_known {
            match self.connect_cluster(&info).await {
                // The server may have become a single one.
                Err(_) if self.cluster.is_none() => {}
                result => return result,
            }
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let client = match &self.certificates {
            Some(certificates) => Client::build_with_tls(info.clone(), certificates.clone())?,
            None => Client::open(info.clone())?,
        };
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        if self.cluster.is_none() && Mode::of(&mut connection).await?.is_cluster {
            return self.connect_cluster(&info).await;
        }
        self.learned().clear();
        Ok(Link::Single(connection))
    }

    /// Connects to whichever nodes answer, of those that are named and those that were learned.
    async fn connect_cluster(&self, info: &ConnectionInfo) -> Result<Link, RedisError> {
        let mut nodes = self.named.clone();
        nodes.extend(self.learned().iter().filter(|node| !self.named.contains(node)).cloned());
        let nodes = nodes.into_iter().map(|node| info.clone().set_addr(node));
        let mut cluster = ClusterClientBuilder::new(nodes)
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(SHORTEST_WAIT)
            .max_retry_wait(LONGEST_WAIT)
            .connection_timeout(NODE_TIMEOUT)
            .response_timeout(RESPONSE_TIMEOUT)
            .overall_response_timeout(Some(RESPONSE_TIMEOUT))
            .tcp_settings(TcpSettings::default().set_nodelay(true));
        if let Some(certificates) = &self.certificates {
            cluster = cluster.certs(certificates.clone());
        }
        let mut connection = cluster.build()?.get_async_generic_connection().await?;
        self.learn(&mut connection).await;
        Ok(Link::Cluster(connection))
    }

    /// Asks one of the nodes that are there for all of them; false if it does not tell.
    pub(super) async fn learn(&self, connection: &mut ClusterConnection<Node>) -> bool {
        let mut slots = redis::cmd("CLUSTER");
        let slots = slots.arg("SLOTS").query_async::<Vec<Vec<Value>>>(connection);
        let Ok(Ok(slots)) = tokio::time::timeout(NODE_TIMEOUT, slots).await else { return false };
        // Each range of slots is its first and its last, then its nodes.
        let mut nodes: Vec<_> =
            slots.iter().flat_map(|range| range.iter().skip(2)).filter_map(place).collect();
        nodes.sort();
        nodes.dedup();
        *self.learned() = nodes.into_iter().map(|(host, port)| self.address(host, port)).collect();
        true
    }

    fn address(&self, host: String, port: u16) -> ConnectionAddr {
        match self.info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        }
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, Vec<ConnectionAddr>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    pub(super) async fn command<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisError> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// The servers that keys are spread over.
    pub(super) async fn primaries(&mut self) -> Result<Vec<Primary>, RedisError> {
        let Self::Cluster(connection) = self else { return Ok(vec![Primary(None)]) };
        let slots: Vec<Vec<Value>> = redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await?;
        let mut primaries = Vec::new();
        for range in &slots {
            let first = range.first().map(redis::from_redis_value_ref::<u16>).transpose()?;
            // The first node of a range is its primary.
            let primary = range.get(2).and_then(place).zip(first);
            let unknown =
                || RedisError::from((ErrorKind::ClusterConnectionNotFound, "a range has no primary"));
            primaries.push(Primary(Some(primary.ok_or_else(unknown)?)));
        }
        primaries.sort();
        primaries.dedup_by(|one, other| {
            let address = |primary: &Primary| primary.0.as_ref().map(|(address, _)| address.clone());
            address(one) == address(other)
        });
        Ok(primaries)
    }

    pub(super) async fn scan(
        &mut self,
        primary: &Primary,
        cursor: &str,
    ) -> Result<(String, Vec<Vec<u8>>), RedisError> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("COUNT").arg(KEYS_PER_STEP);
        match (self, &primary.0) {
            (Self::Single(connection), _) => scan.query_async(connection).await,
            (Self::Cluster(connection), Some((_, slot))) => {
                let route = SingleNodeRoutingInfo::SpecificNode(Route::new(*slot, SlotAddr::Master));
                let scanned = connection.route_command(scan, RoutingInfo::SingleNode(route)).await?;
                Ok(redis::from_redis_value(scanned)?)
            }
            (Self::Cluster(_), None) => {
                Err((ErrorKind::ClusterConnectionNotFound, "the server has become a cluster").into())
            }
        }
    }

    /// Whether it leads where it should. A server that became a replica still answers, and reads from it are old.
    pub(super) async fn is_good(&mut self) -> bool {
        let answer = match self {
            Self::Single(connection) => Mode::of(connection).await.map(|mode| !mode.is_replica),
            // To every primary.
            Self::Cluster(connection) => redis::cmd("PING").query_async(connection).await.map(|()| true),
        };
        // A server that refuses the question is there all the same.
        answer.unwrap_or_else(|error| !is_lost(&error))
    }
}

impl Mode {
    /// Asks the server; one that does not tell is taken for a single primary.
    async fn of(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        match redis::cmd("HELLO").query_async::<Vec<Value>>(connection).await {
            Ok(told) => Ok(Self::told(&told)),
            Err(error) if is_lost(&error) => Err(error),
            Err(_) => Ok(Self::default()),
        }
    }

    fn told(told: &[Value]) -> Self {
        let text = |value| redis::from_redis_value_ref::<String>(value).unwrap_or_default();
        let says = |name: &str, expected: &str| {
            told.chunks_exact(2).any(|pair| text(&pair[0]) == name && text(&pair[1]) == expected)
        };
        Self { is_cluster: says("mode", "cluster"), is_replica: says("role", "replica") }
    }
}

/// A node's host and port, if they are known.
fn place(node: &Value) -> Option<(String, u16)> {
    let Value::Array(node) = node else { return None };
    let host = redis::from_redis_value_ref::<String>(node.first()?).ok()?;
    let port = redis::from_redis_value_ref(node.get(1)?).ok()?;
    (!host.is_empty() && host != "?").then_some((host, port))
}

/// The URLs of the nodes that one URL names with commas between them.
fn split(url: &str) -> Vec<String> {
    let start = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |end| start + end);
    let start = url[start..end].rfind('@').map_or(start, |login| start + login + 1);
    let (before, nodes, after) = (&url[..start], &url[start..end], &url[end..]);
    nodes.split(',').map(|node| format!("{before}{node}{after}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_node_or_several() {
        for url in ["redis://localhost", "rediss://u:p,w@localhost:1/0?cluster=true&x=a,b", "localhost", ""] {
            assert_eq!(split(url), [url]);
        }
        assert_eq!(
            split("rediss://u:p,w@a:1,b,[::1]:3/0?cluster=true"),
            [
                "rediss://u:p,w@a:1/0?cluster=true",
                "rediss://u:p,w@b/0?cluster=true",
                "rediss://u:p,w@[::1]:3/0?cluster=true"
            ]
        );
    }

    #[test]
    fn a_nodes_place_is_read_where_it_is_known() {
        let bulk = |text: &str| Value::BulkString(text.into());
        let node = |host| Value::Array(vec![host, Value::Int(7000), bulk("id"), Value::Array(Vec::new())]);
        assert_eq!(place(&node(bulk("a"))), Some(("a".to_owned(), 7000)));
        for unknown in [bulk(""), bulk("?"), Value::Nil] {
            assert_eq!(place(&node(unknown)), None);
        }
        assert_eq!(place(&Value::Int(1)), None);
    }

    #[test]
    fn a_servers_mode_is_read() {
        let told = |mode: &str, role: &str| {
            let words = ["server", "redis", "mode", mode, "role", role];
            Mode::told(&words.map(|word| Value::BulkString(word.into())))
        };
        assert_eq!(told("standalone", "master"), Mode::default());
        assert_eq!(told("cluster", "replica"), Mode { is_cluster: true, is_replica: true });
        assert_eq!(Mode::told(&[]), Mode::default());
    }
}
