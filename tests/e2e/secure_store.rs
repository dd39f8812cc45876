//! How gateways and functions reach a store like the one that a deployment creates.

use gateway::valkey::check;
use support::App;
use support::StoreKind::SecureCluster;

#[tokio::test]
async fn functions_know_the_store_by_its_tls_proxies_only() {
    let app = App::open_on(SecureCluster).await;
    let environment = app.gateway().environment_elsewhere();
    assert!(environment["REDIS_URL"].starts_with("rediss://functions:"), "{environment:?}");
    assert!(environment["REDIS_TLS_CA"].starts_with("-----BEGIN CERTIFICATE-----"), "{environment:?}");
}

#[tokio::test]
async fn a_gateway_does_not_take_plain_for_tls_nor_tls_for_plain() {
    let app = App::open_on(SecureCluster).await;
    let url = app.gateway().environment()["REDIS_URL"].replace("rediss://", "redis://");
    let error = check(&url).await.expect_err("it wants TLS").to_string();
    assert!(error.contains("is no Redis, or one that wants TLS: rediss://"), "{error}");
    let url = format!("rediss://localhost:{}", app.port());
    let error = check(&url).await.expect_err("it is a gateway").to_string();
    assert!(error.contains("speaks no TLS"), "{error}");
}
