//! Frames that change no call: candidates, and frames to oneself.

use super::parts::{CallManager, Incoming, MOST_SWAPS, too_busy};
use crate::call::{Candidate, Route};
use crate::error::FrameError;
use crate::protocol::client::SignalType;
use crate::push::{Deadline, Push};
use crate::store::{Connection, Held, List, Opened, Pair};

impl CallManager {
    /// A frame to oneself goes to one's other connections, and makes no call.
    pub(super) async fn to_oneself(
        &self,
        incoming: &Incoming<'_>,
        deadline: Deadline,
    ) -> Result<(), FrameError> {
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
        self.forget(gone, deadline).await;
        let describes = matches!(signal.kind, SignalType::Offer | SignalType::Answer);
        if describes && !taken { Err(FrameError::PeerUnavailable { held_for: None }) } else { Ok(()) }
    }

    pub(super) async fn candidate(
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
            let passes = matches!(route, Route::Pass(_));
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
            let is_lost = passes && !gone.is_empty();
            self.forget(gone, deadline).await;
            if !is_lost {
                return Ok(());
            }
            // The other side is away now, and the candidate waits for it.
            opened = self.store.open_line(pair, false).await?;
        }
        Err(too_busy().into())
    }
}
