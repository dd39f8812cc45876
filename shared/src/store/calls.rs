//! Calls in the store: the line between two users, which is compared and swapped, and the frames held for it.
//!
//! No rule of calls stands here, see [`crate::call`]. A script may put frames into a list, or hand over what is in it, in
//! the same step as it compares.

use std::time::Instant;

use futures_util::future::try_join_all;

use super::connections::Connection;
use super::held::{Handed, Held, List, read_held};
use super::hints::{HINTS_READ, Hint, read_hints};
use super::pair::Pair;
use super::script::{Script, of_time};
use super::{Store, keys};
use crate::access::Own;
use crate::call::{Line, Summary};
use crate::error::Error;
use crate::ids::{CallId, ConnectionId, UserKey};
use crate::uri::encode;

/// How long an early candidate is held, what waits for a side that is away, and an offer that rings, in milliseconds.
const EARLY_MS: u64 = 10_000;
const WAITING_MS: u64 = crate::call::AWAY_MS + 10_000;
const RING_MS: u64 = crate::call::HELD_MS;

/// How many frames a list holds, and of what size in all.
const HELD_FRAMES: usize = 64;
const HELD_BYTES: usize = 262_144;

/// How long a hint of a call stays after it began to ring, in seconds, and how many a user has.
const HINT_SECONDS: u64 = 24 * 3600;
const MOST_HINTS: usize = 100;

/// How many of a user's live calls are shown.
const MOST_SHOWN: usize = 20;

/// A line as it was read, and the store's clock then.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The two users' calls.
    pub line: Line,
    /// The offer that rings and its candidates, where they were asked for.
    pub ring: Vec<Held>,
    stored: String,
    now_ms: u64,
    read_at: Instant,
}

/// Moves of frames that a swap makes in the same step.
#[derive(Debug, Default)]
pub struct Moves<'a> {
    /// Holds this offer as the one that rings.
    pub ring: Option<&'a Held>,
    /// Hands over what rings, from this frame on.
    pub ring_from: Option<usize>,
    /// Hands over the early candidates of a connection; they are held with the offer, if one rings.
    pub early_of: Option<&'a ConnectionId>,
    /// Holds a frame for a user that is away.
    pub wait: Option<(&'a UserKey, &'a Held)>,
    /// Hands over what was held for a user that was away.
    pub waiting_for: Option<&'a UserKey>,
    /// Whether a full store refuses it, as it does what begins a call.
    pub grows: bool,
}

/// How a swap went.
#[derive(Debug)]
pub enum Swap {
    /// The line is what it was to be.
    Done(Opened, Handed),
    /// It had changed, to this.
    Lost(Opened),
}

/// The beginning of scripts on a line. A list holds at most so many frames and bytes, and takes no more.
macro_rules! of_lines {
    ($script:literal) => {
        concat!(
            of_time!(),
            "
local function hold(list, frame, most_frames, most_bytes)
  local bytes = #frame
  for _, one in ipairs(redis.call('LRANGE', list, 0, -1)) do bytes = bytes + #one end
  if bytes > tonumber(most_bytes) or redis.call('LLEN', list) >= tonumber(most_frames) then return false end
  redis.call('RPUSH', list, frame)
  return true
end
",
            $script
        )
    };
}

static OPEN: Script = Script::new(of_lines!(
    "
local ring = {}
if ARGV[1] == '1' then ring = redis.call('LRANGE', KEYS[2], 0, -1) end
return {now(), redis.call('GET', KEYS[1]) or '', ring}
"
));

/// Swaps a line for another if it still is what was read, and moves frames. What grows comes first, or else what frees,
/// so that a full store refuses the former and lets the latter pass.
static SWAP: Script = Script::new(of_lines!(
    "
local line, ring, early, wait, waiting = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local expected, new, lifetime, grows = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local rings, ring_ms, ring_from, live = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local take_early, waits, wait_ms, take_waiting = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local most_frames, most_bytes = ARGV[13], ARGV[14]
local stored = redis.call('GET', line) or ''
if stored ~= expected then return {0, now(), stored, {}, {}, {}} end
if grows == '0' then redis.call('LREM', ring, 1, '') end
if new == '' then
  redis.call('DEL', line)
elseif new ~= expected then
  redis.call('SET', line, new, 'PX', lifetime)
end
if rings ~= '' then
  redis.call('DEL', ring)
  redis.call('RPUSH', ring, rings)
  redis.call('PEXPIRE', ring, ring_ms)
elseif live == '0' then
  redis.call('DEL', ring)
end
local rung, earlier, waited = {}, {}, {}
if ring_from ~= '' then rung = redis.call('LRANGE', ring, ring_from, -1) end
if take_early == '1' then
  earlier = redis.call('LRANGE', early, 0, -1)
  if redis.call('EXISTS', ring) == 1 and rings == '' then
    for _, frame in ipairs(earlier) do hold(ring, frame, most_frames, most_bytes) end
  end
end
if waits ~= '' and hold(wait, waits, most_frames, most_bytes) then redis.call('PEXPIRE', wait, wait_ms) end
if take_waiting == '1' then
  waited = redis.call('LRANGE', waiting, 0, -1)
  redis.call('DEL', waiting)
end
return {1, now(), '', rung, earlier, waited}
"
));

/// Holds a frame if the line still is what was read.
static HOLD: Script = Script::new(of_lines!(
    "
local line, list = KEYS[1], KEYS[2]
local expected, frame, held_ms, only_with_others = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local stored = redis.call('GET', line) or ''
if stored ~= expected then return {0, now(), stored} end
if only_with_others == '1' then
  if redis.call('EXISTS', list) == 1 then hold(list, frame, ARGV[5], ARGV[6]) end
elseif hold(list, frame, ARGV[5], ARGV[6]) then
  redis.call('PEXPIRE', list, held_ms)
end
return {1, now(), ''}
"
));

/// Notes a call of a user, or that one is over, and reads the user's connections after that: a connection that registers
/// later finds the hint.
static HINT: Script = Script::new(concat!(
    of_time!(),
    "
local calls, connections = KEYS[1], KEYS[2]
if ARGV[1] ~= '' then redis.call('ZREM', calls, ARGV[1]) end
if ARGV[2] ~= '' then
  redis.call('ZADD', calls, now(), ARGV[2])
  redis.call('ZREMRANGEBYRANK', calls, 0, -(tonumber(ARGV[4]) + 1))
  redis.call('EXPIRE', calls, ARGV[3])
end
return redis.call('ZRANGEBYSCORE', connections, now(), '+inf')
"
));

/// Notes at a connection that it takes part in a call, so that its end is found with it. One that has closed, or is not
/// known any more, is not brought back.
static NOTE: Script = Script::new(
    "
if redis.call('HEXISTS', KEYS[1], 'gone') == 1 then return 0 end
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], 1)
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
",
);

impl Opened {
    fn new(now_ms: u64, stored: String, ring: Vec<String>) -> Result<Self, Error> {
        let line = if stored.is_empty() {
            Line::default()
        } else {
            serde_json::from_str(&stored).map_err(|error| Error::Internal(error.into()))?
        };
        Ok(Self { line, ring: read_held(&ring), stored, now_ms, read_at: Instant::now() })
    }

    /// The call that lives now, as one of its users reads it.
    pub fn live_call(&self, reader: &UserKey) -> Option<Summary> {
        let line = self.present();
        line.live()?;
        line.summary(reader, self.now())
    }

    /// The line as it is now.
    pub fn present(&self) -> Line {
        self.line.at(self.now())
    }

    /// The store's clock now, in milliseconds since 1970.
    pub fn now(&self) -> u64 {
        self.now_ms + u64::try_from(self.read_at.elapsed().as_millis()).unwrap_or_default()
    }
}

impl Store {
    /// Reads what is known of two users' calls: one round trip.
    pub async fn open_line(&self, pair: &Pair, with_ring: bool) -> Result<Opened, Error> {
        let open = OPEN.call(&[keys::line(pair.users()), keys::ring(pair.users())]).arg(with_ring);
        let (now, stored, ring) = self.redis.run(&open).await?;
        Opened::new(now, stored, ring)
    }

    /// Reads what is known of several pairs: one round trip.
    pub async fn open_lines(&self, pairs: &[Pair], with_ring: bool) -> Result<Vec<Opened>, Error> {
        try_join_all(pairs.iter().map(|pair| self.open_line(pair, with_ring))).await
    }

    /// Reads what is known of the calls that hints tell of: one round trip, two where a hint was there before its call.
    pub async fn open_hinted(
        &self,
        user: &UserKey,
        hints: &[Hint],
        with_ring: bool,
    ) -> Result<Vec<(Pair, Opened)>, Error> {
        let mut pairs: Vec<Pair> = Vec::new();
        for hint in hints {
            let pair = Pair::of(user, &hint.peer);
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        let mut opened = self.open_lines(&pairs, with_ring).await?;
        let behind: Vec<_> = (0..pairs.len())
            .filter(|&place| {
                let of_pair = hints.iter().filter(|hint| Pair::of(user, &hint.peer) == pairs[place]);
                of_pair.clone().any(|hint| !opened[place].line.knows(&hint.id))
            })
            .collect();
        let again: Vec<_> = behind.iter().map(|&place| pairs[place].clone()).collect();
        for (place, line) in behind.into_iter().zip(self.open_lines(&again, with_ring).await?) {
            opened[place] = line;
        }
        Ok(pairs.into_iter().zip(opened).collect())
    }

    /// Puts a line in the place of what was read, if that is still so: one round trip.
    pub async fn swap_line(
        &self,
        pair: &Pair,
        was: &Opened,
        line: Line,
        moves: Moves<'_>,
    ) -> Result<Swap, Error> {
        let new = if line == was.line && !was.stored.is_empty() {
            was.stored.clone()
        } else if line == Line::default() {
            String::new()
        } else {
            serde_json::to_string(&line).map_err(|error| Error::Internal(error.into()))?
        };
        let users = pair.users();
        let unused = keys::ring(users);
        let (wait, waiting) = (moves.wait.map(|(user, _)| user), moves.waiting_for);
        let waiting_key =
            |user: Option<&UserKey>| user.map_or(unused.clone(), |user| keys::waiting(users, user));
        let entry = |held: Option<&Held>| held.map(Held::to_entry).unwrap_or_default();
        let swap = SWAP
            .call(&[
                keys::line(users),
                keys::ring(users),
                moves.early_of.map_or(unused.clone(), |connection| keys::early(users, connection)),
                waiting_key(wait),
                waiting_key(waiting),
            ])
            .arg(&was.stored)
            .arg(&new)
            .arg(line.lifetime_ms())
            .arg(moves.grows)
            .arg(entry(moves.ring))
            .arg(RING_MS)
            .arg(moves.ring_from.map_or_else(String::new, |from| from.to_string()))
            .arg(line.rings())
            .arg(moves.early_of.is_some())
            .arg(entry(moves.wait.map(|(_, held)| held)))
            .arg(WAITING_MS)
            .arg(waiting.is_some())
            .arg(HELD_FRAMES)
            .arg(HELD_BYTES);
        type Answer = (bool, u64, String, Vec<String>, Vec<String>, Vec<String>);
        let (done, now, stored, ring, early, waiting): Answer = self.redis.run(&swap).await?;
        // A repeated command finds its own work.
        if !done && stored != new {
            return Ok(Swap::Lost(Opened::new(now, stored, Vec::new())?));
        }
        let handed =
            Handed { ring: read_held(&ring), early: read_held(&early), waiting: read_held(&waiting) };
        let opened = Opened { line, ring: Vec::new(), stored: new, now_ms: now, read_at: Instant::now() };
        Ok(Swap::Done(opened, handed))
    }

    /// Holds a frame, if the line is still what was read: one round trip. Returns what it is now if it is not.
    pub async fn hold(
        &self,
        pair: &Pair,
        was: &Opened,
        list: List<'_>,
        held: &Held,
    ) -> Result<Option<Opened>, Error> {
        let users = pair.users();
        let (key, held_ms, only_with_others) = match list {
            List::Early(connection) => (keys::early(users, connection), EARLY_MS, false),
            List::Ring => (keys::ring(users), RING_MS, true),
            List::Waiting(user) => (keys::waiting(users, user), WAITING_MS, false),
        };
        let hold = HOLD
            .call(&[keys::line(users), key])
            .arg(&was.stored)
            .arg(held.to_entry())
            .arg(held_ms)
            .arg(only_with_others)
            .arg(HELD_FRAMES)
            .arg(HELD_BYTES);
        let (done, now, stored): (bool, u64, String) = self.redis.run(&hold).await?;
        if done { Ok(None) } else { Opened::new(now, stored, Vec::new()).map(Some) }
    }

    /// Notes the call that lives now and that one is over, for one of its two users, and reads that user's open
    /// connections: one round trip.
    pub async fn hint_call(
        &self,
        pair: &Pair,
        user: &UserKey,
        over: Option<&CallId>,
        live: Option<&CallId>,
    ) -> Result<Vec<Connection>, Error> {
        let peer = pair.peer_of(user);
        let member = |id: Option<&CallId>| {
            id.map_or_else(String::new, |id| format!("{} {}", encode(id.as_str()), encode(peer.as_str())))
        };
        let hint = HINT
            .call(&[keys::user_calls(user), keys::user_connections(user)])
            .arg(member(over))
            .arg(member(live))
            .arg(HINT_SECONDS)
            .arg(MOST_HINTS);
        let found: Vec<String> = self.redis.run(&hint).await?;
        Ok(found.iter().map(|member| Connection::of_member(member)).collect())
    }

    /// The live calls of a user, the newest first: two round trips, one without any.
    pub async fn live_calls(&self, permit: &Own) -> Result<Vec<Summary>, Error> {
        let user = permit.user();
        let mut range = redis::cmd("ZREVRANGE");
        range.arg(keys::user_calls(user)).arg(0).arg(HINTS_READ - 1);
        let hints: Vec<String> = self.redis.run(&range).await?;
        let opened = self.open_hinted(user, &read_hints(&hints), false).await?;
        Ok(newest_calls(opened.iter().filter_map(|(_, opened)| opened.live_call(user)).collect()))
    }

    /// The present or last call between a user and another: one round trip.
    pub async fn call_with(&self, permit: &Own, peer: &UserKey) -> Result<Option<Summary>, Error> {
        let opened = self.open_line(&Pair::of(permit.user(), peer), false).await?;
        Ok(opened.present().summary(permit.user(), opened.now()))
    }

    /// Notes that a connection takes part in a call for this user: one round trip. False if it has closed, or was `known`
    /// and is not any more.
    pub async fn note_call(
        &self,
        connection: &ConnectionId,
        user: &UserKey,
        pair: &Pair,
        known: bool,
    ) -> Result<bool, Error> {
        let note = NOTE
            .call(&[keys::connection(connection)])
            .arg(pair.note(user))
            .arg(known)
            .arg(self.connection_seconds());
        self.redis.run(&note).await
    }
}

/// The newest calls, as many as a user is shown.
pub fn newest_calls(mut calls: Vec<Summary>) -> Vec<Summary> {
    calls.sort_by_key(|call| std::cmp::Reverse(call.started_at));
    calls.truncate(MOST_SHOWN);
    calls
}
