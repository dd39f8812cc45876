//! Erasing a user: every message they sent or received, then what is kept under their name.

use futures_util::future::{join_all, try_join, try_join_all};
use redis::Cmd;

use super::connections::Connection;
use super::events::Feed;
use super::log::last_events;
use super::messages::entries;
use super::script::{Script, of_time};
use super::{Store, keys};
use crate::access::{MayChange, Own};
use crate::error::Error;
use crate::ids::{MessageId, UserKey};
use crate::message::{Record, Stored};

/// How many messages one step erases.
const MESSAGES_PER_STEP: usize = 100;

/// How many of the users who hold a marker of the user one step clears.
const PEERS_PER_STEP: usize = 200;

/// How many ids are read of those whose delete was told lately, the newest.
const MOST_GONE: usize = 1000;

/// A step of an erasure.
#[derive(Debug)]
pub struct Erasure {
    /// The erased messages, and the users for whom that is news.
    pub deleted: Vec<(MessageId, Vec<Feed>)>,
    /// The user's open connections, once nothing is left to erase.
    pub done: Option<Vec<Connection>>,
}

/// Traces of a user: ids of messages, entries of the log, and the peers with whom there are markers.
type Traces = (Vec<String>, Vec<String>, Vec<String>, Vec<String>);

/// The oldest messages of a user. Only where there are none: the log, ids of messages whose delete was told, and peers.
static TRACES: Script = Script::new(
    "
local all, events, gone = KEYS[1], KEYS[2], KEYS[3]
local ids = redis.call('ZRANGE', all, 0, ARGV[1] - 1)
if #ids > 0 then return {ids, {}, {}, {}} end
local peers, seen = {}, {}
for place = 4, 5 do
  for _, peer in ipairs(redis.call('HKEYS', KEYS[place])) do
    if not seen[peer] and #peers < tonumber(ARGV[2]) then
      seen[peer] = true
      peers[#peers + 1] = peer
    end
  end
end
return {ids, redis.call('LRANGE', events, 0, -1), redis.call('ZREVRANGE', gone, 0, ARGV[3] - 1), peers}
",
);

/// Removes the markers with these peers, and all that is kept of the user once there are no others and no message came
/// meanwhile; returns the open connections then. The ids of deletes that were told stay for their 10 minutes, as a
/// late send must find them.
static CLEAR: Script = Script::new(concat!(
    of_time!(),
    "
local read, read_by, all, conversations, events, calls, connections = unpack(KEYS)
if #ARGV > 0 then
  redis.call('HDEL', read, unpack(ARGV))
  redis.call('HDEL', read_by, unpack(ARGV))
end
if redis.call('EXISTS', read, read_by, all) > 0 then return {0, {}} end
redis.call('DEL', conversations, events, calls)
return {1, redis.call('ZRANGEBYSCORE', connections, now(), '+inf')}
"
));

impl Store {
    /// Erases some of a user's messages, or, once there are none, what else is kept under the user's name: five round
    /// trips. A step that died is repeated by the next one.
    pub async fn erase(&self, permit: &Own) -> Result<Erasure, Error> {
        let user = permit.user();
        let keys =
            [keys::user_messages, keys::user_events, keys::user_gone, keys::user_read, keys::user_read_by];
        let traces = TRACES.call(&keys.map(|key| key(user)));
        let traces = traces.arg(MESSAGES_PER_STEP).arg(PEERS_PER_STEP).arg(MOST_GONE);
        let (listed, log, gone, peers): Traces = self.redis.run(&traces).await?;
        let in_index = !listed.is_empty();
        let ids = if in_index { parse_ids(&listed) } else { unlisted(&log, &gone)? };
        let deleted = self.erase_messages(permit, &ids, in_index).await?;
        if in_index || !deleted.is_empty() {
            return Ok(Erasure { deleted, done: None });
        }
        let done = self.clear(user, peers).await?;
        Ok(Erasure { deleted, done })
    }

    /// Deletes those of these messages that are there still. The index keeps no id that names nothing.
    async fn erase_messages(
        &self,
        permit: &Own,
        ids: &[MessageId],
        in_index: bool,
    ) -> Result<Vec<(MessageId, Vec<Feed>)>, Error> {
        let user = permit.user();
        let stored = self.read(ids).await?.read;
        let (mut alive, mut buried, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (id, json) in ids.iter().zip(stored) {
            match json.map(Stored::parse).transpose().map_err(|error| Error::Internal(error.into()))? {
                None => missing.push(id.short()),
                Some(Stored { record: Record::Tombstone(tombstone), .. }) => buried.push((*id, tombstone)),
                Some(stored) => alive.extend(permit.may_erase(*id, stored).map(|permit| (*id, permit))),
            }
        }
        let deleting = try_join_all(
            alive
                .into_iter()
                .take(MESSAGES_PER_STEP)
                .map(|(id, permit)| self.erase_message(id, user, permit)),
        );
        let clearing = async {
            if !in_index {
                return Ok(());
            }
            let leaving =
                join_all(buried.iter().map(|(id, tombstone)| self.leave_out_message(*id, tombstone)));
            leaving.await.into_iter().collect::<Result<Vec<_>, _>>()?;
            if missing.is_empty() {
                return Ok(());
            }
            self.redis.run(&Cmd::zrem(keys::user_messages(user), missing)).await
        };
        let (deleted, ()) = try_join(deleting, clearing).await?;
        Ok(deleted)
    }

    /// Deletes a message, and takes it out of the user's own index last: that is the list of what is left to do, however
    /// often a step dies, while no other user's index ever names a message that is gone.
    async fn erase_message(
        &self,
        id: MessageId,
        user: &UserKey,
        permit: MayChange,
    ) -> Result<(MessageId, Vec<Feed>), Error> {
        let (_, read) = permit.into_parts();
        let Record::Message(message) = &read.record else { return Ok((id, Vec::new())) };
        let entries = entries(id, &message.sender_id, &message.receiver_id).into_iter();
        let (own, peers): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.user == user);
        let mut feeds = self.leave_out(&peers).await?;
        let buried = self.bury(id, message).await?;
        feeds.extend(self.leave_out(&own).await?);
        // Of two erasures at once the one that buried the message tells.
        Ok((id, if buried { feeds } else { Vec::new() }))
    }

    /// Removes the user's markers at these peers, then the user's own at them, and the rest if there are no others.
    async fn clear(&self, user: &UserKey, peers: Vec<String>) -> Result<Option<Vec<Connection>>, Error> {
        let theirs = peers.iter().filter_map(|peer| UserKey::try_from(peer.clone()).ok());
        let theirs = theirs.flat_map(|peer| [keys::user_read(&peer), keys::user_read_by(&peer)]);
        let leaving: Vec<_> = theirs.map(|markers| Cmd::hdel(markers, user.as_str())).collect();
        try_join_all(leaving.iter().map(|leave| self.redis.run::<()>(leave))).await?;
        let keys = [
            keys::user_read,
            keys::user_read_by,
            keys::user_messages,
            keys::user_conversations,
            keys::user_events,
            keys::user_calls,
            keys::user_connections,
        ];
        let clear = CLEAR.call(&keys.map(|key| key(user))).arg(peers);
        let (done, open): (bool, Vec<String>) = self.redis.run(&clear).await?;
        Ok(done.then(|| open.iter().map(|member| Connection::of_member(member)).collect()))
    }
}

fn parse_ids(ids: &[String]) -> Vec<MessageId> {
    ids.iter().filter_map(|id| MessageId::parse_short(id)).collect()
}

/// Messages that no index names, but that a delete which died may have left readable by their ids.
fn unlisted(log: &[String], gone: &[String]) -> Result<Vec<MessageId>, Error> {
    // Whatever their last event: an edit may stand after the delete that it met.
    let logged = last_events(log)?.into_iter().map(|(_, _, id)| id);
    let mut ids: Vec<_> = logged.chain(parse_ids(gone)).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
