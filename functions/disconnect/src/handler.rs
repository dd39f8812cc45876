//! Forget a closed WebSocket.

use shared::store::Store;
use shared::websocket::{Answer, Event};

pub(crate) async fn handle(store: &Store, event: Event) -> Answer {
    match store.disconnect(&event.connection).await {
        Ok(()) => Answer::ok(),
        // What stays behind expires, or goes with the first push that finds the connection gone.
        Err(error) => {
            tracing::error!(%error, "a closed connection could not be forgotten");
            Answer::status(500)
        }
    }
}
