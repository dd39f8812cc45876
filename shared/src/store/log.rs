//! The entries of an event log: `<n>-<tag> <change> <id>`.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::ids::MessageId;

/// A kind of change, as a log spells it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Created,
    Updated,
    Deleted,
}

impl Kind {
    fn letter(self) -> &'static str {
        match self {
            Self::Created => "c",
            Self::Updated => "u",
            Self::Deleted => "d",
        }
    }

    fn of_letter(letter: &str) -> Option<Self> {
        [Self::Created, Self::Updated, Self::Deleted].into_iter().find(|kind| kind.letter() == letter)
    }
}

/// Each message's last event, in the order of the log.
pub(super) fn last_events(entries: &[String]) -> Result<Vec<(&str, Kind, MessageId)>, Error> {
    let mut seen = std::collections::HashSet::new();
    let mut last = Vec::new();
    for entry in entries.iter().rev() {
        let parsed = parse_entry(entry);
        let (event, kind, id) = parsed.ok_or_else(|| Error::Internal("a log entry cannot be read".into()))?;
        if seen.insert(id) {
            last.push((event, kind, id));
        }
    }
    last.reverse();
    Ok(last)
}

/// A log's entry: the place of an event, the change, and the message.
pub(super) fn parse_entry(entry: &str) -> Option<(&str, Kind, MessageId)> {
    let mut parts = entry.split(' ');
    let event = parts.next()?;
    let kind = parts.next().and_then(Kind::of_letter)?;
    Some((event, kind, parts.next().and_then(MessageId::parse_short)?))
}

pub(super) fn entry(event: &str, kind: Kind, id: MessageId) -> String {
    format!("{event} {} {}", kind.letter(), id.short())
}
