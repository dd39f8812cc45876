//! What a store is tested on: one server, a cluster, and a cluster like the one that a deployment creates.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use gateway::valkey::{Options, Valkey, ValkeyError};
use redis::aio::MultiplexedConnection;
use tokio::runtime::Handle;

use crate::access::Login;
use crate::certificates::Certificates;
use crate::tls::{Admission, TlsEnd};
use crate::{access, cluster, root, tls};

/// Servers, and how to reach them; dropped, they stop.
#[derive(Debug)]
pub struct Servers {
    url: String,
    admin_url: String,
    authority: Option<String>,
    nodes: Vec<Valkey>,
    ends: Vec<TlsEnd>,
}

impl Servers {
    /// One that anybody may ask anything.
    pub async fn single() -> Self {
        Self::open(vec![valkey(None, &[]).await])
    }

    /// Three primaries that anybody may ask anything.
    pub async fn cluster() -> Self {
        Self::open(cluster::start(async |_, _| ()).await)
    }

    /// Three primaries as ElastiCache Serverless shows itself: clients know nodes by name and by their TLS ends,
    /// which run here, and functions log in as a user with no more rights than they have there.
    pub async fn secure(runtime: &Handle) -> Self {
        Self::secure_with(runtime, true, tls::open()).await
    }

    /// The same, or as a single server, for those who are admitted.
    pub async fn secure_with(runtime: &Handle, clustered: bool, admission: Arc<Admission>) -> Self {
        let certificates = Certificates::issue();
        let mut ends = Vec::new();
        let mut serve = |node: &Valkey| {
            let end = TlsEnd::start_with(runtime, node.port(), &certificates, Arc::clone(&admission));
            let port = end.port();
            ends.push(end);
            port
        };
        let nodes = if clustered {
            let starting = cluster::start(async |connection, node| {
                cluster::announce(connection, serve(node)).await;
            });
            starting.await
        } else {
            let node = valkey(None, &[]).await;
            serve(&node);
            vec![node]
        };
        for node in &nodes {
            access::restrict(&mut connect(node).await).await;
        }
        let url = |login: Login| {
            format!("rediss://{}localhost:{}?cluster={clustered}", login.in_url(), ends[0].port())
        };
        Self {
            url: url(access::FUNCTIONS),
            admin_url: url(access::ADMIN),
            authority: Some(certificates.authority().to_owned()),
            nodes,
            ends,
        }
    }

    fn open(nodes: Vec<Valkey>) -> Self {
        let url = nodes[0].url();
        Self { admin_url: url.clone(), url, authority: None, nodes, ends: Vec::new() }
    }

    /// What functions are told.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same for whatever functions may not do.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// Who vouches for the servers, as PEM text, where they ask for TLS.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Closes all connections that are open.
    pub async fn cut(&self) {
        join_all(self.ends.iter().map(TlsEnd::cut)).await;
    }

    /// Leaves all connections open that are, and lets nothing pass on them any more.
    pub async fn stall(&self) {
        join_all(self.ends.iter().map(TlsEnd::stall)).await;
    }

    /// Stops the last node.
    pub async fn stop_one(&mut self) {
        self.nodes.last_mut().expect("there is one").stop().await;
    }

    /// Starts it again, on the same port.
    pub async fn start_again(&mut self) {
        let node = self.nodes.last_mut().expect("there is one");
        node.restart().await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// What stands before the servers where they ask for TLS.
    pub fn ends(&self) -> &[TlsEnd] {
        &self.ends
    }

    pub fn clustered(&self) -> bool {
        self.nodes.len() > 1
    }
}

/// Starts a server, with more of its own settings; given a folder, it keeps its data there.
pub async fn valkey(dir: Option<PathBuf>, settings: &[&str]) -> Valkey {
    try_valkey(dir, settings).await.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn try_valkey(dir: Option<PathBuf>, settings: &[&str]) -> Result<Valkey, ValkeyError> {
    let options = Options { dir, tools: Some(root().join(".local")), ..Options::default() };
    Valkey::start_with(options, settings).await
}

pub(crate) async fn connect(server: &Valkey) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("the server answers")
}
