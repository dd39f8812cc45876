//! The connection registry: which user each connection speaks for, and each user's open connections.

use std::time::Duration;

use futures_util::future::{try_join, try_join_all, try_join3};
use redis::Cmd;

use super::script::Script;
use super::{Store, keys, now_ms};
use crate::error::Error;
use crate::ids::{ConnectionId, UserKey};

/// Most connections of one user; beyond it the oldest is closed.
const CONNECTIONS_PER_USER: usize = 20;

/// A connection is entered for this long, and for its whole life once `registered` has been pushed to it.
/// Who finds so short an entry knows that this push is still under way.
const GREETING: Duration = Duration::from_secs(10);

/// How far the clocks of two functions may be apart for one to tell a short entry of the other from a lasting
/// one, which has more than [`LIFETIME_MARGIN`] left as long as its connection lives.
const SKEW: Duration = Duration::from_secs(60);

/// How long a push waits for such a connection, a little longer than pushing `registered` may take, and how often
/// it looks.
const GREETING_PATIENCE: Duration = Duration::from_millis(2500);
const GREETING_LOOK: Duration = Duration::from_millis(20);

/// Entries outlive their connection's longest life by this, so that none ends early.
const LIFETIME_MARGIN: Duration = Duration::from_secs(600);

/// After an `end_call` was pushed to a connection, its next one within this time is the echo of it.
const ECHO: Duration = Duration::from_secs(5);

/// An open connection of a user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    greeting: bool,
}

/// What a `register` found.
#[derive(Debug, Eq, PartialEq)]
pub struct Registration {
    /// Whom the connection spoke for before, if for somebody else.
    pub moved_from: Option<UserKey>,
    /// The user's latest event.
    pub event_id: String,
    /// True if the connection was registered for this user already.
    pub known: bool,
}

/// Whom a connection speaks for.
#[derive(Debug, Eq, PartialEq)]
pub struct Speaker {
    /// The user it registered as.
    pub user: Option<UserKey>,
    /// True if this is the echo of an `end_call` pushed to it.
    pub echo: bool,
}

/// Enters a connection; reads the latest event after that, so that no event falls in between.
static ENTER: Script = Script::new(
    "
local connections, events = KEYS[1], KEYS[2]
local id, now, greeting_until, lasting = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', connections, '-inf', '(' .. now)
local score = redis.call('ZSCORE', connections, id)
local known = score and tonumber(score) > lasting
if not known then redis.call('ZADD', connections, greeting_until, id) end
local last = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1]
return {known and 1 or 0, last and last[1] or '0-0'}
",
);

/// Makes a connection speak for a user; returns whom it has left and may still be entered for. That is kept until
/// it has been dealt with, so that it is not forgotten when this answer is lost.
static SPEAK: Script = Script::new(
    "
local connection, user, seconds = KEYS[1], ARGV[1], ARGV[2]
local before = redis.call('HGET', connection, 'user')
if before and before ~= user then redis.call('HSET', connection, 'left', before) end
redis.call('HSET', connection, 'user', user)
redis.call('EXPIRE', connection, seconds)
return redis.call('HGET', connection, 'left')
",
);

/// Notes that a connection is not entered any more for a user it has left; returns whom it speaks for.
static LEFT: Script = Script::new(
    "
local connection, user = KEYS[1], ARGV[1]
if redis.call('HGET', connection, 'left') == user then redis.call('HDEL', connection, 'left') end
return redis.call('HGET', connection, 'user')
",
);

/// Makes an entry last, unless it was removed meanwhile; returns the oldest beyond the bound.
static CONFIRM: Script = Script::new(
    "
local connections = KEYS[1]
local id, lasting, expiry, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
redis.call('ZADD', connections, 'XX', expiry, id)
local over = redis.call('ZCOUNT', connections, '(' .. lasting, '+inf') - most
if over <= 0 then return {} end
local oldest = redis.call('ZRANGEBYSCORE', connections, '(' .. lasting, '+inf', 'LIMIT', 0, over)
redis.call('ZREM', connections, unpack(oldest))
return oldest
",
);

/// Expects an echo from a connection that is still known.
static EXPECT_ECHO: Script = Script::new(
    "
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'echo', ARGV[1]) end
return false
",
);

impl Store {
    /// Enters a connection for a user: one round trip, one more to leave another user, of whom nothing may come
    /// after `registered`. Unless it was known, [`Store::confirm`] must follow once that has been pushed.
    pub async fn register(&self, connection: &ConnectionId, user: &UserKey) -> Result<Registration, Error> {
        let now = now_ms();
        let speak =
            SPEAK.call(&[&keys::connection(connection)]).arg(user.as_str()).arg(self.connection_seconds());
        let enter = ENTER
            .call(&[&keys::user_connections(user), &keys::user_events(user)])
            .arg(connection.as_str())
            .arg(now)
            .arg(now + millis(GREETING))
            .arg(lasting_from(now));
        let (left, (known, event_id)): (Option<String>, (bool, String)) =
            try_join(self.redis.run(&speak), self.redis.run(&enter)).await?;
        let moved_from =
            left.and_then(|previous| UserKey::try_from(previous).ok()).filter(|previous| previous != user);
        if let Some(previous) = &moved_from {
            self.leave(connection, previous).await?;
        }
        Ok(Registration { moved_from, event_id, known })
    }

    /// Makes a registration last: one round trip, one or two more if another `register` of the same connection came
    /// between. Returns connections to close.
    pub async fn confirm(
        &self,
        connection: &ConnectionId,
        user: &UserKey,
        registration: &Registration,
    ) -> Result<Vec<ConnectionId>, Error> {
        let now = now_ms();
        let confirm = CONFIRM
            .call(&[&keys::user_connections(user)])
            .arg(connection.as_str())
            .arg(lasting_from(now))
            .arg(now + millis(self.connection_lifetime + LIFETIME_MARGIN))
            .arg(CONNECTIONS_PER_USER);
        let moved = async {
            match &registration.moved_from {
                Some(previous) => self.has_left(connection, previous).await,
                None => Ok(()),
            }
        };
        let (oldest, speaker, ()) =
            try_join3(self.redis.run::<Vec<String>>(&confirm), self.speaker(connection), moved).await?;
        if speaker.user.as_ref() != Some(user) {
            self.leave(connection, user).await?;
            self.has_left(connection, user).await?;
        }
        Ok(oldest.into_iter().map(ConnectionId::from_platform).collect())
    }

    /// Whom a connection speaks for: one round trip.
    pub async fn speaker(&self, connection: &ConnectionId) -> Result<Speaker, Error> {
        let user: Option<String> = self.redis.run(&Cmd::hget(keys::connection(connection), "user")).await?;
        Ok(Speaker { user: user.and_then(|user| UserKey::try_from(user).ok()), echo: false })
    }

    /// As [`Store::speaker`], for an `end_call`: whether it is an echo, which no later one is then.
    pub async fn speaker_ending(&self, connection: &ConnectionId) -> Result<Speaker, Error> {
        let key = keys::connection(connection);
        let mut read = redis::pipe();
        read.atomic().hget(&key, "user").hget(&key, "echo").hdel(&key, "echo").ignore();
        let (user, echo): (Option<String>, Option<u64>) = self.redis.run(&read).await?;
        Ok(Speaker {
            user: user.and_then(|user| UserKey::try_from(user).ok()),
            echo: echo.is_some_and(|until| now_ms() <= until),
        })
    }

    /// Expects each of these connections to echo the `end_call` it is about to get: one round trip.
    pub async fn expect_echoes(&self, connections: &[Connection]) -> Result<(), Error> {
        let until = now_ms() + millis(ECHO);
        try_join_all(connections.iter().map(|connection| async move {
            let expect = EXPECT_ECHO.call(&[&keys::connection(&connection.id)]).arg(until);
            self.redis.run::<()>(&expect).await
        }))
        .await?;
        Ok(())
    }

    /// A user's open connections but for `except`: one round trip, more only while one of them is just
    /// being registered.
    pub async fn connections(&self, user: &UserKey, except: &ConnectionId) -> Result<Vec<Connection>, Error> {
        let found = self.read_connections(user).await?;
        let mut found = self.settle(user, found).await?;
        found.retain(|connection| connection.id != *except);
        Ok(found)
    }

    /// Waits, bounded, until these connections have been sent their `registered`, which is the first frame that
    /// each may get. Who is entered meanwhile reads the log later than this wrote to it, and is left out.
    pub(super) async fn settle(
        &self,
        user: &UserKey,
        mut found: Vec<Connection>,
    ) -> Result<Vec<Connection>, Error> {
        let deadline = tokio::time::Instant::now() + GREETING_PATIENCE;
        while found.iter().any(|connection| connection.greeting) && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(GREETING_LOOK).await;
            let mut present = self.read_connections(user).await?;
            present.retain(|connection| found.iter().any(|one| one.id == connection.id));
            found = present;
        }
        Ok(found)
    }

    async fn read_connections(&self, user: &UserKey) -> Result<Vec<Connection>, Error> {
        let now = now_ms();
        let command = Cmd::zrangebyscore_withscores(keys::user_connections(user), now, "+inf");
        Ok(entries(self.redis.run(&command).await?, now))
    }

    /// Forgets connections of a user that are gone: one round trip.
    pub async fn forget(&self, gone: &[(UserKey, ConnectionId)]) -> Result<(), Error> {
        try_join_all(gone.iter().map(|(user, connection)| async move {
            let delete = Cmd::del(keys::connection(connection));
            try_join(self.redis.run::<()>(&delete), self.leave(connection, user)).await
        }))
        .await?;
        Ok(())
    }

    /// Forgets a closed connection: two round trips, one if it never registered.
    pub async fn disconnect(&self, connection: &ConnectionId) -> Result<(), Error> {
        match self.speaker(connection).await?.user {
            Some(user) => self.forget(&[(user, connection.clone())]).await,
            None => Ok(()),
        }
    }

    /// How long what is kept of a connection may stay without it.
    pub(super) fn connection_seconds(&self) -> i64 {
        i64::try_from((self.connection_lifetime + LIFETIME_MARGIN).as_secs()).unwrap_or(i64::MAX)
    }

    /// Notes that a connection is not entered any more for the user it left; enters it again if a `register` that
    /// came between has made it speak for that user once more, whose entry may have been removed.
    async fn has_left(&self, connection: &ConnectionId, user: &UserKey) -> Result<(), Error> {
        let left = LEFT.call(&[&keys::connection(connection)]).arg(user.as_str());
        let speaks_for: Option<String> = self.redis.run(&left).await?;
        if speaks_for.as_deref() != Some(user.as_str()) {
            return Ok(());
        }
        let expiry = now_ms() + millis(self.connection_lifetime + LIFETIME_MARGIN);
        self.redis.run(&Cmd::zadd(keys::user_connections(user), connection.as_str(), expiry)).await
    }

    async fn leave(&self, connection: &ConnectionId, user: &UserKey) -> Result<(), Error> {
        self.redis.run(&Cmd::zrem(keys::user_connections(user), connection.as_str())).await
    }
}

/// Registry entries as read at `now`.
pub(super) fn entries(read: Vec<(String, f64)>, now: u64) -> Vec<Connection> {
    read.into_iter()
        .map(|(id, expiry)| Connection {
            id: ConnectionId::from_platform(id),
            greeting: (expiry as u64) <= lasting_from(now),
        })
        .collect()
}

/// What expires later is no greeting, whoever's clock it was made by.
fn lasting_from(now: u64) -> u64 {
    now + millis(GREETING + SKEW)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
