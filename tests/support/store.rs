//! Stores of several kinds, started here: shared by all tests, or a test's own.

pub mod access;
pub mod certificates;
mod cluster;
pub mod iam;
mod version;

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use gateway::valkey::{Options, Program, Valkey, ValkeyError};
use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, TlsCertificates, Value};
use strum::EnumCount;
use tempfile::TempDir;

use crate::Clock;
use crate::environment::{block_on, root};
use crate::paused_process::PausedProcess;
use crate::proxy::{Admission, CountingProxy, TlsProxy, admit_all};
use access::{ADMIN, FUNCTIONS, Login};
use certificates::Certificates;
pub use version::Version;

/// The servers that a store is made of, by which each test says where it runs.
///
/// The basics run on [`Single`](Self::Single), as locally, and on [`SecureCluster`](Self::SecureCluster), as deployed.
/// Tests run on the latter alone if slots, rights or concurrent writers could make a difference, and on the former alone
/// if the store makes none.
#[derive(Clone, Copy, Debug, EnumCount, PartialEq, Eq)]
pub enum StoreKind {
    /// One server without TLS and rights.
    Single,
    /// Three primaries without TLS and rights.
    Cluster,
    /// One server behind TLS, on which functions have the rights that the template gives them.
    SecureSingle,
    /// Three primaries as ElastiCache Serverless shows itself: clients know nodes by name and by their TLS proxies,
    /// and functions have the rights that the template gives them, but for what is forbidden there.
    SecureCluster,
}

impl StoreKind {
    fn is_clustered(self) -> bool {
        matches!(self, Self::Cluster | Self::SecureCluster)
    }

    fn is_secure(self) -> bool {
        matches!(self, Self::SecureSingle | Self::SecureCluster)
    }
}

/// Servers, and how to reach them; dropped, they stop.
#[derive(Debug)]
pub struct TestStore {
    kind: StoreKind,
    url: String,
    admin_url: String,
    authority: Option<String>,
    nodes: Vec<Valkey>,
    proxies: Vec<TlsProxy>,
    _folder: Option<TempDir>,
}

impl TestStore {
    /// The store of this kind that all tests share; it ends with this process.
    pub fn shared(kind: StoreKind) -> &'static Self {
        static SHARED: [OnceLock<TestStore>; StoreKind::COUNT] =
            [const { OnceLock::new() }; StoreKind::COUNT];
        SHARED[kind as usize].get_or_init(|| block_on(|| Self::start(kind)))
    }

    /// A store of one's own.
    pub async fn start(kind: StoreKind) -> Self {
        Self::start_with(kind, admit_all()).await
    }

    /// A store of one's own that, if it is secure, admits clients so.
    pub async fn start_with(kind: StoreKind, admission: Arc<Admission>) -> Self {
        if kind.is_secure() {
            return Self::start_secure(kind, admission).await;
        }
        let nodes = match kind.is_clustered() {
            true => cluster::start(async |_, _| ()).await,
            false => vec![start_valkey(None).await],
        };
        Self::open_to_all(kind, nodes, None)
    }

    /// A single server of one's own that keeps its data while it is stopped.
    pub async fn start_durable() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let node = start_valkey(Some(folder.path().to_owned())).await;
        Self::open_to_all(StoreKind::Single, vec![node], Some(folder))
    }

    /// A single server of one's own, of this version and with these settings of its own; `None`, and why, where the
    /// machine has none.
    pub async fn start_version(version: Version, settings: &[&str]) -> Option<Self> {
        let options = Options { program: Some(version.find().await?), ..Options::default() };
        // A replica keeps a file of what it gets, even without a folder for its data.
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display().to_string();
        let settings = [&["--dir", &path], settings].concat();
        let node = Valkey::start_with(options, &settings).await.unwrap_or_else(|error| panic!("{error}"));
        Some(Self::open_to_all(StoreKind::Single, vec![node], Some(folder)))
    }

    /// A single server of one's own that reads this clock: what expires goes by it.
    ///
    /// It is a Valkey: other servers' allocators ask for the time before libfaketime can tell it.
    pub async fn start_by(clock: &Clock) -> Self {
        let program = Version::Valkey.find().await.expect("a Valkey can be fetched");
        let program = Program { path: clock.program(&program.path), ..program };
        let options = Options { program: Some(program), ..Options::default() };
        let node = Valkey::start_with(options, &[]).await.unwrap_or_else(|error| panic!("{error}"));
        Self::open_to_all(StoreKind::Single, vec![node], None)
    }

    /// Three primaries without TLS and rights, and a replica of each: the first replica of the first primary, and so
    /// on. A replica takes over from a primary that is away for so long.
    pub async fn start_replicated_cluster(timeout: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let nodes = cluster::start_replicated(timeout, folder.path()).await;
        Self::open_to_all(StoreKind::Cluster, nodes, Some(folder))
    }

    /// A [`Cluster`](StoreKind::Cluster) of one's own whose nodes are known to clients by counting proxies only.
    pub async fn start_counted_cluster() -> (Self, Vec<CountingProxy>) {
        let mut proxies = Vec::new();
        let nodes = cluster::start(async |connection, node| {
            let proxy = CountingProxy::start(node.port());
            cluster::announce(connection, proxy.port()).await;
            proxies.push(proxy);
        })
        .await;
        (Self::open_to_all(StoreKind::Cluster, nodes, None), proxies)
    }

    fn open_to_all(kind: StoreKind, nodes: Vec<Valkey>, folder: Option<TempDir>) -> Self {
        let url = nodes[0].url();
        Self {
            kind,
            admin_url: url.clone(),
            url,
            authority: None,
            nodes,
            proxies: Vec::new(),
            _folder: folder,
        }
    }

    async fn start_secure(kind: StoreKind, admission: Arc<Admission>) -> Self {
        let certificates = Certificates::issue();
        let mut proxies = Vec::new();
        let mut put_proxy_before = |node: &Valkey| {
            let proxy = TlsProxy::start_with(node.port(), &certificates, Arc::clone(&admission));
            let port = proxy.port();
            proxies.push(proxy);
            port
        };
        let nodes = if kind.is_clustered() {
            let starting = cluster::start(async |connection, node| {
                cluster::announce(connection, put_proxy_before(node)).await;
            });
            starting.await
        } else {
            let node = start_valkey(None).await;
            put_proxy_before(&node);
            vec![node]
        };
        for node in &nodes {
            access::restrict(&mut connect(node, None).await).await;
        }
        let (port, clustered) = (proxies[0].port(), kind.is_clustered());
        let url = |login: Login| format!("rediss://{}localhost:{port}?cluster={clustered}", login.in_url());
        Self {
            kind,
            url: url(FUNCTIONS),
            admin_url: url(ADMIN),
            authority: Some(certificates.authority().to_owned()),
            nodes,
            proxies,
            _folder: None,
        }
    }

    /// The URL that functions are given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same with all rights.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The authority that clients have to trust where servers speak TLS, as PEM text.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// The same for a client of the redis crate.
    pub fn certificates(&self) -> TlsCertificates {
        TlsCertificates { client_tls: None, root_cert: self.authority().map(Into::into) }
    }

    /// Where the first node listens, or the TLS proxy before it.
    pub fn port(&self) -> u16 {
        self.proxies.first().map_or_else(|| self.nodes[0].port(), TlsProxy::port)
    }

    /// Whether it has several nodes.
    pub fn is_clustered(&self) -> bool {
        self.kind.is_clustered()
    }

    /// The TLS proxies before its nodes, if it is secure.
    pub fn proxies(&self) -> &[TlsProxy] {
        &self.proxies
    }

    /// A connection to the first node, past proxies and with all rights.
    pub async fn connect(&self) -> MultiplexedConnection {
        self.connect_to(&self.nodes[0]).await
    }

    /// The same to another node.
    pub async fn connect_to_node(&self, node: usize) -> MultiplexedConnection {
        self.connect_to(&self.nodes[node]).await
    }

    /// A connection to each node, past proxies and with all rights.
    pub async fn connect_to_all(&self) -> Vec<MultiplexedConnection> {
        join_all(self.nodes.iter().map(|node| self.connect_to(node))).await
    }

    async fn connect_to(&self, node: &Valkey) -> MultiplexedConnection {
        connect(node, self.kind.is_secure().then_some(ADMIN)).await
    }

    /// The ports of its nodes.
    pub fn node_ports(&self) -> Vec<u16> {
        self.nodes.iter().map(Valkey::port).collect()
    }

    /// Sends a command, written with spaces between its words, to the first node.
    pub async fn tell(&self, command: &str) -> Value {
        self.tell_node(0, command).await
    }

    /// The same to another node.
    pub async fn tell_node(&self, node: usize, command: &str) -> Value {
        tell(&self.connect_to_node(node).await, command).await
    }

    /// One line of what the first node tells of itself.
    pub async fn info(&self, name: &str) -> String {
        info(&mut self.connect().await, name).await
    }

    /// Kills a node without a warning.
    pub async fn kill_node(&self, node: usize) {
        let process = info(&mut self.connect_to(&self.nodes[node]).await, "process_id").await;
        let killed = Command::new("kill").args(["-KILL", &process]).status().expect("kill runs");
        assert!(killed.success());
    }

    /// How many bytes its nodes have sent so far.
    pub async fn sent_bytes(&self) -> u64 {
        let mut bytes = 0;
        for node in &self.nodes {
            let mut connection = self.connect_to(node).await;
            let info: String =
                redis::cmd("INFO").arg("stats").query_async(&mut connection).await.expect("the node answers");
            let sent = info.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
            bytes += sent.expect("a count").trim().parse::<u64>().expect("a number");
        }
        bytes
    }

    /// Closes all connections that are open. Needs a secure store.
    pub async fn cut(&self) {
        assert!(self.kind.is_secure(), "only a proxy can close connections");
        join_all(self.proxies.iter().map(TlsProxy::cut)).await;
    }

    /// Leaves all connections open that are, and lets nothing pass on them any more. Needs a secure store.
    pub async fn stall(&self) {
        assert!(self.kind.is_secure(), "only a proxy can stall connections");
        join_all(self.proxies.iter().map(TlsProxy::stall)).await;
    }

    /// Stops the last node; of a single server, the server.
    pub async fn stop_node(&mut self) {
        self.last_node().stop().await;
    }

    /// Starts the last node again, on the same port, and stops it first where it runs.
    pub async fn restart_node(&mut self) {
        self.last_node().restart().await.unwrap_or_else(|error| panic!("{error}"));
    }

    fn last_node(&mut self) -> &mut Valkey {
        self.nodes.last_mut().expect("a store has a node")
    }

    /// Pauses the last node's process, so that only the system still accepts connections for it.
    pub async fn pause_node(&self) -> PausedProcess {
        let mut connection = self.connect_to(self.nodes.last().expect("a store has a node")).await;
        let process = info(&mut connection, "process_id").await;
        PausedProcess::pause(process.parse().expect("a number")).await
    }
}

/// Starts a server; given a folder, it keeps its data there.
async fn start_valkey(dir: Option<PathBuf>) -> Valkey {
    try_valkey(dir, &[]).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn try_valkey(dir: Option<PathBuf>, settings: &[&str]) -> Result<Valkey, ValkeyError> {
    let options = Options { dir, tools: Some(root().join(".local")), ..Options::default() };
    Valkey::start_with(options, settings).await
}

async fn connect(node: &Valkey, login: Option<Login>) -> MultiplexedConnection {
    let login = login.map(Login::in_url).unwrap_or_default();
    let client = Client::open(format!("redis://{login}127.0.0.1:{}", node.port())).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("the node answers")
}

/// Sends a command, written with spaces between its words, which must not fail.
pub async fn tell<T: FromRedisValue>(connection: &MultiplexedConnection, command: &str) -> T {
    let mut words = command.split(' ');
    let mut sent = redis::cmd(words.next().unwrap_or_default());
    sent.arg(words.collect::<Vec<_>>());
    sent.query_async(&mut connection.clone()).await.unwrap_or_else(|error| panic!("{command}: {error}"))
}

/// One line of what a node tells of itself.
async fn info(connection: &mut MultiplexedConnection, name: &str) -> String {
    let told: String = redis::cmd("INFO").query_async(connection).await.expect("the node answers");
    let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name}: {told}")).trim().to_owned()
}
