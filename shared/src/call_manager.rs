//! Calls as they happen: reads what is known of two users, applies the rules, swaps, and sends what follows.
//!
//! No rule stands here, see [`crate::call`]. Whatever was sent may have been overtaken, so after each delivery the rules
//! are asked again, by the next event.

mod outbox;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::future::try_join3;
use futures_util::{StreamExt, stream};

use self::outbox::{Material, Outbox, Relayed, Sent};
use crate::access::Own;
use crate::call::{
    self, AWAY_MS, Candidate, Description, Effect, Ender, Event, HELD_MS, Reason, Route, Sender, Summary,
};
use crate::error::{Error, FrameError};
use crate::ids::{CallId, ConnectionId, UserKey};
use crate::protocol::client::{Signal, SignalType};
use crate::push::{Deadline, Push, Pusher};
use crate::store::{Connection, Handed, Held, Hint, List, Moves, Opened, Pair, Store, Swap, newest_calls};

/// How often a swap is tried, and how many events one may lead to. Only a store that answers nonsense gets that far.
const MOST_SWAPS: usize = 100;
const MOST_EVENTS: usize = 12;

/// How often connections may be found gone while others are told of it.
const MOST_ROUNDS: usize = 5;

/// The pause before an event that came too early is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// How many calls of a lost connection are dealt with at once.
const CONCURRENT_CALLS: usize = 32;

/// Carries out calls; cheap to clone.
#[derive(Clone, Debug)]
pub struct CallManager {
    store: Store,
    pusher: Pusher,
}

/// A signal, and where it came from.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The frame.
    pub signal: &'a Signal<'a>,
    /// Its sender.
    pub from: Sender,
    /// Whether its connection has registered.
    pub registered: bool,
}

/// The calls of a user that has just registered a connection, and the offers that wait for it.
#[derive(Debug, Default)]
pub struct Joined {
    /// The user's live calls, the newest first.
    pub calls: Vec<Summary>,
    /// The offers, each with its candidates.
    pub frames: Vec<String>,
    given: Vec<(Pair, Opened, Event, usize)>,
}

/// What came of an event.
#[derive(Debug, Default)]
struct Outcome {
    refused: Option<FrameError>,
    gone: Vec<(UserKey, ConnectionId)>,
}

/// An event that has been applied.
struct Applied {
    opened: Opened,
    effects: Vec<Effect>,
    connections: HashMap<UserKey, Vec<Connection>>,
    handed: Handed,
    /// Whether the event's own connection has gone meanwhile.
    vanished: bool,
}

impl CallManager {
    pub(crate) fn new(store: Store, pusher: Pusher) -> Self {
        Self { store, pusher }
    }

    /// Carries out a signal; `opened` is what is known of its two users, if that has been read.
    ///
    /// # Errors
    /// What its sender is answered.
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
        let outcome = self.happen(&pair, opened, event, Some(incoming), deadline).await?;
        self.forget(outcome.gone, Some(&pair), deadline).await;
        outcome.refused.map_or(Ok(()), Err)
    }

    /// Ends a call for one of its two users: three round trips.
    pub async fn end(&self, permit: &Own, peer: &UserKey, id: CallId, reason: Reason) -> Result<(), Error> {
        let user = permit.user();
        let (pair, deadline) = (Pair::of(user, peer), Deadline::start());
        let opened = self.store.open_line(&pair, false).await?;
        let event = Event::End { by: Ender::User(user.clone()), id: Some(id), reason };
        let outcome = self.happen(&pair, opened, event, None, deadline).await?;
        self.forget(outcome.gone, Some(&pair), deadline).await;
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
                let (outcome, mut after) = self.happen_from(&pair, opened, event, None, deadline).await?;
                after.ring = ring;
                opened = after;
                self.forget(outcome.gone, Some(&pair), deadline).await;
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
                let from = opened.ring.len();
                joined.given.push((pair, opened, event, from));
            }
        }
        joined.calls = newest_calls(joined.calls);
        Ok(joined)
    }

    /// Notes that the frames for a connection that joined were delivered, and sends what has come in meanwhile: one round
    /// trip, none where there were none.
    pub async fn joined(&self, joined: Joined, deadline: Deadline) -> Result<(), Error> {
        for (pair, opened, event, _) in joined.given {
            let outcome = self.happen(&pair, opened, event, None, deadline).await?;
            self.forget(outcome.gone, Some(&pair), deadline).await;
        }
        Ok(())
    }

    /// Forgets connections that are gone, and ends or suspends the calls that they took part in; `pair` is one that they
    /// may take part in without having noted it. Never fails: what is left expires.
    pub async fn forget(&self, gone: Vec<(UserKey, ConnectionId)>, pair: Option<&Pair>, deadline: Deadline) {
        let mut gone = gone;
        for _ in 0..MOST_ROUNDS {
            if gone.is_empty() {
                return;
            }
            let forgetting = stream::iter(gone).map(|(user, connection)| async move {
                let noted = self.store.forget(Some(&user), &connection).await.inspect_err(|error| {
                    tracing::warn!(%error, "a gone connection could not be forgotten");
                });
                let mut pairs = noted.unwrap_or_default();
                pairs.extend(pair.filter(|pair| !pairs.contains(pair)).cloned());
                self.lose(&connection, pairs, deadline).await
            });
            gone = forgetting.buffer_unordered(CONCURRENT_CALLS).flat_map(stream::iter).collect().await;
        }
    }

    /// A connection has left these calls: it closed, or speaks for another user.
    pub async fn leave(&self, connection: &ConnectionId, pairs: Vec<Pair>, deadline: Deadline) {
        let gone = self.lose(connection, pairs, deadline).await;
        self.forget(gone, None, deadline).await;
    }

    /// Returns the connections that were found gone.
    async fn lose(
        &self,
        connection: &ConnectionId,
        pairs: Vec<Pair>,
        deadline: Deadline,
    ) -> Vec<(UserKey, ConnectionId)> {
        let losing = stream::iter(pairs).map(|pair| async move {
            let event = Event::Lost(connection.clone());
            let lost = async {
                let opened = self.store.open_line(&pair, false).await?;
                self.happen(&pair, opened, event, None, deadline).await
            };
            match lost.await {
                Ok(outcome) => outcome.gone,
                Err(error) => {
                    tracing::warn!(%error, "a lost connection is still in its call");
                    Vec::new()
                }
            }
        });
        losing.buffer_unordered(CONCURRENT_CALLS).flat_map(stream::iter).collect().await
    }

    /// A frame to oneself goes to one's other connections, and makes no call.
    async fn to_oneself(&self, incoming: &Incoming<'_>, deadline: Deadline) -> Result<(), FrameError> {
        let Incoming { signal, from, .. } = incoming;
        let frame = signal.relay(&from.user, None)?;
        let others = self.store.connections(&from.user, &from.connection).await?;
        let push = |other: Connection| Push {
            user: from.user.clone(),
            connection: other.id,
            frames: vec![frame.clone()],
        };
        let reached = others.len();
        let gone = self.push(others.into_iter().map(push).collect(), deadline).await;
        let taken = reached > gone.len();
        self.forget(gone, None, deadline).await;
        let describes = matches!(signal.kind, SignalType::Offer | SignalType::Answer);
        if describes && !taken { Err(FrameError::PeerUnavailable { held_for: None }) } else { Ok(()) }
    }

    async fn candidate(
        &self,
        pair: &Pair,
        incoming: &Incoming<'_>,
        mut opened: Opened,
        deadline: Deadline,
    ) -> Result<(), FrameError> {
        let Incoming { signal, from, .. } = incoming;
        let candidate = Candidate {
            from: from.clone(),
            to: signal.target.clone(),
            id: signal.call_id.clone(),
            ufrag: signal.candidate_ufrag(),
        };
        for _ in 0..MOST_SWAPS {
            let line = opened.present();
            let route = line.route(&candidate, opened.now());
            let id = signal.call_id.as_ref().or(match route {
                Route::Early | Route::All => None,
                _ => line.live().map(|call| &call.id),
            });
            let frame = signal.relay(&from.user, id)?;
            let held = || Held {
                at: from.at,
                id: id.cloned(),
                ufrag: candidate.ufrag.clone(),
                frame: frame.clone(),
            };
            let (list, to) = match route {
                Route::Drop => return Ok(()),
                Route::Early => (Some(List::Early(&from.connection)), Vec::new()),
                Route::Ring(given) => (Some(List::Ring), given),
                Route::Wait => (Some(List::Waiting(&signal.target)), Vec::new()),
                Route::Pass(to) => (None, vec![to]),
                Route::All => {
                    let open = self.store.connections(&signal.target, &from.connection).await?;
                    (None, open.into_iter().map(|connection| connection.id).collect())
                }
            };
            if let Some(list) = list
                && let Some(changed) = self.store.hold(pair, &opened, list, &held()).await?
            {
                opened = changed;
                continue;
            }
            let push =
                |connection| Push { user: signal.target.clone(), connection, frames: vec![frame.clone()] };
            let gone = self.push(to.into_iter().map(push).collect(), deadline).await;
            self.forget(gone, Some(pair), deadline).await;
            return Ok(());
        }
        Err(too_busy().into())
    }

    /// Applies an event, sends what follows, and looks again.
    async fn happen(
        &self,
        pair: &Pair,
        opened: Opened,
        event: Event,
        incoming: Option<&Incoming<'_>>,
        deadline: Deadline,
    ) -> Result<Outcome, Error> {
        self.happen_from(pair, opened, event, incoming, deadline).await.map(|(outcome, _)| outcome)
    }

    async fn happen_from(
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
        let mut events = VecDeque::from([event]);
        for _ in 0..MOST_EVENTS {
            let Some(event) = events.pop_front() else { break };
            let applied = self.apply(pair, opened, &event, incoming, given).await?;
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
            if outcome.refused.is_none() {
                outcome.refused = refusal(&event, &applied.effects, &sent, &opened);
            }
            outcome
                .gone
                .extend(self.hand_over(pair, &opened, &event, &applied.handed, incoming, deadline).await?);
            events.extend(follow_ups(&event, &applied.effects, &sent, &opened));
            if applied.vanished
                && let Some(incoming) = incoming
            {
                events.push_back(Event::Lost(incoming.from.connection.clone()));
            }
            outcome.gone.extend(sent.gone);
        }
        Ok((outcome, opened))
    }

    /// Applies an event until the line is what the rules say: one round trip, unless others change it meanwhile.
    async fn apply(
        &self,
        pair: &Pair,
        mut opened: Opened,
        event: &Event,
        incoming: Option<&Incoming<'_>>,
        given: usize,
    ) -> Result<Applied, Error> {
        let looks_again = matches!(event, Event::Delivered { .. } | Event::Told { .. });
        for _ in 0..MOST_SWAPS {
            let (line, effects) = call::apply(opened.line.clone(), event, opened.now());
            if effects.contains(&Effect::TryAgain) {
                tokio::time::sleep(PAUSE).await;
                opened = self.store.open_line(pair, false).await?;
                continue;
            }
            let unchanged = line == opened.line && effects.is_empty();
            if unchanged && !looks_again {
                let (connections, handed) = (HashMap::new(), Handed::default());
                return Ok(Applied { opened, effects, connections, handed, vanished: false });
            }
            let (was, is) = (opened.line.live().cloned(), line.live().cloned());
            let held = offer_to_hold(event, &effects, incoming);
            let early_of = match event {
                Event::Delivered { from, .. } => from.as_ref(),
                _ => None,
            };
            let gives = effects.iter().any(|effect| matches!(effect, Effect::Give { .. }));
            let waits = effects.iter().any(|effect| matches!(effect, Effect::Wait { .. }));
            let resumed = match event {
                Event::Resumed { user, .. } => Some(user),
                _ => None,
            };
            let waiting = waits.then(|| held_frame(incoming, is.as_ref().map(|call| &call.id))).flatten();
            let rings = is.as_ref().is_some_and(|call| was.as_ref().map(|was| &was.id) != Some(&call.id));
            let moves = Moves {
                ring: held.as_ref(),
                ring_from: match event {
                    _ if gives => Some(0),
                    Event::Delivered { from: None, .. } => Some(given),
                    _ => None,
                },
                early_of,
                wait: waiting.as_ref().zip(incoming).map(|(held, incoming)| (&incoming.signal.target, held)),
                waiting_for: resumed
                    .filter(|_| effects.iter().any(|e| matches!(e, Effect::GiveWaiting { .. }))),
                grows: rings,
            };
            let over =
                was.as_ref().map(|call| &call.id).filter(|id| is.as_ref().is_none_or(|is| is.id != **id));
            let live = is.as_ref().map(|call| &call.id).filter(|_| rings);
            let hinting = self.hint(pair, &effects, incoming, over, live);
            let noting = self.note(pair, event, incoming, was.as_ref(), is.as_ref());
            let swapping = self.store.swap_line(pair, &opened, line, moves);
            match try_join3(swapping, hinting, noting).await? {
                (Swap::Done(opened, handed), connections, vanished) => {
                    return Ok(Applied { opened, effects, connections, handed, vanished });
                }
                (Swap::Lost(now), ..) => opened = now,
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
        Ok(futures_util::future::try_join_all(hinting).await?.into_iter().collect())
    }

    /// Notes at the event's connection that it takes part now. Returns whether it has gone meanwhile.
    async fn note(
        &self,
        pair: &Pair,
        event: &Event,
        incoming: Option<&Incoming<'_>>,
        was: Option<&call::Call>,
        is: Option<&call::Call>,
    ) -> Result<bool, Error> {
        let (connection, user, known) = match (event, incoming) {
            (Event::Offer { .. } | Event::Answer(_), Some(incoming)) => {
                (&incoming.from.connection, &incoming.from.user, incoming.registered)
            }
            (Event::Resumed { user, connection, .. }, _) => (connection, user, true),
            _ => return Ok(false),
        };
        let is_side = |call: &call::Call| call.side(user).connection.as_ref() == Some(connection);
        let is_same = |is: &call::Call| was.is_some_and(|was| was.id == is.id && is_side(was));
        if !is.is_some_and(|is| is_side(is) && !is_same(is)) {
            return Ok(false);
        }
        Ok(!self.store.note_call(connection, user, pair, known).await?)
    }

    /// Sends what was held for a description that has been delivered.
    async fn hand_over(
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
                    Route::Wait => {
                        self.store.hold(pair, opened, List::Waiting(user), held).await?;
                    }
                    Route::Drop | Route::Early => {}
                }
            }
        }
        if from.is_none() && line.rings() {
            for frame in candidates_of_ring(&handed.ring, opened) {
                to.iter().for_each(|to| add(to, &frame));
            }
        }
        let push = |(connection, frames)| Push { user: user.clone(), connection, frames };
        Ok(self.push(frames.into_iter().map(push).collect(), deadline).await)
    }

    /// Returns the connections that are gone.
    async fn push(&self, pushes: Vec<Push>, deadline: Deadline) -> Vec<(UserKey, ConnectionId)> {
        self.send(Outbox::plain(pushes), deadline).await.gone
    }

    async fn send(&self, outbox: Outbox, deadline: Deadline) -> Sent {
        let (pushes, marks) = outbox.into_parts();
        let sent = Sent::of(self.pusher.push_all(pushes, deadline).await, marks);
        self.close_missed(&sent.missed).await;
        sent
    }

    /// Closes the connections that missed a frame and recover: their clients come back and ask.
    async fn close_missed(&self, missed: &[(UserKey, ConnectionId)]) {
        for (user, connection) in missed {
            let Ok(open) = self.store.connections(user, &ConnectionId::from_platform("")).await else {
                continue;
            };
            if open.iter().any(|one| one.id == *connection && one.recovers) {
                self.pusher.close_all(std::slice::from_ref(connection), Deadline::for_closing()).await;
            }
        }
    }
}

fn too_busy() -> Error {
    Error::Unavailable("a call changes too fast".into())
}

fn relayed<'a>(incoming: &'a Incoming<'a>) -> Relayed<'a> {
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
fn held_frame(incoming: Option<&Incoming<'_>>, id: Option<&CallId>) -> Option<Held> {
    let Incoming { signal, from, .. } = incoming?;
    let frame = signal.relay(&from.user, id).ok()?;
    Some(Held { at: from.at, id: id.cloned(), ufrag: None, frame })
}

/// The event's offer, if it is one that rings.
fn offer_to_hold(event: &Event, effects: &[Effect], incoming: Option<&Incoming<'_>>) -> Option<Held> {
    let rings = effects.iter().find_map(|effect| match effect {
        Effect::RelayToAll { id: Some(id) } if matches!(event, Event::Offer { .. }) => Some(id),
        _ => None,
    })?;
    held_frame(incoming, Some(rings))
}

/// The frames that ring, and the user they are for, where they are to be given.
fn call_of_ring(effects: &[Effect], handed: &Handed, opened: &Opened) -> Option<(UserKey, Vec<String>)> {
    effects.iter().any(|effect| matches!(effect, Effect::Give { .. })).then_some(())?;
    let callee = opened.line.live()?.callee.user.clone();
    Some((callee, frames_of_ring(&handed.ring, opened)))
}

/// The offer that rings, then its candidates.
fn frames_of_ring(ring: &[Held], opened: &Opened) -> Vec<String> {
    let Some((offer, candidates)) = ring.split_first() else { return Vec::new() };
    std::iter::once(offer.frame.clone()).chain(candidates_of_ring(candidates, opened)).collect()
}

fn candidates_of_ring<'a>(candidates: &'a [Held], opened: &'a Opened) -> impl Iterator<Item = String> + 'a {
    let call = opened.line.live();
    let caller = call.and_then(|call| call.caller.connection.as_ref());
    let follows = move |held: &&Held| {
        caller.is_some_and(|caller| {
            opened.line.follows(caller, held.id.as_ref(), held.ufrag.as_deref(), held.at)
        })
    };
    candidates.iter().filter(follows).map(move |held| held.in_call(call.map(|call| &call.id)))
}

/// What the event's sender is answered, if it is refused.
fn refusal(event: &Event, effects: &[Effect], sent: &Sent, opened: &Opened) -> Option<FrameError> {
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
fn follow_ups(event: &Event, effects: &[Effect], sent: &Sent, opened: &Opened) -> Vec<Event> {
    let mut events = Vec::new();
    let describes = effects.iter().find_map(|effect| match effect {
        Effect::RelayToAll { id } => Some(id.clone()),
        Effect::Relay { .. } | Effect::Wait { .. } => Some(None),
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
