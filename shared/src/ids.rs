//! Identifiers. Each is valid once it exists, so no inner code checks one again.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest user key, in bytes of UTF-8.
pub const USER_KEY_BYTES: usize = 128;

/// Names a user: a non-empty string of at most [`USER_KEY_BYTES`] bytes without control characters.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String")]
pub struct UserKey(String);

/// What a user key is, for sentences that say "… must be".
pub const A_USER_KEY: &str = "a user key: 1 to 128 bytes, no control characters";

/// The text is no user key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not {A_USER_KEY}")]
pub struct InvalidUserKey;

impl UserKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserKey {
    type Error = InvalidUserKey;

    fn try_from(text: String) -> Result<Self, InvalidUserKey> {
        let valid = !text.is_empty() && text.len() <= USER_KEY_BYTES && !text.chars().any(char::is_control);
        if valid { Ok(Self(text)) } else { Err(InvalidUserKey) }
    }
}

/// Names one open WebSocket, as API Gateway does. Opaque; comes from the platform only.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(String);

impl ConnectionId {
    /// Takes an id that the platform or the store gave.
    pub fn from_platform(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names a message: a UUIDv7, so that ids sort by creation time. As a cursor any UUID will do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MessageId(Uuid);

impl MessageId {
    /// A new id, larger than every earlier one of this process.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// Reads the hyphenated form, the only one that clients get.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        Uuid::try_parse(text).ok().map(Self)
    }

    /// The time inside the id, in milliseconds; `None` for a UUID of another version.
    pub fn created_at(self) -> Option<DateTime<Utc>> {
        let (seconds, nanoseconds) = self.0.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// A time as clients see it: RFC 3339, UTC, milliseconds.
pub fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<UserKey, InvalidUserKey> {
        UserKey::try_from(text.to_owned())
    }

    #[test]
    fn a_user_key_is_short_text_without_control_characters() {
        assert!(A_USER_KEY.contains(&USER_KEY_BYTES.to_string()));
        assert!(key("alice").is_ok());
        assert!(key("{a}:%,\u{1F600} b").is_ok());
        assert!(key(&"é".repeat(64)).is_ok());
        assert_eq!(key(&"é".repeat(65)), Err(InvalidUserKey));
        assert_eq!(key(""), Err(InvalidUserKey));
        assert_eq!(key("a\0b"), Err(InvalidUserKey));
        assert_eq!(key("a\u{85}b"), Err(InvalidUserKey));
    }

    #[test]
    fn message_ids_ascend_and_carry_their_time() {
        let before = Utc::now().timestamp_millis();
        let ids: Vec<_> = (0..1000).map(|_| MessageId::generate()).collect();
        assert!(ids.windows(2).all(|pair| pair[0].to_string() < pair[1].to_string()));
        let created = ids[0].created_at().expect("a UUIDv7 holds a time");
        assert!(created.timestamp_millis() >= before);
        assert_eq!(timestamp(created).len(), "2024-01-01T12:00:00.000Z".len());
    }

    #[test]
    fn only_hyphenated_uuids_are_message_ids() {
        let id = MessageId::generate();
        assert_eq!(MessageId::parse(&id.to_string()), Some(id));
        assert_eq!(MessageId::parse(&id.to_string().replace('-', "")), None);
        assert_eq!(MessageId::parse("not-a-uuid"), None);
    }
}
