//! What a store is tested on: one server, a cluster, and a cluster like the one that a deployment creates.

use std::path::PathBuf;

use gateway::valkey::{Options, Valkey};
use redis::aio::MultiplexedConnection;
use tokio::runtime::Handle;

use crate::access::Login;
use crate::certificates::Certificates;
use crate::tls::TlsEnd;
use crate::{access, cluster, root};

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
        let certificates = Certificates::issue();
        let mut ends = Vec::new();
        let starting = cluster::start(async |connection, node| {
            let end = TlsEnd::start(runtime, node.port(), &certificates);
            cluster::announce(connection, end.port()).await;
            ends.push(end);
        });
        let nodes = starting.await;
        for node in &nodes {
            access::restrict(&mut connect(node).await).await;
        }
        let url =
            |login: Login| format!("rediss://{}localhost:{}?cluster=true", login.in_url(), ends[0].port());
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
    let options = Options { dir, tools: Some(root().join(".local")), ..Options::default() };
    Valkey::start_with(options, settings).await.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn connect(server: &Valkey) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("the server answers")
}
