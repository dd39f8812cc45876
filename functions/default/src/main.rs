//! `$default`: answer what no other route knows.

mod handler;

use shared::telemetry;
use shared::websocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    websocket::serve_two_way(handler::handle).await
}
