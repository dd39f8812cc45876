//! Messages and their indexes.

use chrono::Utc;
use redis::Cmd;

use super::events::{Change, Feed};
use super::redis::Request;
use super::script::Script;
use super::{Store, keys};
use crate::access::{MayChange, MayList, MaySend};
use crate::error::Error;
use crate::ids::MessageId;
use crate::message::{Content, Message, Record, Stored, Tombstone};

/// How long a tombstone stays, in seconds: an hour longer than any retry of the send may come.
const TOMBSTONE_SECONDS: u64 = 25 * 3600;

/// Most bytes of messages in one page, as escaped into the function's answer, which may hold 6 MB.
const PAGE_BYTES: usize = 5_000_000;

/// How often an edit is tried against others that came between; each failure is another edit's success.
const EDIT_ATTEMPTS: usize = 200;

/// Which part of a listing is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Paging {
    /// The newest, or the newest below an id.
    Before(Option<MessageId>),
    /// The oldest above an id.
    After(MessageId),
}

/// Part of a listing.
#[derive(Debug, Eq, PartialEq)]
pub struct Page {
    /// The messages' JSON as stored, ascending by id.
    pub messages: Vec<String>,
    /// The id to go on from, where there are more.
    pub more: Option<String>,
}

/// What became of a delete.
#[derive(Debug)]
pub struct Deletion {
    /// True if the message was gone before.
    pub before: bool,
    /// Who had not heard of it.
    pub feeds: Vec<Feed>,
}

/// Swaps the stored JSON if it is still the one that was read; else returns what is there.
static SWAP: Script = Script::new(
    "
local stored = redis.call('GET', KEYS[1])
if stored == ARGV[2] then return false end
if stored ~= ARGV[1] then return stored or '' end
if ARGV[3] then redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
else redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') end
return false
",
);

impl Store {
    /// Stores a message and tells both users' logs: two round trips.
    pub async fn create(&self, permit: MaySend) -> Result<(Message, Vec<Feed>), Error> {
        let message = permit.into_message();
        let mut kept = redis::pipe();
        kept.cmd("SET").arg(keys::message(&message.id)).arg(message.to_json()).arg("NX");
        let mut index = |key: String| {
            kept.cmd("ZADD").arg(key).arg(&["NX", "0", &message.id]);
        };
        index(keys::conversation(&message.sender_id, &message.receiver_id));
        if self.open {
            index(keys::TIMELINE.to_owned());
        }
        self.redis.run::<()>(Request::Independent(&kept)).await?;
        let feeds = self.append(Change::Created, &message.id, message.participants()).await?;
        Ok((message, feeds))
    }

    /// What is stored under an id: one round trip.
    pub async fn message(&self, id: MessageId) -> Result<Option<Stored>, Error> {
        let stored: Option<String> = self.redis.run(&Cmd::get(keys::message(&id.to_string()))).await?;
        stored.map(parse).transpose()
    }

    /// Replaces a message's content: two round trips after [`Store::message`], one more per edit that came
    /// between. `None` if the message was deleted meanwhile.
    pub async fn update(
        &self,
        permit: MayChange,
        content: Content,
    ) -> Result<Option<(Message, Vec<Feed>)>, Error> {
        let mut read = permit.into_stored();
        for _ in 0..EDIT_ATTEMPTS {
            let Record::Message(message) = &read.record else { return Ok(None) };
            let edited = message.edit(content.clone(), Utc::now());
            match self.swap(&edited.id, &read.json, &edited.to_json(), None).await? {
                None => {
                    let feeds = self.append(Change::Updated, &edited.id, edited.participants()).await?;
                    return Ok(Some((edited, feeds)));
                }
                Some(stored) if stored.is_empty() => return Ok(None),
                Some(stored) => read = parse(stored)?,
            }
        }
        Err(Error::Unavailable("the message is edited too often".into()))
    }

    /// Swaps a message for its tombstone: two round trips after [`Store::message`], one more per edit that
    /// came between. A repeated delete does what an earlier one left undone.
    pub async fn delete(&self, permit: MayChange) -> Result<Deletion, Error> {
        let mut read = permit.into_stored();
        for _ in 0..EDIT_ATTEMPTS {
            let message = match &read.record {
                Record::Message(message) => message,
                Record::Tombstone(tombstone) => {
                    let feeds =
                        self.append(Change::DeletedBefore, &tombstone.id, tombstone.participants()).await?;
                    return Ok(Deletion { before: true, feeds });
                }
            };
            let tombstone = Tombstone::of(message, Utc::now()).to_json();
            match self.swap(&message.id, &read.json, &tombstone, Some(TOMBSTONE_SECONDS)).await? {
                None => {
                    let feeds = self.append(Change::Deleted, &message.id, message.participants()).await?;
                    return Ok(Deletion { before: false, feeds });
                }
                Some(stored) if stored.is_empty() => return Ok(Deletion { before: true, feeds: Vec::new() }),
                Some(stored) => read = parse(stored)?,
            }
        }
        Err(Error::Unavailable("the message is edited too often".into()))
    }

    /// A page of a listing: two round trips.
    pub async fn list(&self, permit: &MayList, paging: Paging, limit: usize) -> Result<Page, Error> {
        let index = match permit {
            MayList::Everything => keys::TIMELINE.to_owned(),
            MayList::User(user) => keys::user_timeline(user),
            MayList::Conversation(user, with) => keys::conversation(user, with),
        };
        let mut range = redis::cmd("ZRANGE");
        range.arg(index);
        match paging {
            Paging::Before(None) => range.arg(&["+", "-", "BYLEX", "REV"]),
            Paging::Before(Some(id)) => range.arg(format!("({id}")).arg(&["-", "BYLEX", "REV"]),
            Paging::After(id) => range.arg(format!("({id}")).arg(&["+", "BYLEX"]),
        };
        range.arg("LIMIT").arg(0).arg(limit + 1);
        let mut ids: Vec<String> = self.redis.run(&range).await?;
        if ids.is_empty() {
            return Ok(Page { messages: Vec::new(), more: None });
        }
        let mut more = ids.len() > limit;
        ids.truncate(limit);
        let keys: Vec<String> = ids.iter().map(|id| keys::message(id)).collect();
        let stored: Vec<Option<String>> = self.redis.run(&Cmd::mget(keys)).await?;

        let mut messages = Vec::with_capacity(stored.len());
        let (mut bytes, mut last) = (0, None);
        for (id, json) in ids.into_iter().zip(stored) {
            if let Some(json) = json.filter(|json| !Stored::is_tombstone(json)) {
                bytes += escaped_bytes(&json) + 1;
                if bytes > PAGE_BYTES {
                    more = true;
                    break;
                }
                messages.push(json);
            }
            last = Some(id);
        }
        if matches!(paging, Paging::Before(_)) {
            messages.reverse();
        }
        Ok(Page { messages, more: last.filter(|_| more) })
    }

    async fn swap(
        &self,
        id: &str,
        read: &str,
        new: &str,
        expiry: Option<u64>,
    ) -> Result<Option<String>, Error> {
        let swap = SWAP.call(&[&keys::message(id)]).arg(read).arg(new).arg(expiry);
        self.redis.run(&swap).await
    }
}

fn parse(json: String) -> Result<Stored, Error> {
    Stored::parse(json).map_err(|error| Error::Internal(error.into()))
}

/// How long a text gets inside a JSON string.
fn escaped_bytes(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
            0..=31 => 6,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_bytes_counts_what_serde_writes() {
        let text: String = (0..=0x7F_u8).map(char::from).chain("é\u{1F600}".chars()).collect();
        let escaped = serde_json::to_string(&text).expect("a string");
        assert_eq!(escaped_bytes(&text), escaped.len() - 2);
    }
}
