//! Claims: a sender's own name for a message, under which sending it may be repeated.

use sha2::{Digest as _, Sha256};

use super::limits::{of_buckets, taken};
use super::script::Script;
use super::{Store, keys};
use crate::error::Error;
use crate::ids::MessageId;
use crate::message::Message;

/// How long a send may be repeated, in seconds.
pub(super) const CLAIM_SECONDS: u64 = 24 * 3600;

/// An earlier send under the same name.
pub(super) struct Claim {
    pub(super) id: MessageId,
    pub(super) hash: String,
    /// The sender's indexes have it, so a message that is missing was deleted.
    pub(super) completed: bool,
}

/// Takes a token for a send, and claims the sender's name for the message or says what it was claimed for.
static CLAIM: Script = Script::new(of_buckets!(
    "
local limits, claim = KEYS[1], KEYS[2]
local wait = take(limits, ARGV[1], ARGV[2], ARGV[3])
if wait > 0 or not claim then return {wait, false} end
local claimed = redis.call('GET', claim)
if not claimed then redis.call('SET', claim, ARGV[4], 'EX', ARGV[5]) end
return {0, claimed}
"
));

impl Store {
    /// Takes a token and claims the sender's name for a message: one round trip, none where there is neither.
    pub(super) async fn claim(&self, id: MessageId, message: &Message) -> Result<Option<Claim>, Error> {
        if message.client_id.is_none() && self.limits.messages.is_none() {
            return Ok(None);
        }
        let mut keys = vec![keys::user_limits(&message.sender_id)];
        keys.extend(message.client_id.as_ref().map(|client_id| keys::claim(&message.sender_id, client_id)));
        let call = self.for_message(CLAIM.call(&keys));
        let call = call.arg(claim_value(id, message, false)).arg(CLAIM_SECONDS);
        let (wait, claimed): (u64, Option<String>) = self.redis.run(&call).await?;
        taken(wait)?;
        let claim = claimed.map(|value| {
            Claim::parse(&value).ok_or_else(|| Error::Internal("a claim cannot be read".into()))
        });
        // Its own claim is what a command finds that was repeated because its answer was lost.
        Ok(claim.transpose()?.filter(|claim| claim.id != id))
    }
}

impl Claim {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(' ');
        let id = parts.next().and_then(MessageId::parse_short)?;
        let hash = parts.next()?.to_owned();
        Some(Self { id, hash, completed: parts.next() == Some(COMPLETED) })
    }
}

const COMPLETED: &str = "completed";

pub(super) fn claim_value(id: MessageId, message: &Message, completed: bool) -> String {
    value_of(id, &hash(message), completed)
}

/// The value of a claim whose hash is known.
pub(super) fn value_of(id: MessageId, hash: &str, completed: bool) -> String {
    let value = format!("{} {hash}", id.short());
    if completed { format!("{value} {COMPLETED}") } else { value }
}

/// A hash of the fields in which a repeated send must agree.
pub(super) fn hash(message: &Message) -> String {
    let metadata = message.metadata.as_ref().map_or("", |metadata| metadata.as_str());
    let mut hash = Sha256::new();
    // No user key holds a zero byte, and metadata is nothing or an object.
    for part in [message.receiver_id.as_str(), "\0", metadata, "\0", message.content.as_str()] {
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
