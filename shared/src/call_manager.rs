//! Calls as they happen: reads what is known of two users, applies the rules, swaps, and sends what follows.
//!
//! No rule stands here, see [`crate::call`]. Whatever was sent may have been overtaken, so after each delivery the rules
//! are asked again, by the next event.

mod delivery;
mod lost;
mod outbox;
mod parts;
mod relay;
mod step;
mod telling;

pub use self::parts::{CallManager, Incoming};

use futures_util::future::try_join_all;

use self::delivery::frames_of_ring;
use crate::access::Own;
use crate::call::{Description, Ender, Event, Reason, Summary};
use crate::error::{Error, FrameError};
use crate::ids::{CallId, ConnectionId, UserKey};
use crate::protocol::client::SignalType;
use crate::push::Deadline;
use crate::store::{Hint, Opened, Pair, newest_calls};

/// The calls of a user that has just registered a connection, and the offers that wait for it.
#[derive(Debug, Default)]
pub struct Joined {
    /// The user's live calls, the newest first.
    pub calls: Vec<Summary>,
    /// The offers, each with its candidates.
    pub frames: Vec<String>,
    given: Vec<(Pair, Opened, Event)>,
    resumed: Vec<Pair>,
}

impl Joined {
    /// The calls that the connection has taken up.
    pub fn resumed(&self) -> Vec<Pair> {
        self.resumed.clone()
    }
}

impl CallManager {
    /// Carries out a signal; `opened` is what is known of its two users, if that has been read.
    ///
    /// # Errors
    /// The refusal that its sender is answered.
    pub async fn signal(
        &self,
        incoming: &Incoming<'_>,
        opened: Option<Opened>,
        deadline: Deadline,
    ) -> Result<(), FrameError> {
        let Incoming { signal, from, .. } = incoming;
        if signal.target == from.user {
            return self.to_oneself(incoming, deadline).await;
        }
        let pair = Pair::of(&from.user, &signal.target);
        let spare = CallId::generate().map_err(|error| Error::Internal(error.into()))?;
        // With the longest id that may be added, so that no frame is found too large once the call has begun.
        signal.relay(&from.user, Some(&spare))?;
        let opened = match opened {
            Some(opened) => opened,
            None => self.store.open_line(&pair, false).await?,
        };
        let description = || Description {
            from: from.clone(),
            to: signal.target.clone(),
            id: signal.call_id.clone(),
            ufrags: signal.description_ufrags(),
        };
        let event = match (signal.kind, &signal.call_id) {
            (SignalType::Offer, _) => Event::Offer { offer: description(), spare },
            (SignalType::Answer, _) => Event::Answer(description()),
            (SignalType::Candidate, _) => return self.candidate(&pair, incoming, opened, deadline).await,
            (SignalType::Ringing, Some(id)) => Event::Ringing { from: from.clone(), id: id.clone() },
            (SignalType::EndCall, id) => {
                Event::End { by: Ender::Connection(from.clone()), id: id.clone(), reason: signal.reason() }
            }
            (SignalType::Typing | SignalType::Ringing, _) => return Ok(()),
        };
        let (refused, _) = self.carry_out(&pair, opened, event, Some(incoming), deadline).await?;
        refused.map_or(Ok(()), Err)
    }

    /// Ends a call for one of its two users: three round trips.
    pub async fn end(&self, permit: &Own, peer: &UserKey, id: CallId, reason: Reason) -> Result<(), Error> {
        let user = permit.user();
        let (pair, deadline) = (Pair::of(user, peer), Deadline::start());
        let opened = self.store.open_line(&pair, false).await?;
        let event = Event::End { by: Ender::User(user.clone()), id: Some(id), reason };
        self.carry_out(&pair, opened, event, None, deadline).await?;
        Ok(())
    }

    /// The calls of a user whose connection has registered. The connection takes up the call that it names, in the place
    /// of the one that took part: one round trip, two where it does, none without hints.
    pub async fn join(
        &self,
        user: &UserKey,
        connection: &ConnectionId,
        hints: &[Hint],
        is_new: bool,
        resumes: Option<&CallId>,
        deadline: Deadline,
    ) -> Result<Joined, Error> {
        let mut joined = Joined::default();
        for (pair, mut opened) in self.store.open_hinted(user, hints, true).await? {
            let line = opened.present();
            if let Some(id) = resumes.filter(|id| line.live().is_some_and(|call| call.id == **id)) {
                let event =
                    Event::Resumed { user: user.clone(), connection: connection.clone(), id: id.clone() };
                let ring = std::mem::take(&mut opened.ring);
                (_, opened) = self.carry_out(&pair, opened, event, None, deadline).await?;
                opened.ring = ring;
                joined.resumed.push(pair.clone());
            }
            let (line, now) = (opened.present(), opened.now());
            joined.calls.extend(opened.live_call(user));
            if line.waits_for(user, connection, is_new, now)
                && let Some(call) = line.live()
            {
                let frames = frames_of_ring(&opened.ring, &opened);
                if frames.is_empty() {
                    continue;
                }
                joined.frames.extend(frames);
                let event = Event::Delivered {
                    from: None,
                    offer: Some(call.id.clone()),
                    user: user.clone(),
                    to: vec![connection.clone()],
                };
                joined.given.push((pair, opened, event));
            }
        }
        joined.calls = newest_calls(joined.calls);
        Ok(joined)
    }

    /// Notes that the frames for a connection that joined were delivered, and sends what has come in meanwhile: one round
    /// trip, none where there were none.
    pub async fn joined(&self, joined: Joined, deadline: Deadline) -> Result<(), Error> {
        let noting = joined.given.into_iter().map(|(pair, opened, event)| async move {
            self.carry_out(&pair, opened, event, None, deadline).await
        });
        try_join_all(noting).await?;
        Ok(())
    }
}
