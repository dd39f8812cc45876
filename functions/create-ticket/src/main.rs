//! `POST /tickets`: a ticket to open a WebSocket with.

mod handler;

use shared::config::Config;
use shared::http;
use shared::store::Store;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let config = Config::from_env()?;
    let store = Store::open(&config).await?;
    http::serve(|request| handler::handle(&config, &store, request)).await
}
