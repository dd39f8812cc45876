//! Taking over what another store exported. Each line may be taken again and in any order: a message that is here stays
//! if it is the newer one, deleted messages stay deleted, markers only move forward. Nobody is told.

use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join_all};
use redis::Cmd;

use super::claims::{CLAIM_SECONDS, value_of};
use super::events::LOG_LENGTH;
use super::line::{Line, Logged, Other};
use super::messages::{BURY, EDIT, RETENTION_MARGIN, TOMBSTONE_SECONDS};
use super::script::{Script, of_ids, unlisting};
use super::{Store, keys};
use crate::access::Administrator;
use crate::clock;
use crate::error::Error;
use crate::ids::{MessageId, UserKey};
use crate::message::{Record, Stored, Tombstone};

/// Lines that are taken at once at most: a serverless cache takes 3,999 arguments, and a message is three of them.
pub const LINES_PER_IMPORT: usize = 1000;

/// What became of lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// Messages and tombstones that were missing or older here.
    pub taken: u64,
    /// Those that were here.
    pub present: u64,
    /// Those that are past their time.
    pub expired: u64,
}

/// Stores what is missing, each with its expiry if it has one; tells what else is here.
static PUT: Script = Script::new(
    "
local others = {}
for place, key in ipairs(KEYS) do
  local json, seconds = ARGV[2 * place - 1], ARGV[2 * place]
  local stored = redis.call('GET', key)
  if not stored then
    if seconds ~= '' then redis.call('SET', key, json, 'EX', seconds) else redis.call('SET', key, json) end
    others[place] = '+'
  else
    others[place] = stored == json and '' or stored
  end
end
return others
",
);

/// Enters messages between a user and a peer into the user's indexes, but for those whose delete was told here.
static LIST: Script = Script::new(concat!(
    of_ids!(),
    "
local all, mine, other, conversations, gone = unpack(KEYS)
local peer, seconds = ARGV[1], ARGV[2]
local before = latest(mine, other)
for place = 3, #ARGV do
  local id = ARGV[place]
  if not redis.call('ZSCORE', gone, id) then
    redis.call('ZADD', all, 0, id)
    redis.call('ZADD', mine, 0, id)
  end
end
local after = latest(mine, other)
if after and after ~= before then
  if before then redis.call('ZREM', conversations, before .. peer) end
  redis.call('ZADD', conversations, 0, after .. peer)
end
if seconds ~= '' then
  for _, index in ipairs({all, mine, conversations}) do redis.call('EXPIRE', index, seconds) end
end
"
));

/// Takes a deleted message out of a user's indexes.
static UNLIST: Script = Script::new(concat!(
    of_ids!(),
    "
local all, mine, other, conversations = unpack(KEYS)
local id, peer = unpack(ARGV)
",
    unlisting!(),
));

/// Goes on with a log where it ends here, if these entries have that place; one that went another way stays.
static LOG: Script = Script::new(
    "
local events, length, seconds = KEYS[1], ARGV[1], ARGV[2]
local last, from = redis.call('LINDEX', events, -1), 3
if last then
  while from <= #ARGV and ARGV[from] ~= last do from = from + 1 end
  from = from + 1
end
for place = from, #ARGV do redis.call('RPUSH', events, ARGV[place]) end
redis.call('LTRIM', events, -length, -1)
if seconds ~= '' then redis.call('EXPIRE', events, seconds) end
",
);

/// Moves markers forward.
static MARKERS: Script = Script::new(concat!(
    of_ids!(),
    "
local markers, seconds = KEYS[1], ARGV[1]
for place = 2, #ARGV, 2 do
  local peer, id = ARGV[place], ARGV[place + 1]
  if below(redis.call('HGET', markers, peer) or '', id) then redis.call('HSET', markers, peer, id) end
end
if seconds ~= '' then redis.call('EXPIRE', markers, seconds) end
"
));

/// A message or tombstone to take over, and the seconds after which it expires.
type Taking = (MessageId, Stored, Option<u64>);

impl Store {
    /// Takes lines over, messages before the rest.
    ///
    /// # Errors
    /// Those of the store, after which the same lines may be given again, and [`Error::InvalidRequest`] for a line that no
    /// export wrote.
    pub async fn import(&self, _: &Administrator, lines: Vec<Line>) -> Result<Imported, Error> {
        let (mut imported, mut messages, mut others) = (Imported::default(), Vec::new(), Vec::new());
        for line in lines {
            match line {
                Line::Other(other) => others.push(other),
                Line::Message(stored) => match self.expiry(&stored)? {
                    Some((id, seconds)) => messages.push((id, stored, seconds)),
                    None => imported.expired += 1,
                },
            }
        }
        self.take_messages(messages, &mut imported).await?;
        try_join_all(others.into_iter().map(|other| self.take_other(other))).await?;
        Ok(imported)
    }

    /// The id of a message or tombstone, and the seconds that are left of its time; `None` if that is over.
    fn expiry(&self, stored: &Stored) -> Result<Option<(MessageId, Option<u64>)>, Error> {
        let id = stored.id().ok_or_else(|| Error::invalid("its id is no UUIDv7"))?;
        let now = self.clock.now();
        let (since, seconds) = match &stored.record {
            Record::Tombstone(Tombstone { deleted_at, .. }) => {
                let since = deleted_at.parse().map_err(|_| Error::invalid("its deleted_at is no time"))?;
                (since, TOMBSTONE_SECONDS)
            }
            Record::Message(_) => {
                let Some(retention) = self.retention else { return Ok(Some((id, None))) };
                if self.oldest().is_some_and(|oldest| id < oldest) {
                    return Ok(None);
                }
                let since = id.created_at().unwrap_or(now);
                (since, retention.num_seconds().unsigned_abs() + RETENTION_MARGIN)
            }
        };
        // By a clock that is ahead it would stay longer than what is stored here.
        let age = u64::try_from((now - since).num_seconds()).unwrap_or(0);
        Ok(seconds.checked_sub(age).filter(|left| *left > 0).map(|left| (id, Some(left))))
    }

    async fn take_messages(&self, messages: Vec<Taking>, imported: &mut Imported) -> Result<(), Error> {
        let clustered = self.redis.is_clustered().await?;
        let mut groups: BTreeMap<u16, Vec<Taking>> = BTreeMap::new();
        for taking in messages {
            groups.entry(if clustered { taking.0.conversation() } else { 0 }).or_default().push(taking);
        }
        let put = groups.values().map(|group| {
            let keys: Vec<_> = group.iter().map(|(id, ..)| keys::message(*id)).collect();
            group.iter().fold(PUT.call(&keys), |call, (_, stored, seconds)| {
                call.arg(&stored.json).arg(seconds.map(|seconds| seconds.to_string()).unwrap_or_default())
            })
        });
        let put: Vec<_> = put.collect();
        let found = try_join_all(put.iter().map(|call| self.redis.run::<Vec<String>>(call))).await?;
        let (mut listed, mut others) = (Vec::new(), Vec::new());
        for ((id, stored, _), here) in groups.into_values().flatten().zip(found.into_iter().flatten()) {
            match here.as_str() {
                "+" => imported.taken += 1,
                "" => imported.present += 1,
                _ => {
                    others.push((id, stored, here));
                    continue;
                }
            }
            // An index may lack what an interrupted import stored.
            if let Record::Message(_) = stored.record {
                listed.push((id, stored));
            }
        }
        let changing = others.into_iter().map(|(id, stored, here)| self.change(id, stored, here));
        for taken in try_join_all(changing).await? {
            if taken { imported.taken += 1 } else { imported.present += 1 }
        }
        self.list_messages(&listed).await
    }

    /// Replaces what is here under an id if it is older; says whether it was.
    async fn change(&self, id: MessageId, stored: Stored, here: String) -> Result<bool, Error> {
        let here = Stored::parse(here).map_err(|error| Error::Internal(error.into()))?;
        let Record::Message(present) = &here.record else { return Ok(false) };
        match &stored.record {
            Record::Message(message) if message.updated_at <= present.updated_at => Ok(false),
            Record::Message(_) => {
                let edit = EDIT.call(&[keys::message(id)]).arg(&here.json).arg(&stored.json);
                Ok(self.redis.run::<Option<String>>(&edit).await?.is_none())
            }
            Record::Tombstone(_) => {
                self.unlist(id, &present.sender_id, &present.receiver_id).await?;
                let bury = BURY.call(&[keys::message(id)]).arg(&stored.json).arg(TOMBSTONE_SECONDS);
                self.redis.run::<bool>(&bury.arg(Stored::TOMBSTONE_START)).await
            }
        }
    }

    async fn list_messages(&self, messages: &[(MessageId, Stored)]) -> Result<(), Error> {
        let mut lists: BTreeMap<(&UserKey, &UserKey, bool), Vec<String>> = BTreeMap::new();
        for (id, stored) in messages {
            let (sender, receiver) = stored.record.participants();
            lists.entry((sender, receiver, true)).or_default().push(id.short());
            if sender != receiver {
                lists.entry((receiver, sender, false)).or_default().push(id.short());
            }
        }
        let seconds = self.retention_seconds();
        let calls = lists.into_iter().map(|((user, peer, sent), ids)| {
            LIST.call(&index_keys(user, peer, sent)).arg(peer.as_str()).arg(&seconds).arg(ids)
        });
        let calls: Vec<_> = calls.collect();
        let listing = try_join_all(calls.iter().map(|call| self.redis.run::<()>(call)));
        let everything = async {
            if !self.open || messages.is_empty() {
                return Ok(());
            }
            let members: Vec<_> = messages.iter().map(|(id, _)| (0, id.short())).collect();
            self.redis.run::<()>(&Cmd::zadd_multiple(keys::ALL, &members)).await
        };
        try_join(listing, everything).await?;
        Ok(())
    }

    async fn unlist(&self, id: MessageId, sender: &UserKey, receiver: &UserKey) -> Result<(), Error> {
        let call = |user, peer: &UserKey, sent| {
            UNLIST.call(&index_keys(user, peer, sent)).arg(id.short()).arg(peer.as_str())
        };
        let calls = [call(sender, receiver, true), call(receiver, sender, false)];
        let unlisting = try_join_all(calls.iter().map(|call| self.redis.run::<()>(call)));
        try_join(unlisting, self.leave_all(id)).await?;
        Ok(())
    }

    async fn take_other(&self, other: Other) -> Result<(), Error> {
        match other {
            Other::Export { .. } | Other::End { .. } => Ok(()),
            Other::Log { user, events } => {
                let entries: Option<Vec<_>> = events.iter().map(Logged::to_entry).collect();
                let entries = entries.ok_or_else(|| Error::invalid("an event of its log cannot be read"))?;
                let log = LOG.call(&[keys::user_events(&user)]).arg(LOG_LENGTH);
                self.redis.run(&log.arg(self.retention_seconds()).arg(entries)).await
            }
            Other::Read { user, peers } => self.move_markers(keys::user_read(&user), &peers).await,
            Other::ReadBy { user, peers } => self.move_markers(keys::user_read_by(&user), &peers).await,
            Other::Send { user, client_id, message, hash, completed, until_ms } => {
                let longest_ms = i64::try_from(CLAIM_SECONDS * 1000).unwrap_or(i64::MAX);
                let left_ms = until_ms.saturating_sub(clock::system_ms()).min(longest_ms);
                let id = MessageId::parse(&message).ok_or_else(|| Error::invalid("its message is no id"))?;
                let value = value_of(id, &hash, completed);
                let mut claim = redis::cmd("SET");
                claim.arg(keys::claim(&user, &client_id)).arg(value).arg("NX").arg("PX").arg(left_ms);
                if left_ms > 0 { self.redis.run(&claim).await } else { Ok(()) }
            }
        }
    }

    async fn move_markers(&self, key: String, peers: &BTreeMap<UserKey, String>) -> Result<(), Error> {
        let mut call = MARKERS.call(&[key]).arg(self.retention_seconds());
        for (peer, id) in peers {
            let id = MessageId::parse(id).ok_or_else(|| Error::invalid("a marker is no id of a message"))?;
            call = call.arg(peer.as_str()).arg(id.short());
        }
        self.redis.run(&call).await
    }

    fn retention_seconds(&self) -> String {
        self.retention.map(|retention| retention.num_seconds().to_string()).unwrap_or_default()
    }
}

fn index_keys(user: &UserKey, peer: &UserKey, sent: bool) -> [String; 5] {
    let (to, from) = (keys::sent_to(user, peer), keys::received_from(user, peer));
    let (mine, other) = if sent { (to, from) } else { (from, to) };
    [keys::user_messages(user), mine, other, keys::user_conversations(user), keys::user_gone(user)]
}
