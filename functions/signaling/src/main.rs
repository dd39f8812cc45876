//! `offer`, `answer`, `candidate`, `ringing`, `end_call`, `typing`: relay a signal to the other user of a call.

mod handler;

use shared::app::PushingApp;
use shared::telemetry;
use shared::websocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = PushingApp::from_env().await?;
    websocket::serve_frames(&app, handler::handle).await
}
