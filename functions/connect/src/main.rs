//! `$connect`: let a WebSocket in.

mod handler;

use shared::config::Config;
use shared::store::Store;
use shared::telemetry;
use shared::websocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let config = Config::from_env()?;
    let store = Store::open(&config).await?;
    websocket::serve(|event| handler::handle(&config, &store, event)).await
}
