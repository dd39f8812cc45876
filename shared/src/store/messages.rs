//! Messages: sending, editing, deleting, reading one.

use futures_util::future::{join, try_join};
use redis::Cmd;

use super::claims::{Claim, claim_value, hash};
use super::events::{Entry, Feed};
use super::script::{Call, Script};
use super::{Store, keys};
use crate::access::{MayChange, MaySend};
use crate::error::Error;
use crate::ids::{MessageId, UserKey};
use crate::message::{Content, Draft, Message, MetadataChange, Record, Stored, Tombstone};

/// How long a tombstone stays, in seconds: an hour longer than a claim, so that no repeated send comes after it.
pub(super) const TOMBSTONE_SECONDS: u64 = 25 * 3600;

/// A message outlives its indexes by this, in seconds.
pub(super) const RETENTION_MARGIN: u64 = 3600;

/// How often an edit is tried against others that came between; each failure is another edit's success.
const EDIT_ATTEMPTS: usize = 200;

/// The outcome of a send.
#[derive(Debug)]
pub struct Sent {
    /// The answer: the message as it was sent first.
    pub message: Message,
    /// The message's JSON as it is now, to be told.
    pub present: String,
    /// Whether this repeated an earlier send.
    pub replayed: bool,
    /// The users for whom it is news.
    pub feeds: Vec<Feed>,
}

/// The outcome of a delete.
#[derive(Debug)]
pub struct Deletion {
    /// True if the message was gone before.
    pub before: bool,
    /// The users for whom it is news.
    pub feeds: Vec<Feed>,
}

/// Stores a message unless something is stored under its id; says what.
static KEEP: Script = Script::new(
    "
local stored = redis.call('GET', KEYS[1])
if stored then return stored end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
else redis.call('SET', KEYS[1], ARGV[1]) end
return false
",
);

/// Swaps the stored JSON if it is still the one that was read; else returns what is there.
pub(super) static EDIT: Script = Script::new(
    "
local stored = redis.call('GET', KEYS[1])
if stored == ARGV[2] then return false end
if stored ~= ARGV[1] then return stored or '' end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return false
",
);

/// Swaps a message for its tombstone, whatever edits it has seen; says whether it did. The DEL frees memory, so a full
/// store lets the SET pass.
pub(super) static BURY: Script = Script::new(
    "
local stored = redis.call('GET', KEYS[1])
if stored == ARGV[1] then return 1 end
if not stored or string.sub(stored, 1, #ARGV[3]) == ARGV[3] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
",
);

impl Store {
    /// Stores a message and tells both users' logs: two round trips. A repeated send completes what an earlier one
    /// left undone: three, or four where something was undone.
    pub async fn create(&self, permit: MaySend) -> Result<Sent, Error> {
        let (sender, receiver, draft) = permit.into_parts();
        let now = self.clock.now();
        let id =
            MessageId::generate(&sender, &receiver, now).map_err(|error| Error::Internal(error.into()))?;
        let message = Message::compose(id, sender, receiver, draft);
        let json = message.to_json();
        // The message has no name yet, so it may be stored before the claim is known to be good.
        let (claim, stored) = join(self.claim(id, &message), self.keep(id, &json)).await;
        match claim {
            Ok(None) => {}
            Ok(Some(claim)) => return self.repeat(id, message, claim).await,
            Err(error @ Error::RateLimited { .. }) => {
                self.redis.run::<()>(&Cmd::del(keys::message(id))).await?;
                return Err(error);
            }
            // The claim may be good all the same, and a repetition may be under way: nothing is undone.
            Err(error) => return Err(error),
        }
        stored?;
        let feeds = self.enter_message(id, &message).await?;
        let users = if message.sender_id == message.receiver_id { 1 } else { 2 };
        if self.open && feeds.len() < users {
            // A repetition was faster, and so may have been a delete.
            self.still_there(id).await?;
        }
        Ok(Sent { message, present: json, replayed: false, feeds })
    }

    /// Completes an earlier send of the same message under its own id.
    async fn repeat(&self, unnamed: MessageId, message: Message, claim: Claim) -> Result<Sent, Error> {
        let same = claim.hash == hash(&message);
        let Message { sender_id, receiver_id, content, client_id, metadata, .. } = message;
        let message =
            Message::compose(claim.id, sender_id, receiver_id, Draft { content, client_id, metadata });
        let json = message.to_json();
        let claimed = async {
            match (same, claim.completed) {
                (false, _) => Ok(None),
                (true, true) => self.get(claim.id).await,
                (true, false) => Ok(Some(self.keep(claim.id, &json).await?.unwrap_or_else(|| json.clone()))),
            }
        };
        let forget = Cmd::del(keys::message(unnamed));
        let (claimed, forgotten) = join(claimed, self.redis.run::<()>(&forget)).await;
        forgotten?;
        if !same {
            return Err(Error::KeyReused);
        }
        // Deleted since: the same answer, and nothing is recreated.
        let Some(mut present) = claimed?.filter(|stored| !Stored::is_tombstone(stored)) else {
            return Ok(Sent { message, present: json, replayed: true, feeds: Vec::new() });
        };
        let mut feeds = self.enter_message(claim.id, &message).await?;
        if !feeds.is_empty() || self.open {
            // A delete may have come between; a deleted message is told to nobody.
            match self.still_there(claim.id).await? {
                Some(stored) => present = stored,
                None => feeds.clear(),
            }
        }
        Ok(Sent { message, present, replayed: true, feeds })
    }

    /// Reads the record under an id: one round trip. A message past its retention may be stored still, and is not there.
    pub async fn message(&self, id: MessageId) -> Result<Option<Stored>, Error> {
        if self.oldest().is_some_and(|oldest| id < oldest) {
            return Ok(None);
        }
        self.get(id).await?.map(parse).transpose()
    }

    /// Reads the record for an edit or a delete, which its user must have a token for.
    pub async fn message_to_change(
        &self,
        id: MessageId,
        by: Option<&UserKey>,
    ) -> Result<Option<Stored>, Error> {
        let (stored, ()) = try_join(self.message(id), self.take_change(by)).await?;
        Ok(stored)
    }

    /// Replaces a message's content: two round trips after [`Store::message_to_change`], one more per edit that came
    /// between. `None` if the message was deleted meanwhile.
    pub async fn update(
        &self,
        permit: MayChange,
        content: Content,
        metadata: MetadataChange,
    ) -> Result<Option<(Message, Vec<Feed>)>, Error> {
        let (id, mut read) = permit.into_parts();
        for _ in 0..EDIT_ATTEMPTS {
            let Record::Message(message) = &read.record else { return Ok(None) };
            let edited = message.edit(content.clone(), metadata.clone(), self.clock.now());
            let swap = EDIT.call(&[keys::message(id)]).arg(&read.json).arg(edited.to_json());
            match self.redis.run::<Option<String>>(&swap).await? {
                None => {
                    let users = entries(id, &edited.sender_id, &edited.receiver_id);
                    let feeds = self.log_edit(&users).await?;
                    return Ok(Some((edited, feeds)));
                }
                Some(stored) if stored.is_empty() => return Ok(None),
                Some(stored) => read = parse(stored)?,
            }
        }
        Err(Error::Unavailable("the message is edited too often".into()))
    }

    /// Takes a message out for both users, then swaps it for its tombstone: two round trips after
    /// [`Store::message_to_change`]. In this order no index names a message that is gone, wherever a delete dies; its
    /// repetition then finds the message, and finishes.
    pub async fn delete(&self, permit: MayChange) -> Result<Deletion, Error> {
        let (id, read) = permit.into_parts();
        let Record::Message(message) = &read.record else {
            return Ok(Deletion { before: true, feeds: Vec::new() });
        };
        let feeds = self.leave_out(&entries(id, &message.sender_id, &message.receiver_id)).await?;
        let buried = self.bury(id, message).await?;
        // Of two deletes at once the one that buried the message tells.
        Ok(Deletion { before: !buried, feeds: if buried { feeds } else { Vec::new() } })
    }

    /// Swaps a message for its tombstone; says whether it was there.
    pub(super) async fn bury(&self, id: MessageId, message: &Message) -> Result<bool, Error> {
        let tombstone = Tombstone::of(message, self.clock.now()).to_json();
        let bury = BURY.call(&[keys::message(id)]).arg(tombstone).arg(TOMBSTONE_SECONDS);
        let bury = bury.arg(Stored::TOMBSTONE_START);
        // The index of all messages knows of no deletes, and a repeated send that saw the message alive may enter it there.
        let (buried, ()) = try_join(self.redis.run::<bool>(&bury), self.leave_all(id)).await?;
        Ok(buried)
    }

    /// The lowest id of a message that is not past its retention.
    pub(super) fn oldest(&self) -> Option<MessageId> {
        self.retention.map(|retention| MessageId::lowest_at(self.clock.now() - retention))
    }

    /// Adds for how long what a script writes is kept, in seconds, and the oldest id that is.
    pub(super) fn retained(&self, call: Call) -> Call {
        let seconds = self.retention.map(|retention| retention.num_seconds().to_string());
        call.arg(seconds.unwrap_or_default()).arg(self.oldest().map(MessageId::short).unwrap_or_default())
    }

    /// Stores a message unless something is stored under its id; returns that.
    async fn keep(&self, id: MessageId, json: &str) -> Result<Option<String>, Error> {
        let seconds =
            self.retention.map(|retention| retention.num_seconds().unsigned_abs() + RETENTION_MARGIN);
        let seconds = seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
        self.redis.run(&KEEP.call(&[keys::message(id)]).arg(json).arg(seconds)).await
    }

    async fn enter_message(&self, id: MessageId, message: &Message) -> Result<Vec<Feed>, Error> {
        let claim = message.client_id.as_ref().map(|client_id| (client_id, claim_value(id, message, true)));
        let claim = claim.as_ref().map(|(client_id, value)| (*client_id, value.as_str()));
        let entries = entries(id, &message.sender_id, &message.receiver_id);
        let entering = self.enter(&entries, claim);
        let everything = async {
            if self.open {
                let adding = Cmd::zadd(keys::ALL, id.short(), 0);
                try_join(self.redis.run::<()>(&adding), self.clear_all()).await?;
            }
            Ok(())
        };
        let (feeds, ()) = try_join(entering, everything).await?;
        Ok(feeds)
    }

    /// A message that another request may have deleted while this one entered it; if so, it leaves the index of all
    /// messages, which does not know of deletes.
    async fn still_there(&self, id: MessageId) -> Result<Option<String>, Error> {
        let stored = self.get(id).await?.filter(|stored| !Stored::is_tombstone(stored));
        if stored.is_none() {
            self.leave_all(id).await?;
        }
        Ok(stored)
    }

    /// Clears the index of all messages of those past their retention.
    async fn clear_all(&self) -> Result<(), Error> {
        let Some(oldest) = self.oldest() else { return Ok(()) };
        self.redis.run(&Cmd::zrembylex(keys::ALL, "-", format!("({}", oldest.short()))).await
    }

    pub(super) async fn leave_out_message(
        &self,
        id: MessageId,
        tombstone: &Tombstone,
    ) -> Result<Vec<Feed>, Error> {
        let entries = entries(id, &tombstone.sender_id, &tombstone.receiver_id);
        let leaving = self.leave_out(&entries);
        let (feeds, ()) = try_join(leaving, self.leave_all(id)).await?;
        Ok(feeds)
    }

    /// Takes a message out of the index of all messages, which there is in open mode only.
    pub(super) async fn leave_all(&self, id: MessageId) -> Result<(), Error> {
        if !self.open {
            return Ok(());
        }
        self.redis.run(&Cmd::zrem(keys::ALL, id.short())).await
    }

    async fn get(&self, id: MessageId) -> Result<Option<String>, Error> {
        self.redis.run(&Cmd::get(keys::message(id))).await
    }
}

/// A message's part in each of its users' slots: two, or one for a message to oneself.
pub(super) fn entries<'a>(id: MessageId, sender: &'a UserKey, receiver: &'a UserKey) -> Vec<Entry<'a>> {
    let mut entries = vec![Entry { id, user: sender, peer: receiver, sent: true }];
    if sender != receiver {
        entries.push(Entry { id, user: receiver, peer: sender, sent: false });
    }
    entries
}

fn parse(json: String) -> Result<Stored, Error> {
    Stored::parse(json).map_err(|error| Error::Internal(error.into()))
}
