//! A line of an export: one thing that is kept, in a form that no layout of keys shows in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::events::EventId;
use super::keys::LAYOUT;
use super::log::{Kind, entry, parse_entry};
use crate::error::Error;
use crate::ids::{MessageId, UserKey, timestamp};
use crate::message::{ClientId, Content, Message, Metadata, Record, Stored};

/// A line of an export.
#[derive(Clone, Debug)]
pub enum Line {
    /// A message, or the tombstone of one, byte for byte as it is stored.
    Message(Stored),
    /// What is kept of users besides.
    Other(Other),
}

/// A line that is no message.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Other {
    /// The first line of an export of everything.
    Export {
        /// The layout of the store that it was made of.
        layout: u32,
    },
    /// A user's event log, or a part of it.
    Log {
        /// Whose.
        user: UserKey,
        /// The oldest first.
        events: Vec<Logged>,
    },
    /// How far a user has read, by peers.
    Read {
        /// Whose markers.
        user: UserKey,
        /// A message for each peer.
        peers: BTreeMap<UserKey, String>,
    },
    /// How far the user's peers have read.
    ReadBy {
        /// The user that the markers are kept for.
        user: UserKey,
        /// A message for each peer.
        peers: BTreeMap<UserKey, String>,
    },
    /// A sender's name for a message, under which the send may be repeated.
    Send {
        /// The sender.
        user: UserKey,
        /// The name.
        client_id: ClientId,
        /// The message.
        message: String,
        /// A hash of what was sent first.
        hash: String,
        /// Whether the send is complete.
        completed: bool,
        /// When the name is free again, in milliseconds since 1970.
        until_ms: i64,
    },
    /// The last line of an export of everything.
    End {
        /// How many lines stand between the first and this one.
        lines: u64,
    },
}

/// An entry of an event log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Logged {
    /// Its place: `<n>-<tag>`.
    event_id: String,
    change: Kind,
    /// The message's id.
    message: String,
}

impl Logged {
    /// Reads an entry as it is stored.
    pub(super) fn of_entry(entry: &str) -> Option<Self> {
        let (event, change, id) = parse_entry(entry)?;
        Some(Self { event_id: event.to_owned(), change, message: id.to_string() })
    }

    /// The entry to store; `None` for one that was not made so.
    pub(super) fn to_entry(&self) -> Option<String> {
        EventId::parse(&self.event_id)?;
        Some(entry(&self.event_id, self.change, MessageId::parse(&self.message)?))
    }
}

impl Line {
    /// The first line of an export of everything.
    pub fn first() -> Self {
        Self::Other(Other::Export { layout: LAYOUT })
    }

    /// Reads a line.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] with a sentence that says what is wrong with it.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let unreadable = |error: serde_json::Error| Error::invalid(format!("it cannot be read: {error}"));
        if Stored::is_tombstone(line) {
            return Stored::parse(line.to_owned()).map(Self::Message).map_err(unreadable);
        }
        let names = ["export", "log", "read", "read_by", "send", "end"];
        if names.iter().any(|name| line.strip_prefix("{\"").is_some_and(|rest| is_named(rest, name))) {
            return serde_json::from_str(line).map(Self::Other).map_err(unreadable);
        }
        let message = checked(serde_json::from_str(line).map_err(unreadable)?)?;
        Ok(Self::Message(Stored { json: message.to_json(), record: Record::Message(message) }))
    }

    /// The line as text, without its end.
    pub fn to_json(&self) -> String {
        match self {
            Self::Message(stored) => stored.json.clone(),
            Self::Other(other) => serde_json::to_string(other).expect("strings always serialize"),
        }
    }
}

fn is_named(rest: &str, name: &str) -> bool {
    rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('"'))
}

/// A message that could have been sent: one written by hand keeps the limits, too.
fn checked(message: Message) -> Result<Message, Error> {
    let id = MessageId::parse(&message.id).filter(|id| id.created_at().is_some());
    let id = id.ok_or_else(|| Error::invalid("its id is no UUIDv7"))?;
    if id.created_at().map(timestamp).as_ref() != Some(&message.created_at) {
        return Err(Error::invalid("its created_at is not the time inside its id"));
    }
    if id.conversation() != MessageId::conversation_of(&message.sender_id, &message.receiver_id) {
        return Err(Error::invalid("its id belongs to another conversation"));
    }
    Content::parse(Some(message.content.as_str().to_owned()), "content is required")?;
    if let Some(client_id) = &message.client_id {
        ClientId::parse(client_id.as_str().to_owned())?;
    }
    let metadata = message.metadata.as_ref().map(Metadata::check).transpose()?;
    Ok(Message { metadata, ..message })
}
