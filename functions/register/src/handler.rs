//! From now on this connection speaks for that user, and for that one only.

use shared::access;
use shared::app::PushingApp;
use shared::error::FrameError;
use shared::protocol::client::ClientFrame;
use shared::protocol::server::{CallEntry, Registered, to_json};
use shared::push::Deadline;
use shared::store::Connection;
use shared::telemetry;
use shared::websocket::Arrival;

pub(crate) async fn handle(
    app: &PushingApp,
    arrival: &Arrival,
    frame: ClientFrame<'_>,
) -> Result<(), FrameError> {
    let ClientFrame::Register(frame) = frame else { return Err(FrameError::UnknownType) };
    let PushingApp { config, store, notifier, calls } = app;
    let connection = &arrival.connection;
    // Only in open mode may the word of the client be taken without asking the store.
    let bound = if config.allow_anonymous { None } else { store.speaker_uncounted(connection).await? };
    let user = access::may_register(bound, frame.user, config.allow_anonymous)?;
    telemetry::user(&user);
    let registration = store.register(connection, &user, frame.recover, arrival.at_ms).await?;

    let deadline = Deadline::start();
    calls.leave(connection, registration.left_calls, deadline).await;
    let (hints, resumes) = (&registration.calls, frame.call_id.as_ref());
    let mut joined = calls.join(&user, connection, hints, registration.is_new, resumes, deadline).await?;

    let entries: Vec<_> = joined.calls.iter().map(|call| CallEntry::new(call, Some(connection))).collect();
    let registered = Registered {
        user_key: &user,
        event_id: &registration.event_id,
        calls: &entries,
        reference: frame.reference.as_deref(),
    };
    let mut frames = vec![to_json(&registered)];
    frames.append(&mut joined.frames);
    let to = Connection { id: connection.clone(), recovers: frame.recover };
    if notifier.send(vec![(user, to, frames)], deadline).await {
        // Its end may have been handled before it took up a call.
        calls.leave(connection, joined.resumed(), deadline).await;
    }
    calls.joined(joined, deadline).await?;
    notifier.close_all(&registration.oldest, deadline).await;
    Ok(())
}
