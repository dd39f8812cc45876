//! Redis: what is kept, under which keys, in how few round trips.
//!
//! Commands that do not depend on each other go out as one concurrent wave; keys that change together
//! share a slot, so everything works on a cluster unchanged. Every step may be repeated.

mod calls;
mod claims;
mod connections;
mod conversations;
mod erasure;
mod events;
mod failure;
mod held;
mod hints;
mod iam;
mod import;
mod keys;
mod limits;
mod line;
mod listing;
mod log;
mod messages;
mod node;
mod pages;
mod pair;
mod redis;
mod script;
mod server;
mod tickets;
mod walk;

use std::time::Duration;

use chrono::TimeDelta;

pub use calls::{Moves, Opened, Swap, newest_calls};
pub use connections::{Connection, Departure, Registration};
pub use conversations::{Conversation, Conversations, Marked};
pub use erasure::Erasure;
pub use events::{Change, Event, EventId, Events, Feed, Follow};
pub use held::{Handed, Held, List};
pub use hints::Hint;
pub use import::{Imported, LINES_PER_IMPORT};
pub use keys::LAYOUT;
pub use line::{Line, Logged, Other};
pub use listing::{Page, Paging};
pub use messages::{Deletion, Sent};
pub use pair::Pair;
pub use tickets::TICKET_SECONDS;
pub use walk::Walk;

use self::redis::Redis;
use crate::clock::Clock;
use crate::config::{Config, Limits};

/// The store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    redis: Redis,
    /// In open mode anyone may list everything, so everything is indexed.
    open: bool,
    connection_lifetime: Duration,
    /// How long messages are kept; without it for ever.
    retention: Option<TimeDelta>,
    limits: Limits,
    clock: Clock,
}

impl Store {
    /// Prepares the store and tries to connect, so that the first event need not.
    ///
    /// # Errors
    /// A malformed Redis URL. A Redis that is away is no error here: it may be back at the first event.
    pub async fn open(config: &Config) -> Result<Self, ::redis::RedisError> {
        let redis = Redis::new(config)?;
        let clock = Clock::default();
        redis.warm(&clock).await;
        Ok(Self {
            redis,
            open: config.allow_anonymous,
            connection_lifetime: config.connection_lifetime,
            retention: config.retention,
            limits: config.limits,
            clock,
        })
    }
}
