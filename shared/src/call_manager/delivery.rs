//! Deliveries: frames that were held, refusals, and the events that follow.

use futures_util::future::{join_all, try_join_all};

use super::outbox::{Outbox, Relayed, Sent};
use super::parts::{CallManager, Incoming};
use crate::call::{AWAY_MS, Candidate, Effect, Event, HELD_MS, Route, Sender};
use crate::error::{Error, FrameError};
use crate::ids::{CallId, ConnectionId, UserKey};
use crate::protocol::client::SignalType;
use crate::push::{Deadline, Push};
use crate::store::{Handed, Held, List, Opened, Pair};

impl CallManager {
    /// Sends what was held for a description that has been delivered.
    pub(super) async fn hand_over(
        &self,
        pair: &Pair,
        opened: &Opened,
        event: &Event,
        handed: &Handed,
        incoming: Option<&Incoming<'_>>,
        deadline: Deadline,
    ) -> Result<Vec<(UserKey, ConnectionId)>, Error> {
        let Event::Delivered { from, to, user, .. } = event else { return Ok(Vec::new()) };
        let mut frames: Vec<(ConnectionId, Vec<String>)> = Vec::new();
        let mut waiting = Vec::new();
        let mut add = |to: &ConnectionId, frame: &str| match frames.iter_mut().find(|(one, _)| one == to) {
            Some((_, frames)) => frames.push(frame.to_owned()),
            None => frames.push((to.clone(), vec![frame.to_owned()])),
        };
        let line = &opened.line;
        let id = line.live().map(|call| call.id.clone());
        if let (Some(sender), Some(incoming)) = (from, incoming) {
            for held in &handed.early {
                if !line.follows(sender, held.id.as_ref(), held.ufrag.as_deref(), held.at) {
                    continue;
                }
                let candidate = Candidate {
                    from: Sender { at: held.at, ..incoming.from.clone() },
                    to: user.clone(),
                    id: held.id.clone(),
                    ufrag: held.ufrag.clone(),
                };
                let frame = held.in_call(id.as_ref());
                match line.route(&candidate, opened.now()) {
                    Route::Ring(given) => given.iter().for_each(|to| add(to, &frame)),
                    Route::Pass(to) => add(&to, &frame),
                    Route::All => to.iter().for_each(|to| add(to, &held.frame)),
                    Route::Wait => waiting.push(self.store.hold(pair, opened, List::Waiting(user), held)),
                    Route::Drop | Route::Early => {}
                }
            }
        }
        if from.is_none() && line.rings() {
            for frame in candidates_of_ring(&handed.ring, opened) {
                to.iter().for_each(|to| add(to, &frame));
            }
        }
        try_join_all(waiting).await?;
        let push = |(connection, frames)| Push { user: user.clone(), connection, frames };
        Ok(self.push(frames.into_iter().map(push).collect(), deadline).await)
    }

    /// Returns the connections that are gone.
    pub(super) async fn push(&self, pushes: Vec<Push>, deadline: Deadline) -> Vec<(UserKey, ConnectionId)> {
        self.send(Outbox::plain(pushes), deadline).await.gone
    }

    pub(super) async fn send(&self, outbox: Outbox, deadline: Deadline) -> Sent {
        let (pushes, marks) = outbox.into_parts();
        let mut sent = Sent::of(self.pusher.push_all(pushes, deadline).await, marks);
        self.close_missed(std::mem::take(&mut sent.missed)).await;
        sent
    }

    /// Closes the connections that missed a frame and recover: their clients come back and ask.
    async fn close_missed(&self, missed: Vec<(UserKey, ConnectionId)>) {
        let asking = missed.into_iter().map(|(user, connection)| async move {
            let recovers = self.store.recovers(&user, &connection).await.unwrap_or(false);
            recovers.then_some(connection)
        });
        let recovering: Vec<_> = join_all(asking).await.into_iter().flatten().collect();
        self.pusher.close_all(&recovering, Deadline::for_closing()).await;
    }
}

pub(super) fn relayed<'a>(incoming: &'a Incoming<'a>) -> Relayed<'a> {
    let Incoming { signal, from, .. } = incoming;
    Relayed {
        user: &from.user,
        connection: &from.connection,
        signal,
        describes: matches!(signal.kind, SignalType::Offer | SignalType::Answer),
        ends: signal.kind == SignalType::EndCall,
    }
}

/// The event's frame, to be held.
pub(super) fn held_frame(incoming: Option<&Incoming<'_>>, id: Option<&CallId>) -> Option<Held> {
    let Incoming { signal, from, .. } = incoming?;
    let frame = signal.relay(&from.user, id).ok()?;
    Some(Held { at: from.at, id: id.cloned(), ufrag: None, frame })
}

/// The event's offer, if it is one that rings.
pub(super) fn offer_to_hold(effects: &[Effect], incoming: Option<&Incoming<'_>>) -> Option<Held> {
    let is_offer = incoming.is_some_and(|incoming| incoming.signal.kind == SignalType::Offer);
    let rings = effects.iter().find_map(|effect| match effect {
        Effect::RelayToAll { id: Some(id) } if is_offer => Some(id),
        _ => None,
    })?;
    held_frame(incoming, Some(rings))
}

/// The frames that ring, and the user they are for, where they are to be given.
pub(super) fn call_of_ring(
    effects: &[Effect],
    handed: &Handed,
    opened: &Opened,
) -> Option<(UserKey, Vec<String>)> {
    effects.iter().any(|effect| matches!(effect, Effect::Give { .. })).then_some(())?;
    let callee = opened.line.live()?.callee.user.clone();
    Some((callee, frames_of_ring(&handed.ring, opened)))
}

/// The offer that rings, then its candidates.
pub(super) fn frames_of_ring(ring: &[Held], opened: &Opened) -> Vec<String> {
    let Some((offer, candidates)) = ring.split_first() else { return Vec::new() };
    std::iter::once(offer.frame.clone()).chain(candidates_of_ring(candidates, opened)).collect()
}

pub(super) fn candidates_of_ring<'a>(
    candidates: &'a [Held],
    opened: &'a Opened,
) -> impl Iterator<Item = String> + 'a {
    let call = opened.line.live();
    let caller = call.and_then(|call| call.caller.connection.as_ref());
    let follows = move |held: &&Held| {
        caller.is_some_and(|caller| {
            opened.line.follows(caller, held.id.as_ref(), held.ufrag.as_deref(), held.at)
        })
    };
    candidates.iter().filter(follows).map(move |held| held.in_call(call.map(|call| &call.id)))
}

/// The answer to the event's sender, if it is refused.
pub(super) fn refusal(event: &Event, effects: &[Effect], sent: &Sent, opened: &Opened) -> Option<FrameError> {
    if !matches!(event, Event::Offer { .. } | Event::Answer(_)) {
        return None;
    }
    effects.iter().find_map(|effect| match effect {
        Effect::Glare => Some(FrameError::Glare),
        Effect::RelayToAll { id } if sent.described.is_empty() => {
            let rings = id.is_some() && matches!(event, Event::Offer { .. });
            let held_for = rings.then_some(HELD_MS / 1000);
            Some(FrameError::PeerUnavailable { held_for })
        }
        Effect::Relay { .. } if sent.described.is_empty() => {
            Some(FrameError::PeerUnavailable { held_for: None })
        }
        Effect::Wait { .. } => {
            let since = opened.line.live().and_then(|call| call.caller.away_since.or(call.callee.away_since));
            let held_for = since.map(|since| (since + AWAY_MS).saturating_sub(opened.now()).div_ceil(1000));
            Some(FrameError::PeerUnavailable { held_for })
        }
        _ => None,
    })
}

/// The events that the deliveries are.
pub(super) fn follow_ups(event: &Event, effects: &[Effect], sent: &Sent, opened: &Opened) -> Vec<Event> {
    let mut events = Vec::new();
    let describes = effects.iter().find_map(|effect| match effect {
        Effect::RelayToAll { id } => Some(id.clone()),
        Effect::Relay { id, .. } | Effect::Wait { id } => Some(Some(id.clone())),
        _ => None,
    });
    if let (Some(id), Event::Offer { offer: description, .. } | Event::Answer(description)) =
        (describes, event)
    {
        events.push(Event::Delivered {
            from: Some(description.from.connection.clone()),
            offer: id.filter(|_| matches!(event, Event::Offer { .. })),
            user: description.to.clone(),
            to: sent.described.clone(),
        });
    }
    if let Some(call) = opened.line.live().filter(|_| !sent.offered.is_empty()) {
        events.push(Event::Delivered {
            from: None,
            offer: Some(call.id.clone()),
            user: call.callee.user.clone(),
            to: sent.offered.clone(),
        });
    }
    // A call that is taken up again rings nowhere else.
    if !matches!(event, Event::Resumed { .. }) {
        events.extend(sent.told.iter().map(|(id, to)| Event::Told { id: id.clone(), to: to.clone() }));
    }
    events
}
