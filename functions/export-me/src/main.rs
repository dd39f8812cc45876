//! `GET /me/export`: every message of a user, one on a line.

mod handler;

use shared::app::App;
use shared::http;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let app = App::from_env().await?;
    http::serve(|request| handler::handle(&app, request)).await
}
