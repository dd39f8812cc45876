//! Connections that are lost or fall silent behind TLS.

use rstest::rstest;
use support::StoreKind::{self, SecureCluster, SecureSingle};
use support::TestStore;

use crate::secure::open;
use crate::world::{connection, now_ms, user};

/// A connection that is lost costs nothing; one that falls silent costs one command.
#[rstest]
#[tokio::test]
async fn a_store_is_connected_to_again(#[values(SecureSingle, SecureCluster)] kind: StoreKind) {
    let servers = TestStore::start(kind).await;
    let store = open(servers.url(), servers.authority()).await;
    let (phone, bob) = (connection("phone"), user("bob"));
    store.register(&phone, &bob, false, now_ms()).await.expect("the store answers");
    servers.cut().await;
    assert_eq!(store.speaker(&phone).await.expect("a new connection").as_ref(), Some(&bob));
    servers.stall().await;
    assert_eq!(store.speaker(&phone).await.expect_err("nothing comes").answer().0, 503);
    assert_eq!(store.speaker(&phone).await.expect("a new connection"), Some(bob));
}
