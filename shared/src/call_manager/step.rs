//! One event after another: the rules are applied, the line is swapped, frames are sent, and the rules are asked again.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::{try_join_all, try_join3};

use super::delivery::{call_of_ring, follow_ups, held_frame, offer_to_hold, refusal, relayed};
use super::outbox::{Material, Outbox, Sent};
use super::parts::{CallManager, Incoming, MOST_SWAPS, too_busy};
use super::telling::tell;
use crate::call::{self, Effect, Event};
use crate::error::{Error, FrameError};
use crate::ids::{CallId, ConnectionId, UserKey};
use crate::push::Deadline;
use crate::store::{Connection, Handed, Moves, Opened, Pair, Swap};

/// How often the rules are asked again. Only a store that answers nonsense gets that far.
const MOST_STEPS: usize = 12;

/// The pause before an event that came too early is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// The outcome of an event.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) refused: Option<FrameError>,
    pub(super) gone: Vec<(UserKey, ConnectionId)>,
}

/// An event that has been applied.
struct Applied {
    opened: Opened,
    effects: Vec<Effect>,
    connections: HashMap<UserKey, Vec<Connection>>,
    handed: Handed,
    /// The connection that has gone while it began to take part.
    vanished: Option<ConnectionId>,
}

/// Whether this relays the event's frame to a connection that is gone.
fn is_lost_relay(effect: &Effect, sent: &Sent) -> bool {
    let Effect::Relay { to, .. } = effect else { return false };
    sent.gone.iter().any(|(_, gone)| gone == to)
}

impl CallManager {
    /// Carries out an event, and forgets the connections that it found gone. Returns why its frame was refused, if it was,
    /// and the line as it is then.
    pub(super) async fn carry_out(
        &self,
        pair: &Pair,
        opened: Opened,
        event: Event,
        incoming: Option<&Incoming<'_>>,
        deadline: Deadline,
    ) -> Result<(Option<FrameError>, Opened), Error> {
        let (outcome, opened) = self.happen(pair, opened, event, incoming, deadline).await?;
        self.forget(outcome.gone, deadline).await;
        Ok((outcome.refused, opened))
    }

    /// Applies an event, sends what follows, and looks again.
    pub(super) async fn happen(
        &self,
        pair: &Pair,
        mut opened: Opened,
        event: Event,
        incoming: Option<&Incoming<'_>>,
        deadline: Deadline,
    ) -> Result<(Outcome, Opened), Error> {
        let mut outcome = Outcome::default();
        // How much of the offer that rings has been given.
        let mut given = opened.ring.len();
        // The event again, whose frame found the other side's connection gone: it is for the one that takes its place.
        let mut again = None;
        let mut events = vec![event];
        for _ in 0..MOST_STEPS {
            let Some(first) = events.first() else { break };
            let applied = self.apply(pair, opened, &events, incoming, given).await?;
            opened = applied.opened;
            let ring = call_of_ring(&applied.effects, &applied.handed, &opened);
            if ring.is_some() {
                given = applied.handed.ring.len();
            }
            let material = Material {
                pair,
                connections: &applied.connections,
                relayed: incoming.map(relayed),
                ring: ring.as_ref().map(|(user, frames)| (user, frames.clone())),
                waiting: &applied.handed.waiting,
            };
            let outbox = Outbox::of(&applied.effects, &material);
            drop(material);
            let sent = self.send(outbox, deadline).await;
            let refused = refusal(first, &applied.effects, &sent, &opened);
            outcome.refused = refused.or(outcome.refused);
            let mut gone = sent.gone.clone();
            for event in &events {
                gone.extend(self.hand_over(pair, &opened, event, &applied.handed, incoming, deadline).await?);
            }
            let was_waiting = again.take();
            if applied.effects.iter().any(|effect| is_lost_relay(effect, &sent)) {
                again = opened.line.live().map(|call| (first.clone(), call.id.clone()));
            }
            events = follow_ups(first, &applied.effects, &sent, &opened);
            if again.is_some() {
                // It has not been delivered, nor is it held yet: what follows it waits.
                events.retain(|event| !matches!(event, Event::Delivered { from: Some(_), .. }));
            }
            events.extend(applied.vanished.map(Event::Lost));
            let takes_part = |one: &ConnectionId| {
                opened.line.live().is_some_and(|call| call.parts().any(|part| part == one))
            };
            let lost = gone.iter().filter(|(_, connection)| takes_part(connection));
            events.extend(lost.map(|(_, connection)| Event::Lost(connection.clone())));
            let lives = |id: &CallId| opened.line.live().is_some_and(|call| call.id == *id);
            if let Some((frame, _)) = was_waiting.filter(|(_, id)| lives(id)) {
                events.insert(0, frame);
            }
            outcome.gone.extend(gone);
        }
        Ok((outcome, opened))
    }

    /// Applies events until the line is what the rules say: one round trip, unless others change it meanwhile. A frame, or
    /// a lost connection, is one event; those that follow it are applied together.
    async fn apply(
        &self,
        pair: &Pair,
        mut opened: Opened,
        events: &[Event],
        incoming: Option<&Incoming<'_>>,
        given: usize,
    ) -> Result<Applied, Error> {
        let looks_again =
            events.iter().any(|event| matches!(event, Event::Delivered { .. } | Event::Told { .. }));
        let early_of = events.iter().find_map(|event| match event {
            Event::Delivered { from, .. } => from.as_ref(),
            _ => None,
        });
        let was_given = events.iter().any(|event| matches!(event, Event::Delivered { from: None, .. }));
        let resumed = events.iter().find_map(|event| match event {
            Event::Resumed { user, .. } => Some(user),
            _ => None,
        });
        // A call that was noted as over beside a swap which was lost: the rules may now say that it lives.
        let mut disowned = None;
        for _ in 0..MOST_SWAPS {
            let (mut line, mut effects) = (opened.line.clone(), Vec::new());
            for event in events {
                let applied = call::apply(line, event, opened.now());
                line = applied.0;
                effects.extend(applied.1);
            }
            if effects.contains(&Effect::TryAgain) {
                tokio::time::sleep(PAUSE).await;
                opened = self.store.open_line(pair, false).await?;
                continue;
            }
            let unchanged = line == opened.line && effects.is_empty();
            let lives_on = |call: &call::Call| disowned.as_ref() == Some(&call.id);
            if unchanged && !looks_again {
                if let Some(call) = opened.line.live().filter(|call| lives_on(call)) {
                    self.hint(pair, &[], None, None, Some(&call.id)).await?;
                }
                tell(None, &opened.line);
                let (connections, handed) = (HashMap::new(), Handed::default());
                return Ok(Applied { opened, effects, connections, handed, vanished: None });
            }
            let (was, is) = (opened.line.live().cloned(), line.live().cloned());
            let held = offer_to_hold(&effects, incoming);
            let gives = effects.iter().any(|effect| matches!(effect, Effect::Give { .. }));
            let waits = effects.iter().any(|effect| matches!(effect, Effect::Wait { .. }));
            let waiting = waits.then(|| held_frame(incoming, is.as_ref().map(|call| &call.id))).flatten();
            let rings = is.as_ref().is_some_and(|call| was.as_ref().map(|was| &was.id) != Some(&call.id));
            let moves = Moves {
                ring: held.as_ref(),
                ring_from: if gives { Some(0) } else { was_given.then_some(given) },
                early_of,
                wait: waiting.as_ref().zip(incoming).map(|(held, incoming)| (&incoming.signal.target, held)),
                waiting_for: resumed
                    .filter(|_| effects.iter().any(|e| matches!(e, Effect::GiveWaiting { .. }))),
                grows: rings,
            };
            let over =
                was.as_ref().map(|call| &call.id).filter(|id| is.as_ref().is_none_or(|is| is.id != **id));
            let live = is.as_ref().filter(|call| rings || lives_on(call)).map(|call| &call.id);
            let hinting = self.hint(pair, &effects, incoming, over, live);
            let noting = self.note(pair, events, incoming, was.as_ref(), is.as_ref());
            let swapping = self.store.swap_line(pair, &opened, line, moves);
            match try_join3(swapping, hinting, noting).await? {
                (Swap::Done(opened, handed), connections, vanished) => {
                    tell(was.as_ref(), &opened.line);
                    return Ok(Applied { opened, effects, connections, handed, vanished });
                }
                (Swap::Lost(now), ..) => {
                    disowned = over.cloned().or(disowned);
                    opened = now;
                }
            }
        }
        Err(too_busy())
    }

    /// Notes for both users which call lives now and which is over, and finds the connections that effects need.
    async fn hint(
        &self,
        pair: &Pair,
        effects: &[Effect],
        incoming: Option<&Incoming<'_>>,
        over: Option<&CallId>,
        live: Option<&CallId>,
    ) -> Result<HashMap<UserKey, Vec<Connection>>, Error> {
        let needs = |user: &UserKey| {
            effects.iter().any(|effect| match effect {
                Effect::RelayToAll { .. } => incoming.is_some_and(|incoming| incoming.signal.target == *user),
                Effect::EndAll { user: told, .. } => told == user,
                _ => false,
            })
        };
        let [first, second] = pair.users();
        let of_both = first != second && (over.is_some() || live.is_some());
        let users = [Some(first), Some(second).filter(|_| first != second)].into_iter().flatten();
        let users = users.filter(|user| of_both || needs(user));
        let hinting = users.map(|user| async move {
            let connections = self.store.hint_call(pair, user, over, live).await?;
            Ok::<_, Error>((user.clone(), connections))
        });
        Ok(try_join_all(hinting).await?.into_iter().collect())
    }

    /// Notes at a connection that it takes part now: as its event is applied, and once more after that, when the frame has
    /// been delivered. The end of a connection is noted before its calls are read, so either this finds that it has gone, or
    /// the end finds the call. Returns the connection if it has gone.
    async fn note(
        &self,
        pair: &Pair,
        events: &[Event],
        incoming: Option<&Incoming<'_>>,
        was: Option<&call::Call>,
        is: Option<&call::Call>,
    ) -> Result<Option<ConnectionId>, Error> {
        let looks_again = events.iter().any(|event| matches!(event, Event::Delivered { from: Some(_), .. }));
        let (connection, user, known) = match (events.first(), incoming) {
            (Some(Event::Resumed { user, connection, .. }), _) => (connection, user, true),
            (Some(Event::Offer { .. } | Event::Answer(_)), Some(incoming)) => incoming.part(),
            (_, Some(incoming)) if looks_again => incoming.part(),
            _ => return Ok(None),
        };
        let is_side = |call: &call::Call| call.side(user).connection.as_ref() == Some(connection);
        let is_same = |is: &call::Call| was.is_some_and(|was| was.id == is.id && is_side(was));
        if !is.is_some_and(|is| is_side(is) && (looks_again || !is_same(is))) {
            return Ok(None);
        }
        let is_there = self.store.note_call(connection, user, pair, known).await?;
        Ok((!is_there).then(|| connection.clone()))
    }
}
