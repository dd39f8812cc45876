//! Let a WebSocket in. In open mode anybody; who they are, `register` tells.

use shared::config::Config;
use shared::websocket::{Answer, Event};

pub(crate) async fn handle(config: &Config, _event: Event) -> Answer {
    if config.allow_anonymous { Answer::ok() } else { Answer::status(401) }
}
