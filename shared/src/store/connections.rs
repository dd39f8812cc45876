//! The connection registry: which user each connection speaks for, and each user's open connections.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::{join, try_join};
use redis::Cmd;

use super::hints::{HINTS_READ, Hint, read_hints};
use super::limits::{limited, of_buckets, taken};
use super::pair::Pair;
use super::script::{Call, Script, of_time};
use super::{Store, keys};
use crate::error::Error;
use crate::ids::{ConnectionId, UserKey};

/// Most connections of one user; beyond it the oldest is closed.
const CONNECTIONS_PER_USER: usize = 20;

/// Entries outlive their connection's longest life by this, so that none ends early.
const LIFETIME_MARGIN: Duration = Duration::from_secs(600);

/// How long a connection's move to or from a user is remembered: longer than any function may run.
const MOVED_SECONDS: u64 = 600;

/// How long it is noted that a connection has closed: longer than a frame of it may still be handled.
const GONE_SECONDS: u64 = 60;

/// An entry begins with one of these, before the connection's id.
const PLAIN: char = '-';
const RECOVERS: char = 'r';

/// An open connection of a user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whether it is to be closed when a push to it fails, so that its client comes back and reads what it missed.
    pub recovers: bool,
}

/// The findings of a `register`.
#[derive(Debug, Eq, PartialEq)]
pub struct Registration {
    /// The user's latest event.
    pub event_id: String,
    /// Connections beyond the most that a user may have, to be closed.
    pub oldest: Vec<ConnectionId>,
    /// The calls that the user may be in.
    pub calls: Vec<Hint>,
    /// Whether the connection was not entered before.
    pub is_new: bool,
    /// The calls that it may take part in for a user that it spoke for until now.
    pub left_calls: Vec<Pair>,
}

/// The user and calls of a connection that has closed.
#[derive(Debug, Eq, PartialEq)]
pub struct Departure {
    /// The user it spoke for.
    pub user: Option<UserKey>,
    /// The calls that it may take part in.
    pub calls: Vec<Pair>,
}

/// The findings of entering a connection.
struct Entered {
    event_id: String,
    /// Whether it was not entered, since it left the user.
    refused: bool,
    oldest: Vec<ConnectionId>,
    calls: Vec<Hint>,
    is_new: bool,
}

impl Entered {
    fn registration(self, left_calls: Vec<Pair>) -> Registration {
        let Self { event_id, oldest, calls, is_new, .. } = self;
        Registration { event_id, oldest, calls, is_new, left_calls }
    }
}

impl Connection {
    /// Reads an entry of the registry.
    pub(super) fn of_member(member: &str) -> Self {
        let recovers = member.starts_with(RECOVERS);
        let id = member.strip_prefix([PLAIN, RECOVERS]).unwrap_or(member);
        Self { id: ConnectionId::from_platform(id), recovers }
    }
}

/// Enters a connection, unless it left this user by a request that is no earlier or, where it is known which of its moves
/// this is, by a later one; reads the latest event after that, so that no event falls in between. What grows comes
/// first, so that a full store refuses all of it.
static ENTER: Script = Script::new(of_buckets!(
    "
local connections, events, moved, limits, calls = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local member, other, at, move = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local lifetime, seconds, most, remembered = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), ARGV[8]
local wait = move and 0 or take(limits, ARGV[9], ARGV[10], ARGV[11])
if wait > 0 then return {wait, '', 0, {}, {}, 0} end
local last = redis.call('LINDEX', events, -1)
local event = last and string.match(last, '^[^ ]+') or '0-0'
local latest, left_at = string.match(redis.call('GET', moved) or '0 -1', '^(%S+) (%S+)$')
if move and tonumber(latest) > move or not move and tonumber(left_at) >= at then
  return {0, event, 1, {}, {}, 0}
end
local present = now()
local expiry = redis.call('ZSCORE', connections, member) or redis.call('ZSCORE', connections, other)
local is_new = expiry and 0 or 1
if not expiry or tonumber(expiry) <= present then expiry = present + lifetime end
redis.call('ZADD', connections, expiry, member)
redis.call('ZREM', connections, other)
if move then redis.call('SET', moved, string.format('%.0f -1', move), 'EX', remembered) end
redis.call('ZREMRANGEBYSCORE', connections, '-inf', present)
redis.call('EXPIRE', connections, seconds)
local oldest = {}
local over = redis.call('ZCARD', connections) - most
if over > 0 then
  oldest = redis.call('ZRANGE', connections, 0, over - 1)
  redis.call('ZREM', connections, unpack(oldest))
end
return {0, event, 0, oldest, redis.call('ZREVRANGE', calls, 0, ARGV[12]), is_new}
"
));

/// Makes a connection speak for a user, unless it has no token for its frame, or a later request made it speak for
/// another; returns whether it does, how often it has moved, the user it has left and may still be entered for, and its
/// fields if it moves now. The user is kept until it has been dealt with, so that it is not forgotten when this answer
/// is lost.
static SPEAK: Script = Script::new(of_buckets!(
    "
local connection, user, at, seconds = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local wait = take(connection, 'frames', ARGV[4], ARGV[5])
local before = redis.call('HMGET', connection, 'user', 'at', 'moves')
local former, latest, moves = before[1] or user, tonumber(before[2] or 0), tonumber(before[3] or 0)
local notes = {}
if wait > 0 then return {wait, before[1] == user and 1 or 0, moves, false, notes} end
if former ~= user then
  if latest > at then return {0, 0, moves, false, notes} end
  notes = redis.call('HKEYS', connection)
  moves = moves + 1
  redis.call('HSET', connection, 'left', former, 'moves', moves)
end
redis.call('HSET', connection, 'user', user, 'at', string.format('%.0f', math.max(at, latest)))
redis.call('EXPIRE', connection, seconds)
return {0, 1, moves, redis.call('HGET', connection, 'left'), notes}
"
));

/// Reads whom a connection speaks for, and takes a token for its frame. One that is not known has none to take, but in
/// open mode, where it may name itself.
static SPEAKER: Script = Script::new(of_buckets!(
    "
local user = redis.call('HGET', KEYS[1], 'user')
if not user and ARGV[1] == '0' then return {0, false} end
return {take(KEYS[1], 'frames', ARGV[2], ARGV[3]), user}
"
));

/// Takes a connection out that left by a request of this time, unless a later move brought it back; one that is still
/// to be entered by a request that is no later will not be.
static LEAVE: Script = Script::new(
    "
local connections, moved = KEYS[1], KEYS[2]
local member, other, at, move, remembered = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local latest, left_at = string.match(redis.call('GET', moved) or '0 -1', '^(%S+) (%S+)$')
if tonumber(latest) > move then return false end
redis.call('ZREM', connections, member, other)
redis.call('SET', moved, string.format('%.0f %.0f', move, math.max(at, tonumber(left_at))), 'EX', remembered)
return false
",
);

/// Notes that a connection is not entered any more for a user it has left.
static LEFT: Script = Script::new(
    "
if redis.call('HGET', KEYS[1], 'left') == ARGV[1] then redis.call('HDEL', KEYS[1], 'left') end
return false
",
);

/// The connections of a user that are open, by the store's clock.
static OPEN: Script =
    Script::new(concat!(of_time!(), "return redis.call('ZRANGEBYSCORE', KEYS[1], now(), '+inf')"));

/// Reads what is known of a connection that has closed, and notes that it has, so that a frame of it which is still to be
/// handled begins no call. What frees comes first, so that a full store lets the note pass.
static DEPART: Script = Script::new(
    "
redis.call('HDEL', KEYS[1], '')
local fields = redis.call('HGETALL', KEYS[1])
redis.call('HSET', KEYS[1], 'gone', 1)
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return fields
",
);

/// Deletes what is known of a connection, but for the note that it has closed, and returns its fields.
static FORGET: Script = Script::new(
    "
local fields, is_gone = redis.call('HKEYS', KEYS[1]), redis.call('HEXISTS', KEYS[1], 'gone')
redis.call('DEL', KEYS[1])
if is_gone == 1 then
  redis.call('HSET', KEYS[1], 'gone', 1)
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return fields
",
);

impl Store {
    /// Makes a connection speak for a user by a request that reached the platform at this time, in milliseconds since
    /// 1970: one round trip, one more to leave another user. Of registers that cross, the later request counts. It needs
    /// a token of the user's and one of the connection's; where only the former is missing, the connection speaks for
    /// the user, and a repetition enters it.
    pub async fn register(
        &self,
        connection: &ConnectionId,
        user: &UserKey,
        recovers: bool,
        at_ms: i64,
    ) -> Result<Registration, Error> {
        let speak = SPEAK
            .call(&[keys::connection(connection)])
            .arg(user.as_str())
            .arg(at_ms)
            .arg(self.connection_seconds());
        let speak = limited(speak, self.limits.frames);
        let entering = self.enter_connection(connection, user, recovers, at_ms, None);
        let (spoke, entered) = join(self.redis.run(&speak), entering).await;
        let (wait, speaks, moves, left, notes): (u64, bool, u64, Option<String>, Vec<String>) = spoke?;
        if !speaks {
            // It speaks for another user, or for none: by a later request, which may have been too early to take this
            // entry out, or because it has no token for this one.
            self.redis.run::<()>(&leave(connection, user, at_ms, moves)).await?;
        }
        taken(wait)?;
        let mut entered = entered?;
        if !speaks {
            return Ok(entered.registration(Vec::new()));
        }
        let left = left.and_then(|left| UserKey::try_from(left).ok()).filter(|left| left != user);
        let leaving = async {
            let Some(left) = &left else { return Ok(()) };
            let leave = leave(connection, left, at_ms, moves);
            let noted = LEFT.call(&[keys::connection(connection)]).arg(left.as_str());
            try_join(self.redis.run::<()>(&leave), self.redis.run::<()>(&noted)).await.map(|_| ())
        };
        let entering = async {
            // Of moves that cross, some at the same time, only their number tells which was the last.
            if left.is_none() && !entered.refused {
                return Ok(None);
            }
            self.enter_connection(connection, user, recovers, at_ms, Some(moves)).await.map(Some)
        };
        let ((), again) = try_join(leaving, entering).await?;
        if let Some(again) = again {
            entered.oldest.extend(again.oldest);
            entered.calls = again.calls;
            entered.is_new |= again.is_new;
        }
        // Fields of the new user's calls are from before it left that user the last time.
        let left_calls =
            notes.iter().filter_map(|field| Pair::of_note(field)).filter(|(noted, _)| noted != user);
        Ok(entered.registration(left_calls.map(|(_, pair)| pair).collect()))
    }

    async fn enter_connection(
        &self,
        connection: &ConnectionId,
        user: &UserKey,
        recovers: bool,
        at_ms: i64,
        moves: Option<u64>,
    ) -> Result<Entered, Error> {
        let lifetime = self.connection_lifetime + LIFETIME_MARGIN;
        let [mut member, mut other] = members(connection);
        if recovers {
            std::mem::swap(&mut member, &mut other);
        }
        let enter = ENTER
            .call(&[
                keys::user_connections(user),
                keys::user_events(user),
                keys::moved(user, connection),
                keys::user_limits(user),
                keys::user_calls(user),
            ])
            .arg(&[member, other])
            .arg(at_ms)
            .arg(moves.map_or_else(String::new, |moves| moves.to_string()))
            .arg(millis(lifetime))
            .arg(self.connection_seconds())
            .arg(CONNECTIONS_PER_USER)
            .arg(MOVED_SECONDS);
        type Answer = (u64, String, bool, Vec<String>, Vec<String>, bool);
        let enter = self.for_register(enter).arg(HINTS_READ - 1);
        let (wait, event_id, refused, oldest, calls, is_new): Answer = self.redis.run(&enter).await?;
        taken(wait)?;
        let oldest = oldest.iter().map(|member| Connection::of_member(member).id).collect();
        Ok(Entered { event_id, refused, oldest, calls: read_hints(&calls), is_new })
    }

    /// The user that a connection speaks for, which must have a token for its frame: one round trip.
    pub async fn speaker(&self, connection: &ConnectionId) -> Result<Option<UserKey>, Error> {
        let call = SPEAKER.call(&[keys::connection(connection)]).arg(self.open);
        let (wait, user): (u64, Option<String>) = self.redis.run(&limited(call, self.limits.frames)).await?;
        taken(wait)?;
        Ok(user.and_then(|user| UserKey::try_from(user).ok()))
    }

    /// The user that a connection speaks for, whose frame is never refused: one round trip.
    pub async fn speaker_uncounted(&self, connection: &ConnectionId) -> Result<Option<UserKey>, Error> {
        let user: Option<String> = self.redis.run(&Cmd::hget(keys::connection(connection), "user")).await?;
        Ok(user.and_then(|user| UserKey::try_from(user).ok()))
    }

    /// A user's open connections but for `except`: one round trip.
    pub async fn connections(&self, user: &UserKey, except: &ConnectionId) -> Result<Vec<Connection>, Error> {
        let found: Vec<String> = self.redis.run(&OPEN.call(&[keys::user_connections(user)])).await?;
        let found = found.iter().map(|member| Connection::of_member(member));
        Ok(found.filter(|connection| connection.id != *except).collect())
    }

    /// Whether a connection is open for a user and recovers: one round trip.
    pub async fn recovers(&self, user: &UserKey, connection: &ConnectionId) -> Result<bool, Error> {
        let [_, member] = members(connection);
        let score = redis::cmd("ZSCORE").arg(keys::user_connections(user)).arg(member).take();
        self.redis.run::<Option<f64>>(&score).await.map(|expiry| expiry.is_some())
    }

    /// Notes that a connection has closed, and reads its user and calls: one round trip. A call of it that begins later
    /// finds the note, one that is noted already is among these.
    pub async fn departure(&self, connection: &ConnectionId) -> Result<Departure, Error> {
        let depart = DEPART.call(&[keys::connection(connection)]).arg(GONE_SECONDS);
        let fields: HashMap<String, String> = self.redis.run(&depart).await?;
        let calls = fields.keys().filter_map(|field| Some(Pair::of_note(field)?.1)).collect();
        let user = fields.get("user").and_then(|user| UserKey::try_from(user.clone()).ok());
        Ok(Departure { user, calls })
    }

    /// Forgets a connection that is gone, and its entry under this user; returns the calls that it took part in: one
    /// round trip.
    pub async fn forget(
        &self,
        user: Option<&UserKey>,
        connection: &ConnectionId,
    ) -> Result<Vec<Pair>, Error> {
        let forget = FORGET.call(&[keys::connection(connection)]).arg(GONE_SECONDS);
        let removing = async {
            let Some(user) = user else { return Ok(()) };
            self.redis.run::<()>(&remove(connection, user)).await
        };
        let (fields, ()) = try_join(self.redis.run::<Vec<String>>(&forget), removing).await?;
        Ok(fields.iter().filter_map(|field| Some(Pair::of_note(field)?.1)).collect())
    }

    /// How long what is kept of a connection may stay without it.
    pub(super) fn connection_seconds(&self) -> i64 {
        i64::try_from((self.connection_lifetime + LIFETIME_MARGIN).as_secs()).unwrap_or(i64::MAX)
    }
}

/// Both ways in which a connection may be entered: the plain one first.
fn members(connection: &ConnectionId) -> [String; 2] {
    [PLAIN, RECOVERS].map(|kind| format!("{kind}{}", connection.as_str()))
}

fn leave(connection: &ConnectionId, user: &UserKey, at_ms: i64, moves: u64) -> Call {
    LEAVE
        .call(&[keys::user_connections(user), keys::moved(user, connection)])
        .arg(members(connection).as_slice())
        .arg(at_ms)
        .arg(moves)
        .arg(MOVED_SECONDS)
}

fn remove(connection: &ConnectionId, user: &UserKey) -> Cmd {
    Cmd::zrem(keys::user_connections(user), &members(connection))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
