//! Lua scripts: sent whole once over each connection, and by their hash from then on.

use std::sync::OnceLock;

use redis::{Arg, Cmd, ToRedisArgs};

/// The beginning of scripts that compare ids. Lua's own `<` goes by the locale of the server, in whose English `a` comes
/// before `B`.
macro_rules! of_ids {
    () => {
        "
local function below(one, other)
  if one == other then return false end
  for place = 1, math.min(#one, #other) do
    local first, second = string.byte(one, place), string.byte(other, place)
    if first ~= second then return first < second end
  end
  return #one < #other
end
local function latest(one, other)
  local function last(index) return redis.call('ZRANGE', index, '+', '-', 'BYLEX', 'REV', 'LIMIT', 0, 1)[1] end
  local first, second = last(one), last(other)
  if first and second then return below(second, first) and first or second end
  return first or second
end
"
    };
}
pub(super) use of_ids;

/// The part of scripts, after [`of_ids`], that takes the message `id` out of a user's indexes. It begins with what frees
/// memory.
macro_rules! unlisting {
    () => {
        "
redis.call('ZREM', all, id)
redis.call('ZREM', mine, id)
if redis.call('ZREM', conversations, id .. peer) == 1 then
  local head = latest(mine, other)
  if head then redis.call('ZADD', conversations, 0, head .. peer) end
end
"
    };
}
pub(super) use unlisting;

/// The beginning of scripts that tell the time, by the store's clock: `microseconds` and, in milliseconds, `now`, since
/// 1970.
macro_rules! of_time {
    () => {
        "
local function microseconds()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local function now() return math.floor(microseconds() / 1000) end
"
    };
}
pub(super) use of_time;

/// A script that the server runs as one step.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    hash: OnceLock<String>,
}

/// A call of a script; its keys must share a slot.
#[derive(Debug)]
pub(super) struct Call {
    script: &'static Script,
    by_hash: Cmd,
}

impl Script {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, hash: OnceLock::new() }
    }

    pub(super) fn call(&'static self, keys: &[impl ToRedisArgs]) -> Call {
        let mut by_hash = redis::cmd("EVALSHA");
        by_hash.arg(self.hash()).arg(keys.len()).arg(keys);
        Call { script: self, by_hash }
    }

    fn hash(&self) -> &str {
        self.hash.get_or_init(|| redis::Script::new(self.text).get_hash().to_owned())
    }
}

impl Call {
    pub(super) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.by_hash.arg(argument);
        self
    }

    /// The text of the script.
    pub(super) fn script(&self) -> &'static str {
        self.script.text
    }

    /// The call of a script that the server has.
    pub(super) fn by_hash(&self) -> &Cmd {
        &self.by_hash
    }

    /// The call with the script itself, which the server keeps.
    pub(super) fn whole(&self) -> Cmd {
        let mut whole = redis::cmd("EVAL");
        whole.arg(self.script.text);
        for argument in self.by_hash.args_iter().skip(2) {
            if let Arg::Simple(argument) = argument {
                whole.arg(argument);
            }
        }
        whole
    }
}
