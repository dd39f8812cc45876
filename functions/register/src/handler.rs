//! From now on this connection speaks for that user, and for that one only.

use shared::access;
use shared::app::PushingApp;
use shared::error::FrameError;
use shared::notify::{Deadline, Push};
use shared::protocol::client::ClientFrame;
use shared::protocol::server::{Registered, to_json};
use shared::store::Connection;
use shared::websocket::Arrival;

pub(crate) async fn handle(
    app: &PushingApp,
    arrival: &Arrival,
    frame: ClientFrame<'_>,
) -> Result<(), FrameError> {
    let ClientFrame::Register(frame) = frame else { return Err(FrameError::UnknownType) };
    let PushingApp { config, store, notifier } = app;
    let connection = &arrival.connection;
    // Only in open mode may the word of the client be taken without asking the store.
    let bound = if config.allow_anonymous { None } else { store.speaker_uncounted(connection).await?.user };
    let user = access::may_register(bound, frame.user, config.allow_anonymous)?;
    let registration = store.register(connection, &user, frame.recover, arrival.at_ms).await?;

    let deadline = Deadline::start();
    let registered = Registered {
        user_key: &user,
        event_id: &registration.event_id,
        reference: frame.reference.as_deref(),
    };
    let connection = Connection { id: connection.clone(), recovers: frame.recover };
    let push = Push { user: user.clone(), connection, frames: vec![to_json(&registered)] };
    notifier.push_all(vec![push], deadline).await;
    notifier.close_all(&registration.oldest, deadline).await;
    Ok(())
}
