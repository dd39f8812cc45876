//! Let a WebSocket in: in open mode any, else one that shows a ticket. Its user is known from then on.

use shared::app::App;
use shared::error::Error;
use shared::ids::ConnectionId;
use shared::telemetry;

pub(crate) async fn handle(app: &App, connection: &ConnectionId, ticket: Option<&str>) -> Result<(), Error> {
    if app.config.allow_anonymous {
        return Ok(());
    }
    let ticket = ticket.ok_or(Error::Unauthenticated)?;
    let user = app.store.redeem_ticket(ticket, connection).await?.ok_or(Error::Unauthenticated)?;
    telemetry::user(&user);
    Ok(())
}
