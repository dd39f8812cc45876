//! `$disconnect`: forget a closed WebSocket.

mod handler;

use shared::app::PushingApp;
use shared::telemetry;
use shared::websocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = PushingApp::from_env().await?;
    websocket::serve_disconnect(&app, handler::handle).await
}
