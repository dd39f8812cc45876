//! Tickets: what a browser, which cannot set headers on a WebSocket, shows instead of its token.

use futures_util::future::try_join;
use redis::Cmd;

use super::script::Script;
use super::{Store, keys};
use crate::error::Error;
use crate::ids::{ConnectionId, UserKey};

/// How long a ticket is good for, in seconds.
pub const TICKET_SECONDS: u64 = 30;

/// Bytes of randomness in a ticket.
const TICKET_BYTES: usize = 24;

/// Longest text that is looked up as a ticket, in bytes.
const TICKET_TEXT: usize = 2 * TICKET_BYTES;

/// Binds a connection to a user.
static BIND: Script = Script::new(
    "
redis.call('HSET', KEYS[1], 'user', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return false
",
);

impl Store {
    /// Issues a ticket for a user: one round trip.
    pub async fn issue_ticket(&self, user: &UserKey) -> Result<String, Error> {
        let mut random = [0; TICKET_BYTES];
        getrandom::fill(&mut random).map_err(|error| Error::Internal(error.into()))?;
        let ticket: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut set = redis::cmd("SET");
        set.arg(keys::ticket(&ticket)).arg(user.as_str()).arg("EX").arg(TICKET_SECONDS);
        // One that is refused is told to nobody, and expires.
        try_join(self.redis.run::<()>(&set), self.take_ticket(user)).await?;
        Ok(ticket)
    }

    /// Takes a ticket, which is useless from then on, and binds the connection to its user: two round trips,
    /// one for a ticket that is none.
    pub async fn redeem_ticket(
        &self,
        ticket: &str,
        connection: &ConnectionId,
    ) -> Result<Option<UserKey>, Error> {
        if ticket.len() != TICKET_TEXT {
            return Ok(None);
        }
        let found: Option<String> = self.redis.run_once(&Cmd::get_del(keys::ticket(ticket))).await?;
        let Some(user) = found.and_then(|user| UserKey::try_from(user).ok()) else { return Ok(None) };
        let key = keys::connection(connection);
        self.redis.run::<()>(&BIND.call(&[key]).arg(user.as_str()).arg(self.connection_seconds())).await?;
        Ok(Some(user))
    }
}
