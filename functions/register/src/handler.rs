//! From now on this connection speaks for that user, and for that one only.

use shared::access;
use shared::app::PushingApp;
use shared::error::FrameError;
use shared::ids::ConnectionId;
use shared::notify::{Deadline, Delivery};
use shared::protocol::client::ClientFrame;
use shared::protocol::server::{Registered, to_json};

pub(crate) async fn handle(
    app: &PushingApp,
    connection: &ConnectionId,
    frame: ClientFrame<'_>,
) -> Result<(), FrameError> {
    let ClientFrame::Register(frame) = frame else { return Err(FrameError::UnknownType) };
    let PushingApp { config, store, notifier } = app;
    // Only in open mode may the word of the client be taken without asking the store.
    let bound = if config.allow_anonymous { None } else { store.speaker(connection).await?.user };
    let user = access::may_register(bound, frame.user, config.allow_anonymous)?;
    let registration = store.register(connection, &user).await?;

    let deadline = Deadline::start();
    let registered = Registered {
        user_key: &user,
        event_id: &registration.event_id,
        reference: frame.reference.as_deref(),
    };
    if notifier.push(connection, &to_json(&registered), deadline).await == Delivery::Gone {
        store.forget(&[(user, connection.clone())]).await?;
        return Ok(());
    }
    if registration.known && registration.moved_from.is_none() {
        return Ok(());
    }
    let oldest = store.confirm(connection, &user, &registration).await?;
    notifier.close_all(&oldest, deadline).await;
    Ok(())
}
