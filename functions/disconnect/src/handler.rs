//! Forget a closed WebSocket.

use shared::app::App;
use shared::websocket::{Answer, Event};

pub(crate) async fn handle(app: &App, event: Event) -> Answer {
    match app.store.disconnect(&event.connection).await {
        Ok(()) => Answer::ok(),
        // What stays behind expires, or goes with the first push that finds the connection gone.
        Err(error) => {
            tracing::error!(%error, "a closed connection could not be forgotten");
            Answer::status(500)
        }
    }
}
