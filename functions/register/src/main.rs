//! `register`: from now on this connection speaks for that user.

mod handler;

use shared::config::Config;
use shared::notify::Notifier;
use shared::store::Store;
use shared::telemetry;
use shared::websocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let config = Config::from_env()?;
    let store = Store::open(&config).await?;
    let notifier = Notifier::open(&config, store.clone()).await;
    websocket::serve(|event| handler::handle(&config, &store, &notifier, event)).await
}
