//! Pages of messages, by an index.

use futures_util::future::join_all;

use super::pages::{PAGE_BYTES, Part, escaped_bytes};
use super::script::Script;
use super::{Store, keys};
use crate::access::MayList;
use crate::error::Error;
use crate::ids::MessageId;
use crate::message::{Record, Stored};

/// How many deleted messages a page takes out of an index.
const MOST_TAKEN_OUT: usize = 100;

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
    pub more: Option<MessageId>,
}

/// Ids from one or two indexes that are in the order of ids, in that order or against it, one index after the other.
static RANGE: Script = Script::new(
    "
local from, to, reverse, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local found = {}
for _, index in ipairs(KEYS) do
  local ids
  if reverse == '1' then ids = redis.call('ZRANGE', index, from, to, 'BYLEX', 'REV', 'LIMIT', 0, count)
  else ids = redis.call('ZRANGE', index, from, to, 'BYLEX', 'LIMIT', 0, count) end
  for _, id in ipairs(ids) do found[#found + 1] = id end
end
return found
",
);

impl Store {
    /// A page of a listing: two round trips. More only where it has much more than 5 MB, or where it meets
    /// messages that were deleted meanwhile.
    pub async fn list(&self, permit: &MayList, paging: Paging, limit: usize) -> Result<Page, Error> {
        let (mut messages, mut deleted) = (Vec::new(), Vec::new());
        let (mut bytes, mut place, mut more) = (0, paging, None);
        while messages.len() < limit {
            let ids = self.range(permit, place, limit + 1 - messages.len()).await?;
            let wanted = &ids[..ids.len().min(limit - messages.len())];
            let mut rest = ids.len() > wanted.len();
            let Part { read, mut full } = self.read(wanted).await?;
            rest |= read.len() < wanted.len();
            let mut last = None;
            for (id, json) in wanted.iter().zip(read) {
                match json {
                    Some(json) if Stored::is_tombstone(&json) => deleted.push((*id, json)),
                    Some(json) => {
                        bytes += escaped_bytes(&json) + 1;
                        if bytes > PAGE_BYTES {
                            (rest, full) = (true, true);
                            break;
                        }
                        messages.push(json);
                    }
                    None => {}
                }
                last = Some(*id);
            }
            more = last.or(more).filter(|_| rest);
            let (true, Some(last), false) = (rest, last, full) else { break };
            place = match place {
                Paging::Before(_) => Paging::Before(Some(last)),
                Paging::After(_) => Paging::After(last),
            };
        }
        if matches!(paging, Paging::Before(_)) {
            messages.reverse();
        }
        self.take_out(deleted).await;
        Ok(Page { messages, more })
    }

    /// Takes deleted messages out that a failover brought back into an index, so that nothing counts what no list shows.
    /// Never fails: a later reader meets what is left.
    async fn take_out(&self, deleted: Vec<(MessageId, String)>) {
        let taking = deleted.into_iter().take(MOST_TAKEN_OUT).map(|(id, json)| async move {
            let Ok(Stored { record: Record::Tombstone(tombstone), .. }) = Stored::parse(json) else { return };
            if let Err(error) = self.leave_out_message(id, &tombstone).await {
                tracing::warn!(%error, "a deleted message is still in an index");
            }
        });
        join_all(taking).await;
    }

    async fn range(&self, permit: &MayList, paging: Paging, count: usize) -> Result<Vec<MessageId>, Error> {
        let indexes = match permit {
            MayList::Everything => vec![keys::ALL.to_owned()],
            MayList::User(user) => vec![keys::user_messages(user)],
            MayList::Conversation(user, with) => {
                vec![keys::sent_to(user, with), keys::received_from(user, with)]
            }
        };
        let oldest = match self.oldest() {
            Some(oldest) => format!("[{}", oldest.short()),
            None => "-".to_owned(),
        };
        let (from, to, reverse) = match paging {
            Paging::Before(None) => ("+".to_owned(), oldest, true),
            Paging::Before(Some(id)) => (format!("({}", id.short()), oldest, true),
            Paging::After(id) if self.oldest().is_some_and(|oldest| id < oldest) => {
                (oldest, "+".to_owned(), false)
            }
            Paging::After(id) => (format!("({}", id.short()), "+".to_owned(), false),
        };
        let range = RANGE.call(&indexes).arg(from).arg(to).arg(reverse).arg(count);
        let ids: Vec<String> = self.redis.run(&range).await?;
        let mut ids: Vec<_> = ids.iter().filter_map(|id| MessageId::parse_short(id)).collect();
        // Merged here, since a server may compare texts by its locale.
        ids.sort_unstable();
        if reverse {
            ids.reverse();
        }
        ids.truncate(count);
        Ok(ids)
    }
}
