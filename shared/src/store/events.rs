//! Each user's event log and indexes, which change together, and which of the user's connections are to be told.

use futures_util::future::try_join_all;

use super::connections::Connection;
use super::log::{Kind, last_events};
use super::pages::Part;
use super::script::{Call, Script, of_ids, of_time, unlisting};
use super::{Store, keys};
use crate::access::Own;
use crate::clock;
use crate::error::Error;
use crate::ids::{MessageId, UserKey};
use crate::message::{ClientId, Stored};

/// Events that a log holds.
pub(super) const LOG_LENGTH: usize = 1000;

/// How long a delete that was told is remembered, in milliseconds: longer than any function may run.
pub(super) const GONE_MS: u64 = 600_000;

/// Bytes of randomness in an event's tag.
const TAG_BYTES: usize = 5;

/// A user who is to be told of a change.
#[derive(Debug)]
pub struct Feed {
    /// The user.
    pub user: UserKey,
    /// The change's place in the user's log.
    pub event_id: String,
    /// The user's open connections.
    pub connections: Vec<Connection>,
}

/// A place in a log: `<n>-<tag>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventId {
    number: u64,
    tag: String,
}

/// A change to a message, told by its present state.
#[derive(Debug)]
pub struct Event {
    /// Its place in the log.
    pub id: String,
    /// The message.
    pub message: MessageId,
    /// The change to tell of.
    pub change: Change,
}

/// The change that a client has to make.
#[derive(Debug)]
pub enum Change {
    /// It is new: the JSON as stored.
    Created(String),
    /// It is another: the JSON as stored.
    Updated(String),
    /// It is gone.
    Deleted,
}

/// Part of a log.
#[derive(Debug)]
pub struct Events {
    /// Each message once, as its last event.
    pub events: Vec<Event>,
    /// The position to go on from.
    pub position: String,
    /// Whether there are more.
    pub more: bool,
}

/// The answer to a client that follows a log.
#[derive(Debug)]
pub enum Follow {
    /// These events, and where to go on.
    Events(Events),
    /// The log does not hold the position; it is at this one now.
    Resync(String),
}

/// A message's part in one user's slot.
pub(super) struct Entry<'a> {
    pub(super) id: MessageId,
    pub(super) user: &'a UserKey,
    pub(super) peer: &'a UserKey,
    /// Whether the user sent it.
    pub(super) sent: bool,
}

impl EventId {
    /// Reads what clients get as `event_id`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, tag) = text.split_once('-')?;
        let digits = |text: &str, is_digit: fn(&u8) -> bool| {
            (1..=16).contains(&text.len()) && text.bytes().all(|byte| is_digit(&byte))
        };
        if !digits(number, u8::is_ascii_digit) || !digits(tag, u8::is_ascii_hexdigit) {
            return None;
        }
        Some(Self { number: number.parse().ok()?, tag: tag.to_owned() })
    }
}

/// The shared beginning of the scripts of a user's slot.
///
/// Each appends, then reads the connections: a connection that registers meanwhile either is read here or reads the
/// event itself. The very same call, repeated because its answer was lost, finds the event it added by its tag.
macro_rules! of_a_user {
    ($($script:tt)+) => {
        concat!(
            of_time!(),
            of_ids!(),
            "
local function added_by_this_call(events, tag)
  for _, entry in ipairs(redis.call('LRANGE', events, -8, -1)) do
    if string.match(entry, '^%d+%-(%x+) ') == tag then return string.match(entry, '^[^ ]+') end
  end
end
local function append(events, tag, change, id, length)
  local latest = redis.call('LINDEX', events, -1)
  local number = latest and tonumber(string.match(latest, '^%d+')) or 0
  local event = string.format('%.0f-%s', number + 1, tag)
  redis.call('RPUSH', events, event .. ' ' .. change .. ' ' .. id)
  redis.call('LTRIM', events, -length, -1)
  return event
end
local function keep(seconds, oldest, indexes, log)
  if seconds == '' then return end
  -- The newest stays, as its number is counted on from.
  while redis.call('LLEN', log) > 1 and below(string.match(redis.call('LINDEX', log, 0), '[^ ]+$'), oldest) do
    redis.call('LPOP', log)
  end
  for _, index in ipairs(indexes) do
    redis.call('ZREMRANGEBYLEX', index, '-', '(' .. oldest)
    redis.call('EXPIRE', index, seconds)
  end
  redis.call('EXPIRE', log, seconds)
end
local function tell(event, connections)
  local present = now()
  if not event then return {present, false, {}} end
  return {present, event, redis.call('ZRANGEBYSCORE', connections, present, '+inf')}
end
",
            $($script)+
        )
    };
}

/// Enters a new message, unless it is entered already or its delete was told here. What grows comes first, so that a
/// full store refuses all of it.
static CREATED: Script = Script::new(of_a_user!(
    "
local all, mine, other, conversations, gone, events, connections, claim = unpack(KEYS)
local id, peer, tag, length, seconds, oldest, completed = unpack(ARGV)
local event
if not redis.call('ZSCORE', gone, id) then
  if redis.call('ZADD', all, 0, id) == 1 then
    local before = latest(mine, other)
    redis.call('ZADD', mine, 0, id)
    if not before or below(before, id) then
      if before then redis.call('ZREM', conversations, before .. peer) end
      redis.call('ZADD', conversations, 0, id .. peer)
    end
    event = append(events, tag, 'c', id, length)
    keep(seconds, oldest, {all, mine, conversations}, events)
  else
    event = added_by_this_call(events, tag)
  end
end
if claim then redis.call('SET', claim, completed, 'XX', 'KEEPTTL') end
return tell(event, connections)
"
));

/// Logs an edit, unless the message's delete was told here.
static UPDATED: Script = Script::new(of_a_user!(
    "
local gone, events, connections = unpack(KEYS)
local id, tag, length, seconds, oldest = unpack(ARGV)
local event = added_by_this_call(events, tag)
if not event and not redis.call('ZSCORE', gone, id) then
  event = append(events, tag, 'u', id, length)
  keep(seconds, oldest, {}, events)
end
return tell(event, connections)
"
));

/// Takes a message out that is to be deleted, and logs that, unless that is logged here. An event of the same delete is
/// told again: the delete that logged it may have died before it told anybody. It begins with what frees memory, so that
/// a full store lets all of it pass.
static DELETED: Script = Script::new(of_a_user!(
    "
local all, mine, other, conversations, gone, events, connections = unpack(KEYS)
local id, peer, tag, length, seconds, oldest, gone_ms = unpack(ARGV)
",
    unlisting!(),
    "
local change, event = ' d ' .. id, nil
for _, entry in ipairs(redis.call('LRANGE', events, -8, -1)) do
  if string.sub(entry, -#change) == change then event = string.match(entry, '^[^ ]+') end
end
if not event and not redis.call('ZSCORE', gone, id) then
  local present = now()
  redis.call('ZREMRANGEBYSCORE', gone, '-inf', present - tonumber(gone_ms))
  redis.call('ZADD', gone, present, id)
  redis.call('PEXPIRE', gone, gone_ms)
  event = append(events, tag, 'd', id, length)
  keep(seconds, oldest, {}, events)
end
return tell(event, connections)
"
));

/// Reads a log from a position on, which it must hold: `since` lies at the offset between its number and the first
/// one's, and its tag must agree.
static FOLLOW: Script = Script::new(
    "
local events = KEYS[1]
local number, tag = ARGV[1], ARGV[2]
local last, first = redis.call('LINDEX', events, -1), redis.call('LINDEX', events, 0)
local position = last and string.match(last, '^[^ ]+') or '0-0'
if not number then return {position, 1, {}} end
local offset = tonumber(number) - (first and tonumber(string.match(first, '^%d+')) or 1)
local entry = offset >= 0 and redis.call('LINDEX', events, string.format('%.0f', offset))
local held = number == '0' and tag == '0' and offset == -1
  or entry and string.match(entry, '^[^ ]+') == number .. '-' .. tag
if not held then return {position, 0, {}} end
return {position, 1, redis.call('LRANGE', events, string.format('%.0f', offset + 1), -1)}
",
);

impl Store {
    /// Enters a new message for its users: one round trip. Returns those for whom it is news.
    pub(super) async fn enter(
        &self,
        entries: &[Entry<'_>],
        claim: Option<(&ClientId, &str)>,
    ) -> Result<Vec<Feed>, Error> {
        self.each(entries, |entry, tag| {
            let mut keys = index_keys(entry);
            let claim = claim.filter(|_| entry.sent);
            keys.extend(claim.map(|(client_id, _)| keys::claim(entry.user, client_id)));
            let call = CREATED.call(&keys).arg(entry.id.short()).arg(entry.peer.as_str()).arg(tag);
            self.retained(call.arg(LOG_LENGTH)).arg(claim.map_or("", |(_, value)| value))
        })
        .await
    }

    /// Logs an edit for its users: one round trip.
    pub(super) async fn log_edit(&self, entries: &[Entry<'_>]) -> Result<Vec<Feed>, Error> {
        self.each(entries, |entry, tag| {
            let keys =
                [keys::user_gone, keys::user_events, keys::user_connections].map(|key| key(entry.user));
            self.retained(UPDATED.call(&keys).arg(entry.id.short()).arg(tag).arg(LOG_LENGTH))
        })
        .await
    }

    /// Takes a deleted message out for its users: one round trip.
    pub(super) async fn leave_out(&self, entries: &[Entry<'_>]) -> Result<Vec<Feed>, Error> {
        self.each(entries, |entry, tag| {
            let call =
                DELETED.call(&index_keys(entry)).arg(entry.id.short()).arg(entry.peer.as_str()).arg(tag);
            self.retained(call.arg(LOG_LENGTH)).arg(GONE_MS)
        })
        .await
    }

    /// Reads the changes for a user since a position: two round trips, one where nothing did. Without a position, only the
    /// present one.
    pub async fn follow(&self, permit: &Own, since: Option<&EventId>, limit: usize) -> Result<Follow, Error> {
        let mut call = FOLLOW.call(&[keys::user_events(permit.user())]);
        if let Some(since) = since {
            call = call.arg(since.number).arg(&since.tag);
        }
        let (position, held, entries): (String, bool, Vec<String>) = self.redis.run(&call).await?;
        if !held {
            return Ok(Follow::Resync(position));
        }
        let last_events = last_events(&entries)?;
        let ids: Vec<_> = last_events.iter().take(limit).map(|(_, _, id)| *id).collect();
        let Part { read, .. } = self.read(&ids).await?;
        let more = read.len() < last_events.len();
        let events: Vec<_> = last_events
            .into_iter()
            .zip(read)
            .map(|((event, kind, id), stored)| present_state(event, kind, id, stored))
            .collect::<Result<_, _>>()?;
        let position = match events.last() {
            Some(event) if more => event.id.clone(),
            _ => position,
        };
        Ok(Follow::Events(Events { events, position, more }))
    }

    /// Runs a script in each user's slot, all at once. Each tells the time, an event if it is news, and connections.
    async fn each(
        &self,
        entries: &[Entry<'_>],
        script: impl Fn(&Entry<'_>, &str) -> Call,
    ) -> Result<Vec<Feed>, Error> {
        let mut calls = Vec::with_capacity(entries.len());
        for entry in entries {
            // Random, so that an entry lost in a failover is not mistaken for the one that took its number.
            calls.push(script(entry, &tag()?));
        }
        let sent = clock::system_ms();
        let told = try_join_all(calls.iter().map(|call| self.redis.run(call))).await?;
        let received = clock::system_ms();
        let mut feeds = Vec::new();
        for (entry, told) in entries.iter().zip(told) {
            let (store_ms, event_id, connections): (i64, Option<String>, Vec<String>) = told;
            self.clock.compare(sent, store_ms, received);
            let connections = connections.iter().map(|member| Connection::of_member(member)).collect();
            feeds.extend(event_id.map(|event_id| Feed { user: entry.user.clone(), event_id, connections }));
        }
        Ok(feeds)
    }
}

fn index_keys(entry: &Entry<'_>) -> Vec<String> {
    let Entry { user, peer, .. } = entry;
    let (to, from) = (keys::sent_to(user, peer), keys::received_from(user, peer));
    let (mine, other) = if entry.sent { (to, from) } else { (from, to) };
    vec![
        keys::user_messages(user),
        mine,
        other,
        keys::user_conversations(user),
        keys::user_gone(user),
        keys::user_events(user),
        keys::user_connections(user),
    ]
}

fn present_state(event: &str, kind: Kind, id: MessageId, stored: Option<String>) -> Result<Event, Error> {
    let json = stored.filter(|json| !Stored::is_tombstone(json));
    let change = match (json, kind) {
        // One that is logged as deleted is about to be, if it is still there.
        (_, Kind::Deleted) | (None, _) => Change::Deleted,
        (Some(json), Kind::Created) => Change::Created(json),
        (Some(json), _) => Change::Updated(json),
    };
    Ok(Event { id: event.to_owned(), message: id, change })
}

fn tag() -> Result<String, Error> {
    let mut random = [0; TAG_BYTES];
    getrandom::fill(&mut random).map_err(|error| Error::Internal(error.into()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
