//! A server behind TLS: connections that are lost.

use gateway::valkey::Valkey;
use harness::certificates::Certificates;
use harness::servers::valkey;
use harness::tls::TlsEnd;
use shared::store::Store;
use tokio::runtime::Handle;

use crate::world::{config, connection, user};

#[tokio::test]
async fn a_lost_connection_is_opened_again_before_anybody_notices() {
    let (_server, end, store) = behind_tls().await;
    let (phone, bob) = (connection("phone"), user("bob"));
    store.register(&phone, &bob).await.expect("the store answers");
    end.cut().await;
    let speaker = store.speaker(&phone).await.expect("the store answers");
    assert_eq!(speaker.user, Some(bob));
}

#[tokio::test]
async fn a_silent_connection_costs_one_command() {
    let (_server, end, store) = behind_tls().await;
    let (phone, bob) = (connection("phone"), user("bob"));
    store.register(&phone, &bob).await.expect("the store answers");
    end.stall().await;
    store.speaker(&phone).await.expect_err("nothing comes");
    let speaker = store.speaker(&phone).await.expect("the store answers");
    assert_eq!(speaker.user, Some(bob));
}

async fn behind_tls() -> (Valkey, TlsEnd, Store) {
    let (server, certificates) = (valkey(None, &[]).await, Certificates::issue());
    let end = TlsEnd::start(&Handle::current(), server.port(), &certificates);
    let url = format!("rediss://localhost:{}", end.port());
    let config = config(&url, Some(certificates.authority()), true);
    (server, end, Store::open(&config).await.expect("a good URL"))
}
