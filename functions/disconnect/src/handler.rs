//! Forget a closed WebSocket, and end or suspend its calls. What a failure leaves expires, or goes with the first push
//! that finds it gone.

use futures_util::future::join;
use shared::app::PushingApp;
use shared::error::Error;
use shared::ids::ConnectionId;
use shared::push::Deadline;
use shared::telemetry;

pub(crate) async fn handle(app: &PushingApp, connection: &ConnectionId) -> Result<(), Error> {
    let departure = app.store.departure(connection).await?;
    departure.user.iter().for_each(telemetry::user);
    if departure.user.is_none() && departure.calls.is_empty() {
        return Ok(());
    }
    let leaving = app.calls.leave(connection, departure.calls, Deadline::start());
    let (forgotten, ()) = join(app.store.forget(departure.user.as_ref(), connection), leaving).await;
    forgotten.map(|_| ())
}
