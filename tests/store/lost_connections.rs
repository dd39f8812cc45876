//! Connections that are lost or fall silent behind TLS.

use harness::certificates::Certificates;
use harness::servers::{Servers, valkey};
use harness::tls::TlsEnd;
use shared::store::Store;
use tokio::runtime::Handle;

use crate::secure::open;
use crate::world::{connection, user};

#[tokio::test]
async fn a_server_is_connected_to_again() {
    let (server, certificates) = (valkey(None, &[]).await, Certificates::issue());
    let end = TlsEnd::start(&Handle::current(), server.port(), &certificates);
    let store = open(&format!("rediss://localhost:{}", end.port()), Some(certificates.authority())).await;
    lose_connections(&store, &[end]).await;
}

#[tokio::test]
async fn a_cluster_is_connected_to_again() {
    let servers = Servers::secure(&Handle::current()).await;
    lose_connections(&open(servers.url(), servers.authority()).await, servers.ends()).await;
}

/// A connection that is lost costs nobody anything; one that falls silent costs one command.
async fn lose_connections(store: &Store, ends: &[TlsEnd]) {
    let (phone, bob) = (connection("phone"), user("bob"));
    store.register(&phone, &bob).await.expect("the store answers");
    for end in ends {
        end.cut().await;
    }
    assert_eq!(store.speaker(&phone).await.expect("a new connection").user.as_ref(), Some(&bob));
    for end in ends {
        end.stall().await;
    }
    assert_eq!(store.speaker(&phone).await.expect_err("nothing comes").answer().0, 503);
    assert_eq!(store.speaker(&phone).await.expect("a new connection").user, Some(bob));
}
