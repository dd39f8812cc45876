//! A walk over everything that is kept, for an export: step by step, each thing as a line.
//!
//! Something that is there from the beginning to the end is met at least once; what changes meanwhile is met as it was
//! or as it is. Indexes are left out, since they follow from the messages.

use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join_all};
use redis::Cmd;

use super::claims::Claim;
use super::keys::Kept;
use super::line::{Line, Logged, Other};
use super::redis::Redis;
use super::script::Script;
use super::server::Primary;
use super::{Store, keys};
use crate::access::Administrator;
use crate::clock;
use crate::error::Error;
use crate::ids::{MessageId, UserKey};
use crate::message::{Record, Stored};

/// Markers that one line holds at most.
const PEERS_PER_LINE: usize = 500;

/// A walk that has begun.
#[derive(Debug)]
pub struct Walk {
    primaries: Vec<Primary>,
    next: usize,
    cursor: String,
    /// Messages that were met but are in no list, as a send or a delete that died leaves them.
    pub unlisted: u64,
    /// Keys that are none of this layout.
    pub foreign: u64,
}

/// Which of some messages a user's lists have.
static LISTED: Script = Script::new(
    "
local listed = {}
for place, id in ipairs(ARGV) do
  listed[place] = redis.call('ZSCORE', KEYS[1], id) and 1 or 0
end
return listed
",
);

/// A claim and for how long it is there, in milliseconds.
static CLAIMED: Script =
    Script::new("return {redis.call('GET', KEYS[1]) or '', redis.call('PTTL', KEYS[1])}");

impl Store {
    /// Begins a walk.
    pub async fn walk(&self, _: &Administrator) -> Result<Walk, Error> {
        let primaries = self.redis.primaries().await?;
        Ok(Walk { primaries, next: 0, cursor: START.to_owned(), unlisted: 0, foreign: 0 })
    }

    /// The next step of a walk: lines, maybe none; `None` at its end.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Unavailable`] where keys may have moved past the walk, since the cluster's
    /// servers are others by now.
    pub async fn step(&self, walk: &mut Walk) -> Result<Option<Vec<Line>>, Error> {
        let Some(primary) = walk.primaries.get(walk.next) else {
            if self.redis.primaries().await? != walk.primaries {
                return Err(Error::Unavailable("the cluster has changed meanwhile".into()));
            }
            return Ok(None);
        };
        let (cursor, found) = self.redis.scan(primary, &walk.cursor).await?;
        if cursor == START {
            walk.next += 1;
        }
        walk.cursor = cursor;
        let (mut ids, mut others) = (Vec::new(), Vec::new());
        for key in found {
            match String::from_utf8(key).map_or(Kept::Foreign, |key| keys::parse(&key)) {
                Kept::Message(id) => ids.push(id),
                Kept::LeftOut => {}
                Kept::Foreign => walk.foreign += 1,
                other => others.push(other),
            }
        }
        let others = try_join_all(others.into_iter().map(|kept| self.read_other(kept)));
        let (messages, others) = try_join(self.read_messages(&ids), others).await?;
        let (listed, unlisted) = self.only_listed(messages).await?;
        walk.unlisted += unlisted;
        let others = others.into_iter().flatten().map(Line::Other);
        Ok(Some(listed.into_iter().map(Line::Message).chain(others).collect()))
    }

    /// All of these that are there still.
    async fn read_messages(&self, ids: &[MessageId]) -> Result<Vec<Stored>, Error> {
        let (mut messages, mut rest) = (Vec::with_capacity(ids.len()), ids);
        while !rest.is_empty() {
            let read = self.read(rest).await?.read;
            rest = &rest[read.len()..];
            for json in read.into_iter().flatten() {
                messages.push(Stored::parse(json).map_err(|error| Error::Internal(error.into()))?);
            }
        }
        Ok(messages)
    }

    /// Leaves out messages that neither of their users has in a list; tombstones stay.
    async fn only_listed(&self, messages: Vec<Stored>) -> Result<(Vec<Stored>, u64), Error> {
        let (mut listed, mut missing) = (Vec::with_capacity(messages.len()), messages);
        let participants: [fn(&Stored) -> &UserKey; 2] =
            [|stored| stored.record.participants().0, |stored| stored.record.participants().1];
        for participant in participants {
            let mut by_user: BTreeMap<UserKey, Vec<Stored>> = BTreeMap::new();
            for stored in std::mem::take(&mut missing) {
                match stored.record {
                    Record::Tombstone(_) => listed.push(stored),
                    Record::Message(_) => {
                        by_user.entry(participant(&stored).clone()).or_default().push(stored);
                    }
                }
            }
            let asked = try_join_all(by_user.iter().map(|(user, messages)| self.listed(user, messages)));
            for (is_listed, stored) in asked.await?.into_iter().flatten().zip(by_user.into_values().flatten())
            {
                if is_listed { listed.push(stored) } else { missing.push(stored) }
            }
        }
        let unlisted = missing.len();
        Ok((listed, u64::try_from(unlisted).unwrap_or(u64::MAX)))
    }

    async fn listed(&self, user: &UserKey, messages: &[Stored]) -> Result<Vec<bool>, Error> {
        let ids = messages.iter().map(|stored| stored.id().map(MessageId::short).unwrap_or_default());
        self.redis.run(&LISTED.call(&[keys::user_messages(user)]).arg(ids.collect::<Vec<_>>())).await
    }

    /// What else is kept of users under one key, as lines.
    async fn read_other(&self, kept: Kept) -> Result<Vec<Other>, Error> {
        let redis = &self.redis;
        Ok(match kept {
            Kept::Events(user) => {
                let entries: Vec<String> = redis.run(&Cmd::lrange(keys::user_events(&user), 0, -1)).await?;
                let events = entries.iter().map(|entry| Logged::of_entry(entry)).collect::<Option<Vec<_>>>();
                let events = events.ok_or_else(|| Error::Internal("a log entry cannot be read".into()))?;
                vec![Other::Log { user, events }]
            }
            Kept::Read(user) => {
                let parts = markers(redis, keys::user_read(&user)).await?;
                parts.into_iter().map(|peers| Other::Read { user: user.clone(), peers }).collect()
            }
            Kept::ReadBy(user) => {
                let parts = markers(redis, keys::user_read_by(&user)).await?;
                parts.into_iter().map(|peers| Other::ReadBy { user: user.clone(), peers }).collect()
            }
            Kept::Claim(user, client_id) => {
                let claimed = CLAIMED.call(&[keys::claim(&user, &client_id)]);
                let (value, left_ms): (String, i64) = redis.run(&claimed).await?;
                let claim = Claim::parse(&value).filter(|_| left_ms > 0);
                let line = claim.map(|Claim { id, hash, completed }| {
                    let (message, until_ms) = (id.to_string(), clock::system_ms() + left_ms);
                    Other::Send { user, client_id, message, hash, completed, until_ms }
                });
                line.into_iter().collect()
            }
            Kept::Message(_) | Kept::LeftOut | Kept::Foreign => Vec::new(),
        })
    }
}

/// Where a walk over a server's keys starts and ends.
const START: &str = "0";

/// A user's markers, in lines of a bounded length.
async fn markers(redis: &Redis, key: String) -> Result<Vec<BTreeMap<UserKey, String>>, Error> {
    let found: Vec<(String, String)> = redis.run(&Cmd::hgetall(key)).await?;
    let markers = found.into_iter().filter_map(|(peer, id)| {
        Some((UserKey::try_from(peer).ok()?, MessageId::parse_short(&id)?.to_string()))
    });
    let markers: Vec<_> = markers.collect();
    Ok(markers.chunks(PEERS_PER_LINE).map(|part| part.iter().cloned().collect()).collect())
}
