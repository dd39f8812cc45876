//! `DELETE /me`: erase a user, step by step, and tell their peers.

mod handler;

use shared::app::PushingApp;
use shared::http;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let app = PushingApp::from_env().await?;
    http::serve(|request| handler::handle(&app, request)).await
}
