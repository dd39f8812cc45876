//! `$connect`: let a WebSocket in.

mod handler;

use shared::app::App;
use shared::telemetry;
use shared::websocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = App::from_env().await?;
    websocket::serve_connect(&app, handler::handle).await
}
