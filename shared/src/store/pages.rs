//! Reading many messages at once, as many as one answer holds.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::script::Script;
use super::{Store, keys};
use crate::error::Error;
use crate::ids::MessageId;
use crate::message::CONTENT_BYTES;

/// Most bytes of messages in one page, as escaped into the function's answer, which may hold 6 MB.
pub(super) const PAGE_BYTES: usize = 5_000_000;

/// Most bytes that one wave reads of messages: a page as it is stored, with a little to spare. A function holds it
/// several times over.
const WAVE_BYTES: usize = 5_500_000;

/// Messages that are asked for again where they did not fit one wave with the others; so few that each fits its share.
const NEXT_MESSAGES: usize = 48;

// Each byte of content as an escape, and room for all else.
const _: () = assert!(WAVE_BYTES / NEXT_MESSAGES > 6 * CONTENT_BYTES + 4_096);

/// The messages that were read of some, from the first on.
pub(super) struct Part {
    /// Each message's JSON; `None` for one that does not exist.
    pub(super) read: Vec<Option<String>>,
    /// Whether no more fit one answer.
    pub(super) full: bool,
}

/// Reads messages, an empty text for one that does not exist, up to so many bytes.
static READ: Script = Script::new(
    "
local room, read = tonumber(ARGV[1]), {}
for place, key in ipairs(KEYS) do
  local stored = redis.call('GET', key) or ''
  room = room - #stored
  if room < 0 then break end
  read[place] = stored
end
return read
",
);

impl Store {
    /// Reads messages in order, as many as one answer holds: one round trip, more only where they
    /// have much more than that.
    pub(super) async fn read(&self, ids: &[MessageId]) -> Result<Part, Error> {
        let mut read: Vec<Option<String>> = Vec::with_capacity(ids.len());
        let (mut next, mut bytes) = (ids.len(), 0);
        while read.len() < ids.len() {
            let wanted = &ids[read.len()..ids.len().min(read.len() + next)];
            for stored in self.read_wave(wanted).await? {
                // A message that did not fit is asked for again, with fewer others.
                let Some(stored) = stored else { break };
                bytes += stored.as_deref().map_or(0, |json| escaped_bytes(json) + 1);
                if bytes > PAGE_BYTES && !read.is_empty() {
                    return Ok(Part { read, full: true });
                }
                read.push(stored);
            }
            next = NEXT_MESSAGES;
        }
        Ok(Part { read, full: false })
    }

    /// Reads what fits [`WAVE_BYTES`], with one command per conversation on a cluster and one in all elsewhere. The
    /// outer `None` is a message that did not fit, the inner one a message that does not exist.
    async fn read_wave(&self, ids: &[MessageId]) -> Result<Vec<Option<Option<String>>>, Error> {
        let mut groups: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        let clustered = self.redis.is_clustered().await?;
        for (place, id) in ids.iter().enumerate() {
            groups.entry(if clustered { id.conversation() } else { 0 }).or_default().push(place);
        }
        let share = WAVE_BYTES / groups.len().max(1);
        let calls: Vec<_> = groups
            .values()
            .map(|places| {
                let keys: Vec<_> = places.iter().map(|place| keys::message(ids[*place])).collect();
                READ.call(&keys).arg(share)
            })
            .collect();
        let reads = try_join_all(calls.iter().map(|call| self.redis.run::<Vec<String>>(call)));
        let mut wave = vec![None; ids.len()];
        for (places, read) in groups.values().zip(reads.await?) {
            for (place, json) in places.iter().zip(read) {
                wave[*place] = Some(Some(json).filter(|json| !json.is_empty()));
            }
        }
        Ok(wave)
    }
}

/// How long a text gets inside a JSON string.
pub(super) fn escaped_bytes(text: &str) -> usize {
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
