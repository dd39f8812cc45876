//! Identifiers. Each is valid once it exists, so no inner code checks one again.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest user key, in bytes of UTF-8.
pub const USER_KEY_BYTES: usize = 128;

/// Names a user: a non-empty string of at most [`USER_KEY_BYTES`] bytes without control characters.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String")]
pub struct UserKey(String);

/// Describes a user key, for sentences that say "… must be".
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
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
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

/// Shortest and longest id of a call, in bytes of UTF-8.
const CALL_ID_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// An id that the server makes up for a call begins so.
const SERVER_MADE: &str = "s-";

/// Names a call: a text of 8 to 64 bytes that its caller made up, or else the server.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String")]
pub struct CallId(String);

/// The text is no id of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not 8 to 64 bytes")]
pub struct InvalidCallId;

impl CallId {
    /// An id for a call whose caller names none.
    ///
    /// # Errors
    /// The system's source of randomness fails.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0; 12];
        getrandom::fill(&mut random)?;
        Ok(Self(format!("{SERVER_MADE}{}", SHORT.encode(random))))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CallId {
    type Error = InvalidCallId;

    fn try_from(text: String) -> Result<Self, InvalidCallId> {
        if CALL_ID_BYTES.contains(&text.len()) { Ok(Self(text)) } else { Err(InvalidCallId) }
    }
}

/// Names a message: a UUIDv7, so that ids sort by creation time. As a cursor any UUID will do.
///
/// Its `rand_a` bits ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#section-5.7)) are a hash of the conversation
/// instead of random: an id alone tells where its message is stored, and all messages of a conversation are stored
/// together. The other 62 bits are random.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(Uuid);

/// Base64 whose digits are in ASCII order, so that texts sort as the bytes they stand for.
const ORDERED: Alphabet =
    match Alphabet::new("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz") {
        Ok(alphabet) => alphabet,
        Err(_) => panic!("64 different digits"),
    };
const SHORT: GeneralPurpose = GeneralPurpose::new(&ORDERED, NO_PAD);

impl MessageId {
    /// A position below every message.
    pub const LOWEST: Self = Self(Uuid::nil());

    /// A new id for a message between two users, made at `now`.
    ///
    /// # Errors
    /// The system's source of randomness fails.
    pub fn generate(one: &UserKey, other: &UserKey, now: DateTime<Utc>) -> Result<Self, getrandom::Error> {
        let milliseconds = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        let mut random = [0; 10];
        getrandom::fill(&mut random[2..])?;
        random[..2].copy_from_slice(&conversation_hash(one, other).to_be_bytes());
        Ok(Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()))
    }

    /// Reads the hyphenated form, the only one that clients get.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        Uuid::try_parse(text).ok().map(Self)
    }

    /// Reads the form of [`MessageId::short`].
    pub fn parse_short(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let length = SHORT.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then(|| Self(Uuid::from_bytes(bytes)))
    }

    /// The id in 22 characters that sort as ids do.
    pub fn short(self) -> String {
        SHORT.encode(self.0.as_bytes())
    }

    /// The hash of its conversation: 12 bits.
    pub fn conversation(self) -> u16 {
        let bytes = self.0.as_bytes();
        u16::from_be_bytes([bytes[6], bytes[7]]) & CONVERSATION_BITS
    }

    /// The hash of the conversation of two users.
    pub fn conversation_of(one: &UserKey, other: &UserKey) -> u16 {
        conversation_hash(one, other)
    }

    /// The lowest id that can have been made at a time.
    pub fn lowest_at(time: DateTime<Utc>) -> Self {
        let milliseconds = u64::try_from(time.timestamp_millis()).unwrap_or_default();
        Self(Uuid::from_u128(u128::from(milliseconds) << 80))
    }

    /// The time inside the id, in milliseconds; `None` for a UUID of another version.
    pub fn created_at(self) -> Option<DateTime<Utc>> {
        let (seconds, nanoseconds) = self.0.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    }
}

const CONVERSATION_BITS: u16 = 0x0FFF;

/// Both users in one order, hashed by FNV-1a and folded: the same in every function, today and after any update.
fn conversation_hash(one: &UserKey, other: &UserKey) -> u16 {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    // No user key holds a zero byte.
    let bytes = first.as_str().bytes().chain([0]).chain(second.as_str().bytes());
    let hash = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let folded = hash ^ (hash >> 32);
    ((folded ^ (folded >> 12) ^ (folded >> 24)) & u64::from(CONVERSATION_BITS)) as u16
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

/// A time in milliseconds since 1970 as clients see it.
pub fn timestamp_ms(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(DateTime::from_timestamp_millis);
    timestamp(time.unwrap_or_default())
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
    fn a_call_id_has_8_to_64_bytes() {
        let id = |text: &str| CallId::try_from(text.to_owned()).is_ok();
        assert!(id("12345678") && id(&"é".repeat(32)));
        assert!(!id("1234567") && !id(&"é".repeat(33)) && !id(""));
        let (one, other) = (CallId::generate().expect("randomness"), CallId::generate().expect("randomness"));
        assert!(one.as_str().starts_with(SERVER_MADE) && id(one.as_str()));
        assert_ne!(one, other);
    }

    fn generate(one: &str, other: &str, time: &str) -> MessageId {
        let [one, other] = [one, other].map(|name| key(name).expect("a valid key"));
        MessageId::generate(&one, &other, time.parse().expect("a time")).expect("randomness")
    }

    #[test]
    fn message_ids_are_uuids_of_version_7_that_carry_their_time() {
        let id = generate("a", "b", "2026-01-02T03:04:05.678Z");
        assert_eq!((id.0.get_version_num(), id.0.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(id.created_at().map(timestamp).as_deref(), Some("2026-01-02T03:04:05.678Z"));
        assert!(id < generate("a", "b", "2026-01-02T03:04:05.679Z"));
        assert_ne!(id, generate("a", "b", "2026-01-02T03:04:05.678Z"));
    }

    #[test]
    fn an_id_names_its_conversation() {
        let ids = [("a", "b"), ("b", "a"), ("b", "a\u{1F600}"), ("ab", "c"), ("a", "bc")]
            .map(|(one, other)| generate(one, other, "2026-01-02T03:04:05Z"));
        let [to, back, ..] = ids.map(MessageId::conversation);
        assert_eq!(to, back);
        assert_eq!(ids.map(MessageId::conversation), [2309, 2309, 1061, 4074, 259]);
    }

    #[test]
    fn conversations_spread_evenly() {
        let mut counts = vec![0; 4096];
        for number in 0..409_600 {
            let [one, other] =
                [number / 640, number % 640].map(|user| key(&format!("user-{user}")).expect("valid"));
            counts[usize::from(conversation_hash(&one, &other))] += 1;
        }
        // Of a fair hash: 100 on average, with a deviation of 10, twice that where both orders meet.
        assert!(counts.iter().all(|count| (20..=220).contains(count)), "{:?}", counts.iter().max());
    }

    #[test]
    fn short_ids_are_22_characters_in_the_order_of_ids() {
        let mut ids: Vec<_> =
            (0..1000).map(|_| MessageId(Uuid::from_u128(rand(u128::from_be_bytes)))).collect();
        ids.sort();
        let short: Vec<_> = ids.iter().map(|id| id.short()).collect();
        assert!(short.is_sorted());
        for (id, short) in ids.iter().zip(&short) {
            assert_eq!(short.len(), 22);
            assert_eq!(MessageId::parse_short(short), Some(*id));
        }
        for bad in ["", "-", "+---------------------", "----------------------z", "---------------------0"] {
            assert_eq!(MessageId::parse_short(bad), None, "{bad}");
        }
    }

    fn rand<T>(read: impl Fn([u8; 16]) -> T) -> T {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("randomness");
        read(bytes)
    }

    #[test]
    fn the_lowest_id_of_a_time_is_below_all_others() {
        let time = "2026-01-02T03:04:05.678Z";
        let lowest = MessageId::lowest_at(time.parse().expect("a time"));
        assert!(lowest < generate("a", "b", time));
        assert!(lowest > generate("a", "b", "2026-01-02T03:04:05.677Z"));
    }

    #[test]
    fn only_hyphenated_uuids_are_message_ids() {
        let id = generate("a", "b", "2026-01-02T03:04:05Z");
        assert_eq!(MessageId::parse(&id.to_string()), Some(id));
        assert_eq!(MessageId::parse(&id.to_string().replace('-', "")), None);
        assert_eq!(MessageId::parse("not-a-uuid"), None);
    }
}
