//! The chat message: the JSON that clients get, which is also the JSON that is stored.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::error::Error;
use crate::ids::{MessageId, UserKey, timestamp};

/// Longest content, in bytes of UTF-8: escaped, it still fits one 128 KB frame.
pub const CONTENT_BYTES: usize = 16_384;

/// What a message says: 1 to [`CONTENT_BYTES`] bytes of any Unicode.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content(String);

impl Content {
    /// Takes a client's text; `required` is the sentence where there is none.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] without text, [`Error::TooLarge`] with too much.
    pub fn parse(text: Option<String>, required: &'static str) -> Result<Self, Error> {
        match text {
            Some(text) if text.len() > CONTENT_BYTES => {
                Err(Error::TooLarge("content may hold at most 16384 bytes of UTF-8"))
            }
            Some(text) if !text.is_empty() => Ok(Self(text)),
            _ => Err(Error::invalid(required)),
        }
    }
}

/// A message, its fields in the order in which clients get them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Message {
    /// UUIDv7, hyphenated.
    pub id: String,
    /// Who wrote it.
    pub sender_id: UserKey,
    /// Whom it is for.
    pub receiver_id: UserKey,
    /// The text, at most [`CONTENT_BYTES`] bytes.
    pub content: String,
    /// The time inside `id`.
    pub created_at: String,
    /// The last edit; `null` until the first.
    pub updated_at: Option<String>,
}

impl Message {
    /// A new message with a new id.
    pub fn compose(sender: UserKey, receiver: UserKey, content: Content) -> Self {
        let id = MessageId::generate();
        Self {
            id: id.to_string(),
            sender_id: sender,
            receiver_id: receiver,
            content: content.0,
            created_at: timestamp(id.created_at().unwrap_or_else(Utc::now)),
            updated_at: None,
        }
    }

    /// The message after an edit at `now`; its `updated_at` is later than every earlier one.
    pub fn edit(&self, content: Content, now: DateTime<Utc>) -> Self {
        let previous = self.updated_at.as_deref().unwrap_or(&self.created_at);
        let earliest =
            DateTime::parse_from_rfc3339(previous).map(|time| time.to_utc() + Duration::milliseconds(1));
        let updated = earliest.map_or(now, |earliest| earliest.max(now));
        Self { content: content.0, updated_at: Some(timestamp(updated)), ..self.clone() }
    }

    /// Its users: two, or one for a message to oneself.
    pub fn participants(&self) -> Vec<&UserKey> {
        participants(&self.sender_id, &self.receiver_id)
    }

    /// The JSON that is stored and sent.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings always serialize")
    }

    /// The same as part of a frame.
    pub fn to_raw(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(self).expect("strings always serialize")
    }
}

/// What stays of a deleted message for a while, so that nothing resurrects it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tombstone {
    /// When it was deleted. First, so that [`Stored::is_tombstone`] need not parse.
    pub deleted_at: String,
    /// Random, so that of two deletes at once only one finds its own tombstone.
    pub tag: Uuid,
    /// The message's id.
    pub id: String,
    /// As in the message.
    pub sender_id: UserKey,
    /// As in the message.
    pub receiver_id: UserKey,
}

impl Tombstone {
    /// The tombstone of `message`.
    pub fn of(message: &Message, now: DateTime<Utc>) -> Self {
        Self {
            deleted_at: timestamp(now),
            tag: Uuid::now_v7(),
            id: message.id.clone(),
            sender_id: message.sender_id.clone(),
            receiver_id: message.receiver_id.clone(),
        }
    }

    /// As [`Message::participants`].
    pub fn participants(&self) -> Vec<&UserKey> {
        participants(&self.sender_id, &self.receiver_id)
    }

    /// The JSON that is stored.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings always serialize")
    }
}

/// What is stored under a message's id.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(untagged)]
pub enum Record {
    /// It exists.
    Message(Message),
    /// It was deleted lately.
    Tombstone(Tombstone),
}

/// A record together with the exact JSON that is stored, which edits are compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// As stored.
    pub json: String,
    /// As read.
    pub record: Record,
}

impl Stored {
    /// Reads what the store holds.
    pub fn parse(json: String) -> serde_json::Result<Self> {
        serde_json::from_str(&json).map(|record| Self { json, record })
    }

    /// Tells a stored tombstone from a stored message by its first field.
    pub fn is_tombstone(json: &str) -> bool {
        json.starts_with("{\"deleted_at\"")
    }
}

fn participants<'a>(sender: &'a UserKey, receiver: &'a UserKey) -> Vec<&'a UserKey> {
    if sender == receiver { vec![sender] } else { vec![sender, receiver] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> UserKey {
        UserKey::try_from(text.to_owned()).expect("a valid key")
    }

    fn content(text: &str) -> Content {
        Content::parse(Some(text.to_owned()), "required").expect("valid content")
    }

    #[test]
    fn content_is_bounded_in_bytes() {
        let status =
            |text: Option<String>| Content::parse(text, "required").map_err(|error| error.answer().0);
        assert_eq!(status(None), Err(400));
        assert_eq!(status(Some(String::new())), Err(400));
        assert!(status(Some("é".repeat(CONTENT_BYTES / 2))).is_ok());
        assert_eq!(status(Some("é".repeat(CONTENT_BYTES / 2) + "x")), Err(413));
    }

    #[test]
    fn a_message_keeps_its_field_order_and_null() {
        let message = Message::compose(user("a"), user("b"), content("hi\0 \u{1F600}"));
        let expected = format!(
            r#"{{"id":"{}","sender_id":"a","receiver_id":"b","content":"hi\u0000 😀","created_at":"{}","updated_at":null}}"#,
            message.id, message.created_at
        );
        assert_eq!(message.to_json(), expected);
        assert_eq!(serde_json::from_str::<Record>(&expected).expect("it reads"), Record::Message(message));
    }

    #[test]
    fn the_largest_content_fits_a_frame_when_escaped() {
        let message = Message::compose(
            user(&"\u{7FFF}".repeat(42)),
            user("b"),
            content(&"\u{1}".repeat(CONTENT_BYTES)),
        );
        assert!(message.to_json().len() + 200 < 131_072);
    }

    #[test]
    fn edits_move_time_forward_even_when_the_clock_does_not() {
        let message = Message::compose(user("a"), user("b"), content("one"));
        let stopped: DateTime<Utc> = "2020-01-01T00:00:00Z".parse().expect("a time");
        let first = message.edit(content("two"), stopped);
        let second = first.edit(content("three"), stopped);
        assert!(first.updated_at.as_deref() > Some(message.created_at.as_str()));
        assert!(second.updated_at > first.updated_at);
    }

    #[test]
    fn a_tombstone_is_told_apart_without_parsing() {
        let message = Message::compose(user("a"), user("a"), content("x"));
        let tombstone = Tombstone::of(&message, Utc::now());
        assert!(Stored::is_tombstone(&tombstone.to_json()));
        assert!(!Stored::is_tombstone(&message.to_json()));
        assert_eq!(tombstone.participants().len(), 1);
        let read: Record = serde_json::from_str(&tombstone.to_json()).expect("it reads");
        assert_eq!(read, Record::Tombstone(tombstone));
    }
}
