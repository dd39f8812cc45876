//! What the server keeps of calls: enough to deliver candidates after their description.
//!
//! API Gateway hands each frame to an invocation of its own, so a candidate can overtake the offer or answer
//! it belongs to, and clients lose one that comes first. It is held until its connection's description has
//! been delivered.

use futures_util::future::try_join;
use redis::Cmd;

use super::script::{Call, Script};
use super::{Connection, Store, keys};
use crate::error::Error;
use crate::ids::{ConnectionId, UserKey};

/// How long a call's record stays after the last description, in seconds.
const CALL_SECONDS: u64 = 24 * 3600;

/// A description that is not delivered within this, in milliseconds, never will be: its function died.
const DELIVERY_MS: u64 = 3_000;

/// How long an early candidate is held, in milliseconds, how many of a connection, and of what size in all.
const HELD_MS: u64 = 10_000;
const HELD_FRAMES: usize = 64;
const HELD_BYTES: usize = 262_144;

/// An offer or an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Description {
    /// Opens a call, or renegotiates one that is active.
    Offer,
    /// Makes it active.
    Answer,
}

/// What is to happen with a candidate.
#[derive(Debug, Eq, PartialEq)]
pub enum Candidates {
    /// These frames are to be delivered now, in this order.
    Deliver(Vec<String>),
    /// It is held until its description has been delivered.
    Held,
}

/// Notes that a description is on its way. An offer from a connection outside an active call opens a new one.
static DESCRIBE: Script = Script::new(
    "
local call = KEYS[1]
local opens, me, delivery_ms, seconds = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local delivered_by = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + delivery_ms
local renegotiates = redis.call('HGET', call, 'state') == 'active'
  and redis.call('HEXISTS', call, 'described:' .. me) == 1
if opens == '1' and not renegotiates then
  redis.call('DEL', call)
  redis.call('HSET', call, 'state', 'ringing')
elseif opens == '0' then
  redis.call('HSET', call, 'state', 'active')
end
redis.call('HSET', call, 'described:' .. me, delivered_by)
redis.call('EXPIRE', call, seconds)
return false
",
);

/// Notes that it was delivered, and hands over what was held for it.
static DESCRIBED: Script = Script::new(
    "
local call, held = KEYS[1], KEYS[2]
if redis.call('HEXISTS', call, 'described:' .. ARGV[1]) == 1 then
  redis.call('HSET', call, 'described:' .. ARGV[1], 0)
end
local frames = redis.call('LRANGE', held, 0, -1)
redis.call('DEL', held)
return frames
",
);

static CANDIDATE: Script = Script::new(
    "
local call, held = KEYS[1], KEYS[2]
local me, frame = ARGV[1], ARGV[2]
local held_ms, most_frames, most_bytes = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local described = redis.call('HGET', call, 'described:' .. me)
local waiting = redis.call('LRANGE', held, 0, -1)
if described and tonumber(described) <= now then
  redis.call('DEL', held)
  waiting[#waiting + 1] = frame
  return waiting
end
local bytes = #frame
for _, one in ipairs(waiting) do bytes = bytes + #one end
if #waiting < most_frames and bytes <= most_bytes then
  redis.call('RPUSH', held, frame)
  redis.call('PEXPIRE', held, held_ms)
end
return false
",
);

impl Store {
    /// Notes that `me` is about to describe itself, and finds the target's connections: one round trip. From
    /// now on candidates of `me` are held, until [`Store::described`].
    pub async fn describe(
        &self,
        description: Description,
        me: &ConnectionId,
        user: &UserKey,
        target: &UserKey,
    ) -> Result<Vec<Connection>, Error> {
        let describe = DESCRIBE
            .call(&[keys::call(user, target)])
            .arg(description == Description::Offer)
            .arg(me.as_str())
            .arg(DELIVERY_MS)
            .arg(CALL_SECONDS);
        let ((), connections) = try_join(self.redis.run(&describe), self.connections(target, me)).await?;
        Ok(connections)
    }

    /// Notes that the description was delivered: one round trip. Returns the candidates held for it.
    pub async fn described(
        &self,
        me: &ConnectionId,
        user: &UserKey,
        target: &UserKey,
    ) -> Result<Vec<String>, Error> {
        self.redis.run(&self.with_held(&DESCRIBED, me, user, target).arg(me.as_str())).await
    }

    /// Holds a candidate, or lets it pass, and finds the target's connections: one round trip.
    pub async fn candidate(
        &self,
        frame: &str,
        me: &ConnectionId,
        user: &UserKey,
        target: &UserKey,
    ) -> Result<(Candidates, Vec<Connection>), Error> {
        let candidate = self
            .with_held(&CANDIDATE, me, user, target)
            .arg(&[me.as_str(), frame])
            .arg(HELD_MS)
            .arg(HELD_FRAMES)
            .arg(HELD_BYTES);
        let (frames, connections) =
            try_join(self.redis.run::<Option<Vec<String>>>(&candidate), self.connections(target, me)).await?;
        let candidates = frames.map_or(Candidates::Held, Candidates::Deliver);
        Ok((candidates, connections))
    }

    /// Ends the call between two users and reads the target's connections: one round trip.
    pub async fn end_call(
        &self,
        me: &ConnectionId,
        user: &UserKey,
        target: &UserKey,
    ) -> Result<Vec<Connection>, Error> {
        let end = Cmd::del(keys::call(user, target));
        let ((), connections) = try_join(self.redis.run(&end), self.connections(target, me)).await?;
        Ok(connections)
    }

    fn with_held(
        &self,
        script: &'static Script,
        me: &ConnectionId,
        user: &UserKey,
        target: &UserKey,
    ) -> Call {
        script.call(&[keys::call(user, target), keys::held_candidates(user, target, me)])
    }
}
