//! Clients and commands that a cluster like the one that a deployment creates takes, and those that it refuses.

use std::iter::repeat;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, Value};
use shared::store::Store;
use support::StoreKind::SecureCluster;
use support::TestStore;
use support::store::access::RESTRICTED;
use support::store::certificates::Certificates;

use crate::world::{config, connection, now_ms, user};

/// A client that took it for one server would be sent away by two nodes in three.
#[tokio::test]
async fn it_is_found_to_be_a_cluster() {
    let url = own_url().strip_suffix("?cluster=true").expect("a URL that says so, as the template's does");
    let store = open(url, servers().authority()).await;
    join_all((0..20).map(async |_| {
        let (phone, bob) = (connection("phone"), user("bob"));
        store.register(&phone, &bob, false, now_ms()).await.expect("the store answers");
        assert_eq!(store.speaker(&phone).await.expect("the store answers"), Some(bob));
    }))
    .await;
}

#[tokio::test]
async fn nothing_spans_slots() {
    let mut functions = log_in(own_url()).await;
    let error = Cmd::mget(&["one", "another"]).query_async::<Value>(&mut functions).await;
    assert_eq!(error.expect_err("two slots").code(), Some("CROSSSLOT"));
}

#[tokio::test]
async fn what_is_restricted_is_forbidden() {
    let mut functions = log_in(own_url()).await;
    let mut admin = log_in(servers().admin_url()).await;
    for name in RESTRICTED.split(' ') {
        let mut command = Cmd::new();
        let words = name.split('|').chain(repeat("0")).take(least_words(&mut admin, name).await);
        command.arg(words.collect::<Vec<_>>());
        let error = command.query_async::<Value>(&mut functions).await.expect_err(name);
        let is_unknown = error.detail().is_some_and(|detail| detail.starts_with("unknown "));
        assert!(error.code() == Some("NOPERM") || is_unknown, "{name}: {error}");
    }
}

/// How many words a server wants before it checks rights. An older one may not know the command.
async fn least_words(admin: &mut MultiplexedConnection, name: &str) -> usize {
    let mut command = redis::cmd("COMMAND");
    command.arg("INFO").arg(name);
    let known: Vec<Option<Vec<Value>>> = command.query_async(admin).await.expect("the server answers");
    let Some(known) = known.into_iter().next().flatten() else { return 2 };
    let arity = known.into_iter().nth(1).expect("an arity");
    redis::from_redis_value::<isize>(arity).expect("a number").unsigned_abs()
}

#[tokio::test]
async fn a_connection_without_tls_is_refused() {
    let why = refusal(&own_url().replace("rediss://", "redis://"), None).await;
    // The answer is TLS, too.
    assert!(why.contains("Parse error"), "{why}");
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_does_not_connect() {
    let another = Certificates::issue();
    for trusted in [Some(another.authority()), None] {
        let why = refusal(own_url(), trusted).await;
        assert!(why.contains("invalid peer certificate"), "{why}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let why = refusal(&at_host("functions:wrong@"), servers().authority()).await;
    assert!(why.contains("Password authentication failed"), "{why}");
}

#[tokio::test]
async fn a_client_that_does_not_log_in_is_refused() {
    let why = refusal(&at_host(""), servers().authority()).await;
    assert!(why.contains("NOAUTH"), "{why}");
}

fn servers() -> &'static TestStore {
    TestStore::shared(SecureCluster)
}

fn own_url() -> &'static str {
    servers().url()
}

fn at_host(login: &str) -> String {
    let (_, host) = own_url().rsplit_once('@').expect("a URL with a login");
    format!("rediss://{login}{host}")
}

pub(crate) async fn open(url: &str, authority: Option<&str>) -> Store {
    Store::open(&config(url, authority, true)).await.expect("a good URL")
}

/// Why a store like this does not answer.
async fn refusal(url: &str, authority: Option<&str>) -> String {
    let error = open(url, authority).await.speaker(&connection("phone")).await;
    error.map(|_| ()).expect_err("refused").to_string()
}

/// One node, asked past the store.
async fn log_in(url: &str) -> MultiplexedConnection {
    let client = Client::build_with_tls(url, servers().certificates()).expect("a good URL");
    client.get_multiplexed_async_connection().await.expect("the server answers")
}
