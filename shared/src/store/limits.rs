//! Limits per user and per connection: token buckets, kept and filled by the store's clock.
//!
//! A bucket is one number, the time at which it will be full again
//! ([GCRA](https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm)).

use super::script::{Call, Script};
use super::{Store, keys};
use crate::config::Limit;
use crate::error::Error;
use crate::ids::UserKey;

/// The beginning of scripts that take a token. `take` returns 0, or how long to wait for a token, in microseconds; an
/// interval of 0 means that there is no limit. No bucket is more than empty, which one would seem to be whose time was
/// told by a primary with a clock ahead of its successor's.
macro_rules! of_buckets {
    ($script:literal) => {
        concat!(
            $crate::store::script::of_time!(),
            "
local function take(key, bucket, interval, burst)
  interval, burst = tonumber(interval), tonumber(burst)
  if interval == 0 then return 0 end
  local now = microseconds()
  local full = tonumber(redis.call('HGET', key, bucket) or 0)
  full = math.min(math.max(full, now), now + burst * interval) + interval
  local wait = full - burst * interval - now
  if wait > 0 then return wait end
  redis.call('HSET', key, bucket, string.format('%.0f', full))
  local needed = math.ceil((full - now) / 1000)
  if redis.call('PTTL', key) < needed then redis.call('PEXPIRE', key, needed) end
  return 0
end
",
            $script
        )
    };
}
pub(super) use of_buckets;

/// The names of buckets in a user's hash, and of the one in a connection's.
const MESSAGES: &str = "messages";
const REGISTERS: &str = "registers";

/// Takes a token, also while the store is full: it begins with what frees memory.
static TAKE: Script = Script::new(of_buckets!(
    "
redis.call('HDEL', KEYS[1], '')
return take(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
"
));

impl Store {
    /// Takes a token for an edit or a delete: one round trip, none without a limit.
    pub(super) async fn take_change(&self, user: Option<&UserKey>) -> Result<(), Error> {
        self.take(user, MESSAGES, self.limits.messages).await
    }

    /// Takes a token for a ticket: one round trip, none without a limit.
    pub(super) async fn take_ticket(&self, user: &UserKey) -> Result<(), Error> {
        self.take(Some(user), REGISTERS, self.limits.registers).await
    }

    async fn take(
        &self,
        user: Option<&UserKey>,
        bucket: &'static str,
        limit: Option<Limit>,
    ) -> Result<(), Error> {
        let (Some(user), Some(_)) = (user, limit) else { return Ok(()) };
        let call = TAKE.call(&[keys::user_limits(user)]).arg(bucket);
        taken(self.redis.run(&limited(call, limit)).await?)
    }

    /// Adds the bucket for sends, its interval and its burst.
    pub(super) fn for_message(&self, call: Call) -> Call {
        limited(call.arg(MESSAGES), self.limits.messages)
    }

    /// Adds the bucket for registers, its interval and its burst.
    pub(super) fn for_register(&self, call: Call) -> Call {
        limited(call.arg(REGISTERS), self.limits.registers)
    }
}

/// Adds a bucket's interval, in microseconds, and its burst; zeros where there is no limit.
pub(super) fn limited(call: Call, limit: Option<Limit>) -> Call {
    let (interval, burst) = limit.map_or((0, 0), |limit| (limit.interval.as_micros(), limit.burst));
    call.arg(u64::try_from(interval).unwrap_or(u64::MAX)).arg(burst)
}

/// Whether a token was taken, from what a script says: 0, or how long to wait for one, in microseconds.
pub(super) fn taken(wait: u64) -> Result<(), Error> {
    if wait == 0 { Ok(()) } else { Err(Error::RateLimited { seconds: wait.div_ceil(1_000_000) }) }
}
