//! Let a WebSocket in: in open mode anybody, else who shows a ticket. Whom it speaks for is known from then on.

use shared::app::App;
use shared::websocket::{Answer, Event};

pub(crate) async fn handle(app: &App, event: Event) -> Answer {
    if app.config.allow_anonymous {
        return Answer::ok();
    }
    let Some(ticket) = event.ticket else { return Answer::status(401) };
    match app.store.redeem_ticket(&ticket, &event.connection).await {
        Ok(Some(_)) => Answer::ok(),
        Ok(None) => Answer::status(401),
        Err(error) => {
            tracing::error!(%error, "a ticket could not be redeemed");
            Answer::status(503)
        }
    }
}
