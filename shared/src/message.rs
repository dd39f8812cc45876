//! The chat message: the JSON that clients get, which is also the JSON that is stored.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::error::Error;
use crate::ids::{MessageId, UserKey, timestamp};
use crate::json::replace_escaped_surrogates;

/// Longest content, in bytes of UTF-8: escaped, it still fits one 128 KB frame.
pub const CONTENT_BYTES: usize = 16_384;

/// Longest `client_id`, in bytes of UTF-8.
const CLIENT_ID_BYTES: usize = 64;

/// Longest `metadata`, in bytes as sent.
const METADATA_BYTES: usize = 1_024;

/// The text of a message: 1 to [`CONTENT_BYTES`] bytes of any Unicode.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Content(String);

impl Content {
    /// Takes a client's text; `required` is the sentence where there is none.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] without text, [`Error::TooLarge`] with too much.
    pub fn parse(text: Option<String>, required: &'static str) -> Result<Self, Error> {
        match text {
            Some(text) if text.len() > CONTENT_BYTES => Err(Error::TooLarge(
                format!("content may hold at most {CONTENT_BYTES} bytes of UTF-8").into(),
            )),
            Some(text) if !text.is_empty() => Ok(Self(text)),
            _ => Err(Error::invalid(required)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A sender's own name for a message, under which sending it may be repeated.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClientId(String);

impl ClientId {
    /// Takes a client's text.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] unless it has 1 to 64 bytes.
    pub fn parse(text: String) -> Result<Self, Error> {
        let valid = (1..=CLIENT_ID_BYTES).contains(&text.len());
        if valid {
            Ok(Self(text))
        } else {
            Err(Error::invalid(format!("client_id must have 1 to {CLIENT_ID_BYTES} bytes of UTF-8")))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One JSON object that clients add to a message for each other, kept as it was sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// Takes a client's object.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for JSON of another type, [`Error::TooLarge`] for more than 1,024 bytes.
    pub fn parse(value: &RawValue) -> Result<Self, Error> {
        let text = value.get();
        if text.len() > METADATA_BYTES {
            return Err(Error::TooLarge(format!("metadata may have at most {METADATA_BYTES} bytes").into()));
        }
        if !text.starts_with('{') {
            return Err(Error::invalid("metadata must be a JSON object"));
        }
        // Strict readers refuse a whole page for half a surrogate pair.
        let text = replace_escaped_surrogates(text);
        RawValue::from_string(text).map(Self).map_err(|error| Error::Internal(error.into()))
    }

    /// Takes one that was read as part of a message.
    pub(crate) fn check(&self) -> Result<Self, Error> {
        Self::parse(&self.0)
    }

    /// The object as JSON.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl Eq for Metadata {}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// The part of a message that its sender gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// The text.
    pub content: Content,
    /// Makes sending it repeatable.
    pub client_id: Option<ClientId>,
    /// An object for the clients of both users.
    pub metadata: Option<Metadata>,
}

/// An edit's change of the metadata.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MetadataChange {
    /// It stays as it is.
    Keep,
    /// It goes.
    Remove,
    /// This takes its place.
    Replace(Metadata),
}

/// A message, its fields in the order in which clients get them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Message {
    /// UUIDv7, hyphenated.
    pub id: String,
    /// Its author.
    pub sender_id: UserKey,
    /// The user it is for.
    pub receiver_id: UserKey,
    /// The text.
    pub content: Content,
    /// The time inside `id`.
    pub created_at: String,
    /// The last edit; `null` until the first.
    pub updated_at: Option<String>,
    /// The sender's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The object that clients added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

impl Message {
    /// A draft as the message of this id.
    pub fn compose(id: MessageId, sender: UserKey, receiver: UserKey, draft: Draft) -> Self {
        let Draft { content, client_id, metadata } = draft;
        Self {
            id: id.to_string(),
            sender_id: sender,
            receiver_id: receiver,
            content,
            created_at: timestamp(id.created_at().unwrap_or_default()),
            updated_at: None,
            client_id,
            metadata,
        }
    }

    /// The message after an edit at `now`; its `updated_at` is later than every earlier one.
    pub fn edit(&self, content: Content, metadata: MetadataChange, now: DateTime<Utc>) -> Self {
        let previous = self.updated_at.as_deref().unwrap_or(&self.created_at);
        let earliest =
            DateTime::parse_from_rfc3339(previous).map(|time| time.to_utc() + Duration::milliseconds(1));
        let updated = earliest.map_or(now, |earliest| earliest.max(now));
        let metadata = match metadata {
            MetadataChange::Keep => self.metadata.clone(),
            MetadataChange::Remove => None,
            MetadataChange::Replace(metadata) => Some(metadata),
        };
        Self { content, metadata, updated_at: Some(timestamp(updated)), ..self.clone() }
    }

    /// The JSON that is stored and sent.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings always serialize")
    }
}

/// A deleted message leaves this for a while, so that nothing resurrects it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tombstone {
    /// When it was deleted. First, so that [`Stored::is_tombstone`] need not parse.
    pub deleted_at: String,
    /// Random, so that of two deletes at once only one finds its own tombstone.
    pub tag: Uuid,
    /// The message's id.
    pub id: String,
    /// The message's author.
    pub sender_id: UserKey,
    /// The user that the message was for.
    pub receiver_id: UserKey,
}

impl Tombstone {
    /// The tombstone of `message`.
    pub fn of(message: &Message, now: DateTime<Utc>) -> Self {
        Self {
            deleted_at: timestamp(now),
            tag: Uuid::new_v4(),
            id: message.id.clone(),
            sender_id: message.sender_id.clone(),
            receiver_id: message.receiver_id.clone(),
        }
    }

    /// The JSON that is stored.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings always serialize")
    }
}

/// The value under a message's key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// It exists.
    Message(Message),
    /// It was deleted lately.
    Tombstone(Tombstone),
}

impl Record {
    /// Its sender and its receiver.
    pub(crate) fn participants(&self) -> (&UserKey, &UserKey) {
        match self {
            Self::Message(message) => (&message.sender_id, &message.receiver_id),
            Self::Tombstone(tombstone) => (&tombstone.sender_id, &tombstone.receiver_id),
        }
    }
}

/// A record together with the exact JSON that is stored, which edits are compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// The JSON, byte for byte.
    pub json: String,
    /// The same JSON, parsed.
    pub record: Record,
}

impl Stored {
    /// Reads what the store holds.
    ///
    /// # Errors
    /// JSON that neither a message nor a tombstone was written as.
    pub fn parse(json: String) -> serde_json::Result<Self> {
        let record = if Self::is_tombstone(&json) {
            Record::Tombstone(serde_json::from_str(&json)?)
        } else {
            Record::Message(serde_json::from_str(&json)?)
        };
        Ok(Self { json, record })
    }

    /// The id that it says it has.
    pub(crate) fn id(&self) -> Option<MessageId> {
        match &self.record {
            Record::Message(message) => MessageId::parse(&message.id),
            Record::Tombstone(tombstone) => MessageId::parse(&tombstone.id),
        }
    }

    /// The beginning of a stored tombstone, and of no stored message.
    pub(crate) const TOMBSTONE_START: &str = "{\"deleted_at\"";

    /// Tells a stored tombstone from a stored message by its first field.
    pub fn is_tombstone(json: &str) -> bool {
        json.starts_with(Self::TOMBSTONE_START)
    }

    /// The message as part of an answer or a frame; `None` for a tombstone.
    pub fn message(self) -> Option<Box<RawValue>> {
        match self.record {
            Record::Message(_) => RawValue::from_string(self.json).ok(),
            Record::Tombstone(_) => None,
        }
    }
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

    fn metadata(text: &str) -> Result<Metadata, u16> {
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        Metadata::parse(&raw).map_err(|error| error.answer().0)
    }

    fn compose(sender: &str, receiver: &str, draft: Draft) -> Message {
        let (sender, receiver) = (user(sender), user(receiver));
        let now = "2026-01-02T03:04:05.678Z".parse().expect("a time");
        let id = MessageId::generate(&sender, &receiver, now).expect("randomness");
        Message::compose(id, sender, receiver, draft)
    }

    fn message(text: &str) -> Message {
        compose("a", "b", Draft { content: content(text), client_id: None, metadata: None })
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
    fn metadata_is_a_small_object_kept_as_it_was_sent() {
        assert_eq!(
            metadata(r#"{"b":1e3, "a" : [1.0] }"#).expect("valid").as_str(),
            r#"{"b":1e3, "a" : [1.0] }"#
        );
        for other in ["null", "[]", "1", "\"{}\""] {
            assert_eq!(metadata(other), Err(400), "{other}");
        }
        assert!(metadata(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1016))).is_ok());
        assert_eq!(metadata(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1017))), Err(413));
        assert_eq!(metadata(r#"{"a":"\ud83d"}"#).expect("valid").as_str(), r#"{"a":"\ufffd"}"#);
    }

    #[test]
    fn a_message_keeps_its_field_order_and_null() {
        let plain = message("hi\0 \u{1F600}");
        let expected = format!(
            r#"{{"id":"{}","sender_id":"a","receiver_id":"b","content":"hi\u0000 😀","created_at":"2026-01-02T03:04:05.678Z","updated_at":null}}"#,
            plain.id
        );
        assert_eq!(plain.to_json(), expected);
        assert_eq!(Stored::parse(expected).expect("it reads").record, Record::Message(plain));

        let full = compose(
            "a",
            "b",
            Draft {
                content: content("hi"),
                client_id: Some(ClientId::parse("7".into()).expect("valid")),
                metadata: Some(metadata(r#"{"reply_to": 1.0}"#).expect("valid")),
            },
        );
        let expected = format!(
            r#"{{"id":"{}","sender_id":"a","receiver_id":"b","content":"hi","created_at":"2026-01-02T03:04:05.678Z","updated_at":null,"client_id":"7","metadata":{{"reply_to": 1.0}}}}"#,
            full.id
        );
        assert_eq!(full.to_json(), expected);
        assert_eq!(Stored::parse(expected).expect("it reads").record, Record::Message(full));
    }

    #[test]
    fn the_largest_message_fits_a_frame_when_escaped() {
        let longest_key = "\"".repeat(128);
        let largest = compose(
            &longest_key,
            &longest_key,
            Draft {
                content: content(&"\u{1}".repeat(CONTENT_BYTES)),
                client_id: Some(ClientId::parse("\u{1}".repeat(CLIENT_ID_BYTES)).expect("valid")),
                metadata: Some(metadata(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1016))).expect("valid")),
            },
        );
        assert!(largest.to_json().len() + 200 < 131_072);
    }

    #[test]
    fn edits_move_time_forward_even_when_the_clock_does_not() {
        let edit = |message: &Message, text| {
            let stopped = "2020-01-01T00:00:00Z".parse().expect("a time");
            message.edit(content(text), MetadataChange::Keep, stopped)
        };
        let message = message("one");
        let first = edit(&message, "two");
        let second = edit(&first, "three");
        assert!(first.updated_at.as_deref() > Some(message.created_at.as_str()));
        assert!(second.updated_at > first.updated_at);
    }

    #[test]
    fn an_edit_keeps_removes_or_replaces_metadata() {
        let [old, new] = ["{\"v\":1}", "{\"v\":2}"].map(|text| metadata(text).expect("valid"));
        let message =
            compose("a", "b", Draft { content: content("x"), client_id: None, metadata: Some(old.clone()) });
        let after = |change| message.edit(content("y"), change, Utc::now()).metadata;
        assert_eq!(after(MetadataChange::Keep), Some(old));
        assert_eq!(after(MetadataChange::Remove), None);
        assert_eq!(after(MetadataChange::Replace(new.clone())), Some(new));
    }

    #[test]
    fn a_tombstone_is_told_apart_without_parsing() {
        let message = message("x");
        let tombstone = Tombstone::of(&message, Utc::now());
        assert!(Stored::is_tombstone(&tombstone.to_json()));
        assert!(!Stored::is_tombstone(&message.to_json()));
        let read = Stored::parse(tombstone.to_json()).expect("it reads");
        assert_eq!(read.record, Record::Tombstone(tombstone));
    }
}
