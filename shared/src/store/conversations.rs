//! Conversations: each user's list of them, and how far both sides have read.

use futures_util::future::{try_join, try_join_all};

use super::connections::Connection;
use super::listing::Paging;
use super::pages::Part;
use super::script::{Call, Script, of_ids, of_time};
use super::{Store, keys};
use crate::access::{MayList, Own};
use crate::error::Error;
use crate::ids::{MessageId, UserKey};
use crate::message::Stored;

/// Length of an id in an entry of the list; the rest is the peer.
const ID_LENGTH: usize = 22;

/// A conversation as one of its users sees it.
#[derive(Debug, Eq, PartialEq)]
pub struct Conversation {
    /// The other user.
    pub with: UserKey,
    /// The latest message's JSON.
    pub last_message: String,
    /// Messages of the other user above the own marker.
    pub unread: u64,
    /// The message up to which the user has read.
    pub read: Option<MessageId>,
    /// The message up to which the other user has read.
    pub read_by_peer: Option<MessageId>,
}

/// Part of a list of conversations.
#[derive(Debug, Eq, PartialEq)]
pub struct Conversations {
    /// The latest first.
    pub conversations: Vec<Conversation>,
    /// The last message to go on below, where there are more.
    pub more: Option<MessageId>,
}

/// The outcome of marking as read.
#[derive(Debug)]
pub struct Marked {
    /// Messages of the other user above the marker.
    pub unread: u64,
    /// The marker, if it moved.
    pub moved: Option<MessageId>,
    /// The open connections of both users.
    pub connections: Vec<(UserKey, Vec<Connection>)>,
}

/// The data of a conversation besides its messages.
struct Markers {
    unread: u64,
    read: Option<MessageId>,
    read_by_peer: Option<MessageId>,
}

/// The shared beginning of the scripts of markers: messages above a marker, and not below the oldest that are kept.
macro_rules! of_markers {
    ($script:literal) => {
        concat!(
            of_time!(),
            of_ids!(),
            "
-- A count goes through a short index from its start, so that it is left out where nothing or everything is read.
local function unread(index, marker, oldest)
  if marker and not below(marker, oldest) then
    local newest = redis.call('ZRANGE', index, '+', '-', 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
    if not newest or not below(marker, newest) then return 0 end
    return redis.call('ZLEXCOUNT', index, '(' .. marker, '+')
  end
  if oldest == '' then return redis.call('ZCARD', index) end
  return redis.call('ZLEXCOUNT', index, '[' .. oldest, '+')
end
",
            $script
        )
    };
}

/// The markers of several conversations, and what is unread above them.
static MARKERS: Script = Script::new(of_markers!(
    "
local read, read_by, oldest = KEYS[1], KEYS[2], ARGV[1]
local found = {}
for place = 3, #KEYS do
  local peer = ARGV[place - 1]
  local marker = redis.call('HGET', read, peer)
  found[place - 2] = {unread(KEYS[place], marker, oldest), marker, redis.call('HGET', read_by, peer)}
end
return found
"
));

/// Moves a marker forward, if it is asked to not above the conversation's newest message.
static MARK: Script = Script::new(of_markers!(
    "
local markers, to, from, connections = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, peer, limit, seconds, oldest = unpack(ARGV)
local marker = redis.call('HGET', markers, peer)
local newest = latest(to, from) or ''
if limit == 'newest' and below(newest, id) then id = newest end
local moved = below(marker or '', id)
if moved then
  redis.call('HSET', markers, peer, id)
  if seconds ~= '' then redis.call('EXPIRE', markers, seconds) end
  marker = id
end
local open = redis.call('ZRANGEBYSCORE', connections, now(), '+inf')
return {moved and 1 or 0, marker, unread(from, marker, oldest), open}
"
));

impl Store {
    /// A user's conversations, the latest first: two round trips, more only where the latest message of one was
    /// deleted meanwhile.
    pub async fn conversations(
        &self,
        permit: &Own,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Conversations, Error> {
        let user = permit.user();
        let (mut conversations, mut place) = (Vec::new(), before);
        loop {
            let wanted = limit - conversations.len();
            let mut heads = self.heads(user, place, wanted + 1).await?;
            let rest = heads.len() > wanted;
            heads.truncate(wanted);
            let ids: Vec<_> = heads.iter().map(|(id, _)| *id).collect();
            let (Part { read, full }, markers) =
                try_join(self.read(&ids), self.markers(user, &heads)).await?;
            place = ids[..read.len()].last().copied().or(place);
            let found = heads.into_iter().zip(read).zip(markers);
            let found =
                found.map(|(((_, with), stored), markers)| self.conversation(user, with, stored, markers));
            conversations.extend(try_join_all(found).await?.into_iter().flatten());
            if full || !rest || conversations.len() == limit {
                return Ok(Conversations { conversations, more: place.filter(|_| rest || full) });
            }
        }
    }

    /// Marks everything up to a message as read, for both users: one round trip, one more where their markers then
    /// differ.
    pub async fn mark_read(&self, permit: &Own, with: &UserKey, id: MessageId) -> Result<Marked, Error> {
        let user = permit.user();
        let mark_own = async |id, limit| {
            let call = self.mark(keys::user_read(user), user, with, id, limit);
            self.redis.run::<Mark>(&call).await
        };
        let mark_theirs = async |id, limit| {
            let call = self.mark(keys::user_read_by(with), with, user, id, limit);
            self.redis.run::<Mark>(&call).await
        };
        let id = id.short();
        if user == with {
            let (moved, marker, unread, open) = mark_own(id, TO_NEWEST).await?;
            let connections = vec![(user.clone(), members(&open))];
            return Ok(Marked { unread, moved: moved_to(moved, marker), connections });
        }
        let (mut own, mut theirs) =
            try_join(mark_own(id.clone(), TO_NEWEST), mark_theirs(id, TO_NEWEST)).await?;
        // A mark whose other half was lost is told by its repetition.
        let moved = own.0 || theirs.0;
        // While a message is sent or deleted, one of the two has another newest message; the further marker holds.
        match (&own.1, &theirs.1) {
            (mine, Some(marker)) if mine.as_ref() < Some(marker) => {
                own = mark_own(marker.clone(), ANYWHERE).await?
            }
            (Some(marker), other) if other.as_ref() < Some(marker) => {
                theirs = mark_theirs(marker.clone(), ANYWHERE).await?;
            }
            _ => {}
        }
        let (_, marker, unread, open) = own;
        let connections = vec![(user.clone(), members(&open)), (with.clone(), members(&theirs.3))];
        Ok(Marked { unread, moved: moved_to(moved, marker), connections })
    }

    /// The latest message and the peer of each conversation, the latest first.
    async fn heads(
        &self,
        user: &UserKey,
        before: Option<MessageId>,
        count: usize,
    ) -> Result<Vec<(MessageId, UserKey)>, Error> {
        let from = before.map_or("+".to_owned(), |id| format!("({}", id.short()));
        let to = self.oldest().map_or("-".to_owned(), |oldest| format!("[{}", oldest.short()));
        let mut range = redis::cmd("ZRANGE");
        range
            .arg(keys::user_conversations(user))
            .arg(from)
            .arg(to)
            .arg(&["BYLEX", "REV", "LIMIT", "0"])
            .arg(count);
        let entries: Vec<String> = self.redis.run(&range).await?;
        Ok(entries.iter().filter_map(|entry| head(entry)).collect())
    }

    async fn markers(&self, user: &UserKey, heads: &[(MessageId, UserKey)]) -> Result<Vec<Markers>, Error> {
        if heads.is_empty() {
            return Ok(Vec::new());
        }
        let mut keys = vec![keys::user_read(user), keys::user_read_by(user)];
        keys.extend(heads.iter().map(|(_, peer)| keys::received_from(user, peer)));
        let peers: Vec<_> = heads.iter().map(|(_, peer)| peer.as_str()).collect();
        let call =
            MARKERS.call(&keys).arg(self.oldest().map(MessageId::short).unwrap_or_default()).arg(peers);
        let found: Vec<(u64, Option<String>, Option<String>)> = self.redis.run(&call).await?;
        let id = |text: Option<String>| text.and_then(|text| MessageId::parse_short(&text));
        Ok(found
            .into_iter()
            .map(|(unread, read, read_by)| Markers { unread, read: id(read), read_by_peer: id(read_by) })
            .collect())
    }

    /// A conversation whose latest message is this; `None` if it has none left.
    async fn conversation(
        &self,
        user: &UserKey,
        with: UserKey,
        stored: Option<String>,
        markers: Markers,
    ) -> Result<Option<Conversation>, Error> {
        let last_message = match stored.filter(|stored| !Stored::is_tombstone(stored)) {
            Some(stored) => Some(stored),
            // It was deleted after the list was read, or a failover brought it back; the one before is the latest.
            None => {
                let permit = MayList::Conversation(user.clone(), with.clone());
                self.list(&permit, Paging::Before(None), 1).await?.messages.pop()
            }
        };
        let Markers { unread, read, read_by_peer } = markers;
        // In a conversation with oneself the peer is the reader.
        let read_by_peer = if with == *user { read } else { read_by_peer };
        Ok(last_message.map(|last_message| Conversation { with, last_message, unread, read, read_by_peer }))
    }

    fn mark(&self, markers: String, user: &UserKey, peer: &UserKey, id: String, limit: &str) -> Call {
        let keys = [
            markers,
            keys::sent_to(user, peer),
            keys::received_from(user, peer),
            keys::user_connections(user),
        ];
        self.retained(MARK.call(&keys).arg(id).arg(peer.as_str()).arg(limit))
    }
}

/// How far a marker may be moved.
const TO_NEWEST: &str = "newest";
const ANYWHERE: &str = "";

/// Whether a marker moved, where it is, what is unread above it, and the user's open connections.
type Mark = (bool, Option<String>, u64, Vec<String>);

fn moved_to(moved: bool, marker: Option<String>) -> Option<MessageId> {
    marker.filter(|_| moved).and_then(|marker| MessageId::parse_short(&marker))
}

fn members(members: &[String]) -> Vec<Connection> {
    members.iter().map(|member| Connection::of_member(member)).collect()
}

fn head(entry: &str) -> Option<(MessageId, UserKey)> {
    let (id, peer) = entry.split_at_checked(ID_LENGTH)?;
    Some((MessageId::parse_short(id)?, UserKey::try_from(peer.to_owned()).ok()?))
}
