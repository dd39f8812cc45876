//! JSON objects as clients send them: split into fields, whose values are read when they are asked for.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Most fields that an object may have.
const MOST_FIELDS: usize = 65_536;

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// An object's fields in order, their values as they were written. Of a repeated field the last one counts.
#[derive(Debug, Default)]
pub(crate) struct Object<'a> {
    fields: Vec<(String, &'a RawValue)>,
}

/// Why a text is no object.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ParseError {
    /// It is not JSON in UTF-8.
    #[error("not JSON")]
    NotJson,
    /// It is JSON of another type.
    #[error("no JSON object")]
    NotAnObject,
}

/// A field has a value of another type than the one that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a value of another type")]
pub(crate) struct WrongType;

impl<'a> Object<'a> {
    /// Splits a text; a leading byte order mark is ignored.
    ///
    /// # Errors
    /// Anything but one JSON object.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, ParseError> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let object = text.trim_ascii_start().starts_with(b"{");
        match serde_json::from_slice::<&RawValue>(text) {
            Err(_) => Err(ParseError::NotJson),
            Ok(_) if !object => Err(ParseError::NotAnObject),
            Ok(raw) => serde_json::from_str(raw.get()).map_err(|_| ParseError::NotJson),
        }
    }

    /// A field's value as it was written.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| *value)
    }

    /// A field's text; `None` where the field is missing or `null`. Half a surrogate pair becomes U+FFFD.
    ///
    /// # Errors
    /// A value of another type.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, WrongType> {
        let Some(value) = self.get(name).filter(|value| value.get() != "null") else { return Ok(None) };
        serde_json::from_str(value.get()).map(|Text(text)| Some(text)).map_err(|_| WrongType)
    }

    /// All fields, in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Self::Value = Vec::new();
                let mut places = HashMap::new();
                while let Some((Text(name), value)) = map.next_entry::<Text, &'de RawValue>()? {
                    match places.get(&name) {
                        Some(&place) => fields[place] = (name, value),
                        None if fields.len() == MOST_FIELDS => {
                            return Err(A::Error::custom("too many fields"));
                        }
                        None => {
                            places.insert(name.clone(), fields.len());
                            fields.push((name, value));
                        }
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Fields).map(|fields| Object { fields })
    }
}

/// A string whose unpaired surrogates, which no UTF-8 can hold, are replaced.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(replace_surrogates(bytes)))
            }
        }

        // serde_json reads a lone surrogate in bytes as the three bytes that UTF-8 forbids, and refuses it in text.
        deserializer.deserialize_bytes(Bytes)
    }
}

fn replace_surrogates(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // The first byte of such a surrogate is an invalid sequence of its own, the other two are one each.
        if chunk.invalid().first() == Some(&0xED) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// JSON whose escapes of unpaired surrogates are replaced; all else stays as it was written.
pub(crate) fn replace_escaped_surrogates(json: &str) -> String {
    const REPLACEMENT: &str = "\\ufffd";
    let unit = |at: usize| {
        let digits = json.get(at..at + REPLACEMENT.len())?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut replaced = String::with_capacity(json.len());
    let mut rest = 0;
    while let Some(found) = json[rest..].find('\\') {
        let at = rest + found;
        replaced.push_str(&json[rest..at]);
        let length = match (unit(at), unit(at + REPLACEMENT.len())) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 2 * REPLACEMENT.len(),
            (Some(0xD800..=0xDFFF), _) => {
                replaced.push_str(REPLACEMENT);
                rest = at + REPLACEMENT.len();
                continue;
            }
            (Some(_), _) => REPLACEMENT.len(),
            (None, _) => 2,
        };
        rest = at + length;
        replaced.push_str(&json[at..rest]);
    }
    replaced.push_str(&json[rest..]);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str, name: &str) -> Result<Option<String>, WrongType> {
        Object::parse(json.as_bytes()).expect("an object").text(name)
    }

    #[test]
    fn of_a_repeated_field_the_last_counts() {
        assert_eq!(text(r#"{"a":"1","b":"2","a":"3"}"#, "a"), Ok(Some("3".into())));
    }

    #[test]
    fn a_text_is_a_string_or_missing() {
        assert_eq!(text("{}", "a"), Ok(None));
        assert_eq!(text(r#"{"a":null}"#, "a"), Ok(None));
        assert_eq!(text(r#"{"a":""}"#, "a"), Ok(Some(String::new())));
        for other in ["1", "true", "[\"x\"]", "{}", "[104]"] {
            assert_eq!(text(&format!("{{\"a\":{other}}}"), "a"), Err(WrongType), "{other}");
        }
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        for text in ["null", "[]", "[{\"a\":1}]", "1", " \"a\""] {
            assert_eq!(Object::parse(text.as_bytes()).err(), Some(ParseError::NotAnObject), "{text}");
        }
        for text in ["", " ", "{", "{'a':1}", "{\"a\":1} x", "{\"a\":1}{}", "{\"a\":}", "{a:1}"] {
            assert_eq!(Object::parse(text.as_bytes()).err(), Some(ParseError::NotJson), "{text}");
        }
        assert_eq!(Object::parse(b"{\"a\":\"\xff\"}").err(), Some(ParseError::NotJson));
    }

    #[test]
    fn a_byte_order_mark_is_ignored() {
        assert_eq!(text("\u{FEFF}{\"a\":\"\u{FEFF}\"}", "a"), Ok(Some("\u{FEFF}".into())));
        assert!(Object::parse("\u{FEFF}\u{FEFF}{}".as_bytes()).is_err());
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        assert_eq!(text(r#"{"a":"x\ud83dy"}"#, "a"), Ok(Some("x\u{FFFD}y".into())));
        assert_eq!(text(r#"{"a":"\ude00\ud83d"}"#, "a"), Ok(Some("\u{FFFD}\u{FFFD}".into())));
        assert_eq!(text(r#"{"a":"\ud83d\ude00 \ud7ff é"}"#, "a"), Ok(Some("\u{1F600} \u{D7FF} é".into())));
        assert_eq!(text(r#"{"\ud83d":"x"}"#, "\u{FFFD}"), Ok(Some("x".into())));
    }

    #[test]
    fn escaped_surrogates_without_their_other_half_are_replaced() {
        for same in [r#"{"a":"\ud83d\ude00 \u00e9 \\ \" 😀"}"#, r#""\\ud800""#, "{}", r#""\\\\\n""#] {
            assert_eq!(replace_escaped_surrogates(same), same);
        }
        assert_eq!(replace_escaped_surrogates(r#"["\uD83D","\ud83dx"]"#), r#"["\ufffd","\ufffdx"]"#);
        assert_eq!(
            replace_escaped_surrogates(r#""\ude00\ud83d\ud83d\ude00""#),
            r#""\ufffd\ufffd\ud83d\ude00""#
        );
    }

    #[test]
    fn values_stay_as_written() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
        let object = Object::parse(deep.as_bytes()).expect("an object");
        assert_eq!(object.get("a").map(|value| value.get().len()), Some(100_000));
        let object = Object::parse(br#"{"n": 1e400 ,"z":[1, 2]}"#).expect("an object");
        let fields: Vec<_> = object.fields().map(|(name, value)| (name, value.get())).collect();
        assert_eq!(fields, [("n", "1e400"), ("z", "[1, 2]")]);
    }
}
