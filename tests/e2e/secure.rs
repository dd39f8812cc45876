//! The end-to-end tests once more, on a store like the one that a deployment creates.

#[path = "main.rs"]
mod e2e;

use e2e::helpers;

use helpers::App;

#[tokio::test]
async fn functions_know_the_store_by_its_tls_ends_only() {
    let app = App::open().await;
    let environment = app.gateway().environment();
    assert!(environment["REDIS_URL"].starts_with("rediss://functions:"), "{environment:?}");
    assert!(environment["REDIS_TLS_CA"].starts_with("-----BEGIN CERTIFICATE-----"), "{environment:?}");
}
