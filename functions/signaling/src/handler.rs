//! Relay a signal to the target's connections, each candidate after its description.

use shared::access;
use shared::app::PushingApp;
use shared::error::FrameError;
use shared::ids::{ConnectionId, UserKey};
use shared::notify::{Deadline, Delivery, Push};
use shared::protocol::{Frame, Signal};
use shared::store::{Candidates, Connection, Description, Speaker};
use shared::websocket::{self, Answer, Event};

pub(crate) async fn handle(app: &PushingApp, event: Event) -> Answer {
    let relay = Relay { app, me: &event.connection, deadline: Deadline::start() };
    websocket::answer(&app.notifier, &event, async |frame| relay.signal(frame).await).await
}

/// One signal on its way.
struct Relay<'a> {
    app: &'a PushingApp,
    me: &'a ConnectionId,
    deadline: Deadline,
}

impl Relay<'_> {
    async fn signal(&self, frame: &Frame<'_>) -> Result<(), FrameError> {
        let signal = frame.text("type").as_deref().and_then(Signal::parse).ok_or(FrameError::UnknownType)?;
        let target = frame.user_key("target").ok().flatten().ok_or(FrameError::InvalidTarget)?;
        // An end_call with a call_id is meant; only one without may be an echo.
        let speaker = match signal {
            Signal::EndCall if frame.text("call_id").is_none() => {
                self.app.store.speaker_ending(self.me).await?
            }
            _ => self.app.store.speaker(self.me).await?,
        };
        let Speaker { user, echo } = speaker;
        let claimed = frame.user_key("userKey").map_err(|_| FrameError::InvalidUserKey);
        let user = access::speaker(user, claimed, self.app.config.allow_anonymous)?;
        let relayed = frame.relay(&user)?;
        match signal {
            Signal::Offer => self.describe(Description::Offer, &user, &target, relayed).await,
            Signal::Answer => self.describe(Description::Answer, &user, &target, relayed).await,
            Signal::Candidate => self.candidate(&user, &target, relayed).await,
            Signal::EndCall if echo => Ok(()),
            Signal::EndCall => self.end_call(&user, &target, relayed).await,
        }
    }

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

    /// Whether any connection took the frames.
    async fn deliver(&self, target: &UserKey, connections: &[Connection], frames: Vec<String>) -> bool {
        let push = |connection: &Connection| Push {
            user: target.clone(),
            connection: connection.id.clone(),
            frames: frames.clone(),
        };
        let pushes = if frames.is_empty() { Vec::new() } else { connections.iter().map(push).collect() };
        self.app.notifier.push_all(pushes, self.deadline).await.contains(&Delivery::Delivered)
    }
}
