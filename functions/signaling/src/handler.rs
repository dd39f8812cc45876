//! Relay a signal to the target's connections, each candidate after its description.

use shared::access;
use shared::app::PushingApp;
use shared::error::FrameError;
use shared::ids::{ConnectionId, UserKey};
use shared::notify::{Deadline, Delivery, Push};
use shared::protocol::client::{ClientFrame, SignalType};
use shared::store::{Candidates, Connection, Description, Speaker};
use shared::websocket::Arrival;

pub(crate) async fn handle(
    app: &PushingApp,
    arrival: &Arrival,
    frame: ClientFrame<'_>,
) -> Result<(), FrameError> {
    let connection = &arrival.connection;
    let ClientFrame::Signal(signal) = frame else { return Err(FrameError::UnknownType) };
    // Only an end_call that does not name its call may be an echo.
    let Speaker { user, echo } = match signal.kind {
        SignalType::EndCall if !signal.names_call => app.store.speaker_ending(connection).await?,
        SignalType::EndCall => app.store.speaker_uncounted(connection).await?,
        _ => app.store.speaker(connection).await?,
    };
    let user = access::speaker(user, signal.claimed.clone(), app.config.allow_anonymous)?;
    let relayed = signal.relay(&user)?;
    let (relay, target) = (Relay { app, me: connection, deadline: Deadline::start() }, &signal.target);
    match signal.kind {
        SignalType::Offer => relay.describe(Description::Offer, &user, target, relayed).await,
        SignalType::Answer => relay.describe(Description::Answer, &user, target, relayed).await,
        SignalType::Candidate => relay.candidate(&user, target, relayed).await,
        SignalType::EndCall if echo => Ok(()),
        SignalType::EndCall => relay.end_call(&user, target, relayed).await,
        SignalType::Typing => relay.typing(target, relayed).await,
    }
}

/// One signal on its way.
struct Relay<'a> {
    app: &'a PushingApp,
    me: &'a ConnectionId,
    deadline: Deadline,
}

impl Relay<'_> {
    /// Deliver the description, then the candidates that overtook it.
    async fn describe(
        &self,
        description: Description,
        user: &UserKey,
        target: &UserKey,
        frame: String,
    ) -> Result<(), FrameError> {
        let connections = self.app.store.describe(description, self.me, user, target).await?;
        let delivered = self.deliver(target, &connections, vec![frame]).await;
        let held = self.app.store.described(self.me, user, target).await?;
        if !delivered {
            return Err(FrameError::PeerUnavailable);
        }
        self.deliver(target, &connections, held).await;
        Ok(())
    }

    /// Deliver the candidate, unless its description is still to come.
    async fn candidate(&self, user: &UserKey, target: &UserKey, frame: String) -> Result<(), FrameError> {
        let (candidates, connections) = self.app.store.candidate(&frame, self.me, user, target).await?;
        if let Candidates::Deliver(frames) = candidates {
            self.deliver(target, &connections, frames).await;
        }
        Ok(())
    }

    /// Tell the other side; it will answer with an `end_call` of its own, which is to be dropped.
    async fn end_call(&self, user: &UserKey, target: &UserKey, frame: String) -> Result<(), FrameError> {
        let connections = self.app.store.end_call(self.me, user, target).await?;
        if !connections.is_empty() {
            self.app.store.expect_echoes(&connections).await?;
            self.deliver(target, &connections, vec![frame]).await;
        }
        Ok(())
    }

    /// Tell the target's connections; of those that miss it, none needs it.
    async fn typing(&self, target: &UserKey, frame: String) -> Result<(), FrameError> {
        let connections = self.app.store.connections(target, self.me).await?;
        self.deliver(target, &connections, vec![frame]).await;
        Ok(())
    }

    /// Whether any connection took the frames.
    async fn deliver(&self, target: &UserKey, connections: &[Connection], frames: Vec<String>) -> bool {
        let push = |connection: &Connection| Push {
            user: target.clone(),
            connection: connection.clone(),
            frames: frames.clone(),
        };
        let pushes = if frames.is_empty() { Vec::new() } else { connections.iter().map(push).collect() };
        self.app.notifier.push_all(pushes, self.deadline).await.contains(&Delivery::Delivered)
    }
}
