//! From now on this connection speaks for that user, and for that one only.

use shared::error::FrameError;
use shared::ids::ConnectionId;
use shared::notify::{Deadline, Delivery, Notifier};
use shared::protocol::{Frame, Registered, to_json};
use shared::store::Store;
use shared::websocket::{self, Answer, Event};

pub(crate) async fn handle(store: &Store, notifier: &Notifier, event: Event) -> Answer {
    websocket::answer(notifier, &event, async |frame| {
        register(store, notifier, &event.connection, frame).await
    })
    .await
}

async fn register(
    store: &Store,
    notifier: &Notifier,
    connection: &ConnectionId,
    frame: &Frame<'_>,
) -> Result<(), FrameError> {
    let user = frame.user_key("userKey").ok().flatten().ok_or(FrameError::InvalidUserKey)?;
    let registration = store.register(connection, &user).await?;

    let deadline = Deadline::start();
    let registered = Registered {
        kind: "registered",
        user_key: &user,
        event_id: &registration.event_id,
        reference: frame.reference(),
    };
    if notifier.push(connection, to_json(&registered), deadline).await == Delivery::Gone {
        store.forget(&[(user, connection.clone())]).await?;
        return Ok(());
    }
    if registration.known && registration.moved_from.is_none() {
        return Ok(());
    }
    for oldest in store.confirm(connection, &user, &registration).await? {
        notifier.close(&oldest, deadline).await;
    }
    Ok(())
}
