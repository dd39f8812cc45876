//! A signal is relayed, or changes a call.

use futures_util::future::try_join;
use shared::access;
use shared::app::PushingApp;
use shared::call::Sender;
use shared::call_manager::Incoming;
use shared::error::FrameError;
use shared::ids::UserKey;
use shared::protocol::client::{ClientFrame, Signal, SignalType};
use shared::push::Deadline;
use shared::store::{Opened, Pair};
use shared::telemetry;
use shared::websocket::Arrival;

pub(crate) async fn handle(
    app: &PushingApp,
    arrival: &Arrival,
    frame: ClientFrame<'_>,
) -> Result<(), FrameError> {
    let connection = &arrival.connection;
    let ClientFrame::Signal(signal) = frame else { return Err(FrameError::UnknownType) };
    let speaker = async {
        Ok::<_, FrameError>(match signal.kind {
            SignalType::EndCall => app.store.speaker_uncounted(connection).await?,
            _ => app.store.speaker(connection).await?,
        })
    };
    let (registered, guessed) = try_join(speaker, guess(app, &signal)).await?;
    let is_registered = registered.is_some();
    let user = access::speaker(registered, signal.claimed.clone(), app.config.allow_anonymous)?;
    telemetry::user(&user);

    let deadline = Deadline::start();
    if signal.kind == SignalType::Typing {
        return typing(app, arrival, &signal, &user, deadline).await;
    }
    let pair = Pair::of(&user, &signal.target);
    let opened = guessed.filter(|(guessed, _)| *guessed == pair).map(|(_, opened)| opened);
    let at = u64::try_from(arrival.at_ms).unwrap_or_default();
    let from = Sender { connection: connection.clone(), user, at };
    app.calls.signal(&Incoming { signal: &signal, from, registered: is_registered }, opened, deadline).await
}

/// Reads what is known of the two users while it is still to be seen that the frame comes from the one it names.
async fn guess(app: &PushingApp, signal: &Signal<'_>) -> Result<Option<(Pair, Opened)>, FrameError> {
    match &signal.claimed {
        Ok(Some(claimed)) if signal.kind != SignalType::Typing => {
            let pair = Pair::of(claimed, &signal.target);
            let opened = app.store.open_line(&pair, false).await?;
            Ok(Some((pair, opened)))
        }
        _ => Ok(None),
    }
}

/// Tell the target's connections; of those that miss it, none needs it.
async fn typing(
    app: &PushingApp,
    arrival: &Arrival,
    signal: &Signal<'_>,
    user: &UserKey,
    deadline: Deadline,
) -> Result<(), FrameError> {
    let frame = signal.relay(user, None)?;
    let connections = app.store.connections(&signal.target, &arrival.connection).await?;
    let to = |connection| (signal.target.clone(), connection, vec![frame.clone()]);
    app.notifier.send(connections.into_iter().map(to).collect(), deadline).await;
    Ok(())
}
