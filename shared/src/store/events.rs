//! Each user's event log, and who of the user's connections is to hear of an event.

use futures_util::future::{try_join_all, try_join3};
use redis::Cmd;

use super::connections::{Connection, entries};
use super::script::Script;
use super::{Store, keys, now_ms};
use crate::error::Error;
use crate::ids::UserKey;

/// What happened to a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It was sent.
    Created,
    /// It was edited.
    Updated,
    /// It was deleted.
    Deleted,
    /// It was deleted before; only what that delete left undone is to be done.
    DeletedBefore,
}

/// A user who is to hear of a change.
#[derive(Debug)]
pub struct Feed {
    /// The user.
    pub user: UserKey,
    /// The change's place in the user's log, `<n>-<tag>`.
    pub event_id: String,
    /// The user's open connections.
    pub connections: Vec<Connection>,
}

/// Indexes, logs, then reads the connections, in this order: a connection that registers meanwhile either
/// is read here or reads the event itself. A step that was done before adds no event; the very same call,
/// repeated because its answer was lost, finds the event it added by its tag.
static APPEND: Script = Script::new(
    "
local timeline, events, connections = KEYS[1], KEYS[2], KEYS[3]
local change, id, tag, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local indexed = 0
if change == 'created' then indexed = redis.call('ZADD', timeline, 'NX', 0, id)
elseif change ~= 'updated' then indexed = redis.call('ZREM', timeline, id) end
local event
if indexed == 0 then
  for _, entry in ipairs(redis.call('XREVRANGE', events, '+', '-', 'COUNT', 8)) do
    if string.match(entry[1], '%d+$') == tag then event = entry[1] end
  end
  if not event and (change == 'created' or change == 'deleted_before') then return false end
end
if not event then
  local latest = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1]
  local n = latest and tonumber(string.match(latest[1], '^%d+')) or 0
  event = string.format('%.0f-%s', n + 1, tag)
  redis.call('XADD', events, 'MAXLEN', '~', 1000, event, 'change', change, 'id', id)
end
return {event, redis.call('ZRANGEBYSCORE', connections, now, '+inf', 'WITHSCORES')}
",
);

impl Store {
    /// Tells the logs of all participants of a change, in one round trip. Only users for whom it is news
    /// are returned.
    pub(super) async fn append(
        &self,
        change: Change,
        id: &str,
        participants: Vec<&UserKey>,
    ) -> Result<Vec<Feed>, Error> {
        let appended = try_join_all(participants.iter().map(|user| self.append_for(change, id, user)));
        let removes = matches!(change, Change::Deleted | Change::DeletedBefore);
        let (first, last) = (participants.first(), participants.last());
        let conversation =
            first.zip(last).filter(|_| removes).map(|(one, other)| keys::conversation(one, other));
        let (feeds, (), ()) = try_join3(
            appended,
            self.unindex(conversation, id),
            self.unindex((removes && self.open).then(|| keys::TIMELINE.to_owned()), id),
        )
        .await?;
        Ok(feeds.into_iter().flatten().collect())
    }

    async fn append_for(&self, change: Change, id: &str, user: &UserKey) -> Result<Option<Feed>, Error> {
        let now = now_ms();
        let word = match change {
            Change::Created => "created",
            Change::Updated => "updated",
            Change::Deleted => "deleted",
            Change::DeletedBefore => "deleted_before",
        };
        // Random, so that an entry lost in a failover is not mistaken for the one that took its number.
        let tag = getrandom::u64().map_err(|error| Error::Internal(error.into()))?;
        let append = APPEND
            .call(&[&keys::user_timeline(user), &keys::user_events(user), &keys::user_connections(user)])
            .arg(&[word, id])
            .arg(tag)
            .arg(now);
        let appended: Option<(String, Vec<(String, f64)>)> = self.redis.run(&append).await?;
        let Some((event_id, connections)) = appended else { return Ok(None) };
        let connections = self.settle(user, entries(connections, now)).await?;
        Ok(Some(Feed { user: user.clone(), event_id, connections }))
    }

    async fn unindex(&self, index: Option<String>, id: &str) -> Result<(), Error> {
        match index {
            Some(index) => self.redis.run(&Cmd::zrem(index, id)).await,
            None => Ok(()),
        }
    }
}
