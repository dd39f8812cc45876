//! `GET /ice-servers`: the STUN and TURN servers for a user's peer connections.

mod handler;

use shared::config::Config;
use shared::http;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let config = Config::from_env()?;
    http::serve(|request| handler::handle(&config, request)).await
}
