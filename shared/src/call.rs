//! The rules of a call: one pure function from what is known of two users and an event to what is known then, and
//! what is to be sent. No store, no clock, no network: production, tests and the model checker call the same one.
//!
//! The rules are numbered as in `docs/protocol.md`, and each stands in the module of its event:
//!
//! | module | rules |
//! |---|---|
//! | `offer` | 1 offer, 4 crossing |
//! | `answer` | 2 answer, and `ringing` |
//! | `end` | 3 end, 6 clients without ids |
//! | `connection` | 5 losing a connection, 1 and 3 looking again after a delivery |
//! | `candidate` | to which description a candidate belongs, and where it goes |
//! | `event`, `effect` | events in, frames out |
//! | `line` | what is remembered, for how long; 7 overtaking |
//!
//! Times are in milliseconds since 1970. `now` is the store's clock; `at` is when a frame reached the platform, and is
//! compared with other such times of the same connection only, or with that of the offer that rings.

mod answer;
mod candidate;
mod connection;
mod effect;
mod end;
mod event;
mod line;
mod offer;
mod reason;
#[cfg(test)]
mod tests;
mod times;
mod view;

pub use candidate::{Candidate, Route};
pub use effect::Effect;
pub use event::{Description, Ender, Event, Sender};
pub use line::{Call, Described, Device, Ended, Line, Side, State};
pub use reason::Reason;
pub use times::{AWAY_MS, HELD_MS, OVER_MS};
pub use view::{Role, Status, Summary};

/// Applies an event to what is known of two users: returns what is known then, and what is to be sent.
pub fn apply(mut line: Line, event: &Event, now: u64) -> (Line, Vec<Effect>) {
    line.forget_old(now);
    let effects = match event {
        Event::Offer { offer, spare } => line.offer(offer, spare, now),
        Event::Answer(answer) => line.answer(answer, now),
        Event::Ringing { from, id } => line.ringing(from, id, now),
        Event::End { by: Ender::Connection(from), id: None, reason } => line.end_unnamed(from, *reason, now),
        Event::End { by, id: Some(id), reason } => line.end_named(by, id, *reason, now),
        Event::End { by: Ender::User(_), id: None, .. } => Vec::new(),
        Event::Delivered { from, offer, user, to } => {
            line.delivered(from.as_ref(), offer.as_ref(), user, to, now)
        }
        Event::Told { id, to } => line.told(id, to, now),
        Event::Lost(connection) => line.lost(connection, now),
        Event::Resumed { user, connection, id } => line.resumed(user, connection, id, now),
    };
    (line, effects)
}
