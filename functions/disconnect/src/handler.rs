//! Forget a closed WebSocket. What a failure leaves expires, or goes with the first push that finds it gone.

use shared::app::App;
use shared::error::Error;
use shared::ids::ConnectionId;

pub(crate) async fn handle(app: &App, connection: &ConnectionId) -> Result<(), Error> {
    app.store.disconnect(connection).await
}
