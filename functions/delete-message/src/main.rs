//! `DELETE /messages/{id}`: delete a message for good, then tell its participants.

mod handler;

use shared::config::Config;
use shared::http;
use shared::notify::Notifier;
use shared::store::Store;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let config = Config::from_env()?;
    let store = Store::open(&config).await?;
    let notifier = Notifier::open(&config, store.clone()).await;
    http::serve(|request| handler::handle(&config, &store, &notifier, request)).await
}
