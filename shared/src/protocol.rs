//! The WebSocket frames: what clients send and what they get.
//!
//! Signals are relayed, not modelled: a few fields are read, all others pass through byte for byte.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::FrameError;
use crate::ids::UserKey;

/// Largest frame a client can be sent, in bytes (API Gateway's
/// [quota](https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html)).
pub const FRAME_BYTES: usize = 131_072;

/// Longest `ref` and `call_id` that are echoed, in bytes.
pub const REFERENCE_BYTES: usize = 64;

/// The types clients may send; each is a route of its own in `template.yaml`.
pub const CLIENT_TYPES: [&str; 9] = [
    "register",
    "offer",
    "answer",
    "candidate",
    "end_call",
    "new_message",
    "update_message",
    "delete_message",
    "ping",
];

/// The `type` of a signaling frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// A session description that opens or renegotiates a call.
    Offer,
    /// A session description that accepts one.
    Answer,
    /// One trickled ICE candidate.
    Candidate,
    /// The end of a call.
    EndCall,
}

impl Signal {
    /// Reads a frame's `type`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "offer" => Some(Self::Offer),
            "answer" => Some(Self::Answer),
            "candidate" => Some(Self::Candidate),
            "end_call" => Some(Self::EndCall),
            _ => None,
        }
    }
}

/// A frame as a client sent it: its fields in order, their values unread.
#[derive(Debug)]
pub struct Frame<'a> {
    fields: Vec<(String, &'a RawValue)>,
}

impl<'a> Frame<'a> {
    /// Splits a JSON object into its fields. Of a repeated field the last one counts.
    ///
    /// # Errors
    /// [`FrameError::InvalidFrame`] for anything but a JSON object.
    pub fn parse(text: &'a str) -> Result<Self, FrameError> {
        serde_json::from_str(text).map_err(|_| FrameError::InvalidFrame("A frame must be a JSON object"))
    }

    /// A field's value, where that is a string.
    pub fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        serde_json::from_str(value.get()).ok()
    }

    /// A field that holds a user key; `None` where the field is missing or `null`.
    ///
    /// # Errors
    /// Any other value.
    pub fn user_key(&self, name: &str) -> Result<Option<UserKey>, crate::ids::InvalidUserKey> {
        match self.fields.iter().find(|(field, _)| field == name) {
            None => Ok(None),
            Some((_, value)) => serde_json::from_str(value.get()).map_err(|_| crate::ids::InvalidUserKey),
        }
    }

    /// The frame's `ref`, where it is one that may be echoed.
    pub fn reference(&self) -> Option<String> {
        self.echoed("ref")
    }

    /// The frame for the other side: `sender` set, `userKey` corrected, all else as it came.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] if it no longer fits [`FRAME_BYTES`].
    pub fn relay(&self, sender: &UserKey) -> Result<String, FrameError> {
        let sender = serde_json::to_string(sender).map_err(|error| FrameError::Internal(internal(error)))?;
        let mut relayed = String::from("{");
        for (name, value) in self.fields.iter().filter(|(name, _)| name != "sender") {
            let value = if name == "userKey" { &sender } else { value.get() };
            let name = serde_json::to_string(name).map_err(|error| FrameError::Internal(internal(error)))?;
            relayed.extend([&name, ":", value, ","]);
        }
        relayed.extend(["\"sender\":", &sender, "}"]);
        if relayed.len() > FRAME_BYTES { Err(FrameError::TooLarge) } else { Ok(relayed) }
    }

    /// The error frame that answers this one.
    pub fn refuse(&self, error: &FrameError) -> String {
        let (code, sentence) = error.answer();
        to_json(&ErrorFrame {
            kind: "error",
            error: sentence,
            code,
            request_type: self.text("type").filter(|kind| kind.len() <= REFERENCE_BYTES),
            target: self.user_key("target").ok().flatten(),
            call_id: self.echoed("call_id"),
            reference: self.reference(),
        })
    }

    /// The error frame for a text that is no frame at all.
    pub fn refuse_unreadable(error: &FrameError) -> String {
        Frame { fields: Vec::new() }.refuse(error)
    }

    fn echoed(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| text.len() <= REFERENCE_BYTES)
    }
}

fn internal(error: serde_json::Error) -> crate::error::Error {
    crate::error::Error::Internal(error.into())
}

impl<'de: 'a, 'a> Deserialize<'de> for Frame<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Self::Value = Vec::new();
                let mut places = std::collections::HashMap::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if fields.len() == FRAME_BYTES {
                        return Err(A::Error::custom("too many fields"));
                    }
                    match places.get(&name) {
                        Some(&place) => fields[place] = (name, value),
                        None => {
                            places.insert(name.clone(), fields.len());
                            fields.push((name, value));
                        }
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Fields).map(|fields| Frame { fields })
    }
}

/// Answers `register`.
#[derive(Debug, Serialize)]
pub struct Registered<'a> {
    /// Always `registered`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The user this connection now speaks for.
    #[serde(rename = "userKey")]
    pub user_key: &'a UserKey,
    /// The user's latest event, `0-0` before the first.
    pub event_id: &'a str,
    /// As in the `register` frame.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Tells a participant of a change to a message.
#[derive(Debug, Serialize)]
pub struct Notification<'a, T> {
    /// `new_message`, `update_message` or `delete_message`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The whole message; of a deleted one its `id`.
    pub data: &'a T,
    /// The receiving user's event, `<n>-<tag>`.
    pub event_id: &'a str,
}

/// What a `delete_message` tells.
#[derive(Debug, Serialize)]
pub struct DeletedMessage {
    /// The message's id.
    pub id: String,
}

/// Answers a frame that was not carried out.
#[derive(Debug, Serialize)]
struct ErrorFrame {
    #[serde(rename = "type")]
    kind: &'static str,
    error: &'static str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<UserKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

/// A frame as text.
pub fn to_json(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("frames hold strings only")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> UserKey {
        UserKey::try_from(text.to_owned()).expect("a valid key")
    }

    #[test]
    fn a_relayed_frame_keeps_every_field_as_it_came() {
        let sent = r#"{"type":"offer", "target":"bob","userKey":"mallory","data":{"sdp":"v=0\r\n", "n":1e400,"z":[1, 2]},"sdpMid":null,"x":0.10}"#;
        let relayed = Frame::parse(sent).expect("a frame").relay(&user("alice")).expect("it fits");
        assert_eq!(
            relayed,
            r#"{"type":"offer","target":"bob","userKey":"alice","data":{"sdp":"v=0\r\n", "n":1e400,"z":[1, 2]},"sdpMid":null,"x":0.10,"sender":"alice"}"#
        );
    }

    #[test]
    fn a_sender_cannot_be_forged() {
        let sent = r#"{"sender":"bob","type":"answer","target":"bob"}"#;
        let relayed = Frame::parse(sent).expect("a frame").relay(&user("a\"b")).expect("it fits");
        assert_eq!(relayed, r#"{"type":"answer","target":"bob","sender":"a\"b"}"#);
    }

    #[test]
    fn of_a_repeated_field_the_last_counts() {
        let frame = Frame::parse(r#"{"type":"offer","target":"bob","target":"carol"}"#).expect("a frame");
        assert_eq!(frame.user_key("target"), Ok(Some(user("carol"))));
        assert_eq!(
            frame.relay(&user("a")).expect("it fits"),
            r#"{"type":"offer","target":"carol","sender":"a"}"#
        );
    }

    #[test]
    fn only_objects_are_frames() {
        for text in
            ["", "null", "[]", "[\"offer\"]", "1", "\"offer\"", "{", "{\"type\":\"offer\"} x", "{'a':1}"]
        {
            assert!(Frame::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_passes_through() {
        let deep = format!("{{\"type\":\"offer\",\"data\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
        let relayed = Frame::parse(&deep).expect("a frame").relay(&user("a")).expect("it fits");
        assert!(relayed.contains(&"[".repeat(50_000)));
    }

    #[test]
    fn a_frame_that_outgrows_the_limit_is_refused() {
        let large = format!("{{\"type\":\"offer\",\"data\":\"{}\"}}", "x".repeat(FRAME_BYTES - 30));
        let frame = Frame::parse(&large).expect("a frame");
        assert!(matches!(frame.relay(&user("alice")), Err(FrameError::TooLarge)));
    }

    #[test]
    fn an_error_frame_names_what_it_answers() {
        let frame =
            Frame::parse(r#"{"type":"offer","target":"bob","ref":"7","call_id":"c"}"#).expect("a frame");
        assert_eq!(
            frame.refuse(&FrameError::PeerUnavailable),
            r#"{"type":"error","error":"The target has no open connection","code":"peer_unavailable","request_type":"offer","target":"bob","call_id":"c","ref":"7"}"#
        );
        let other = Frame::parse(r#"{"type":5,"target":"","ref":9}"#).expect("a frame");
        assert_eq!(
            other.refuse(&FrameError::InvalidTarget),
            r#"{"type":"error","error":"target must be a user key: 1 to 128 bytes, no control characters","code":"invalid_target"}"#
        );
    }

    #[test]
    fn frames_we_send_have_their_shape() {
        let registered = Registered {
            kind: "registered",
            user_key: &user("a"),
            event_id: "0-0",
            reference: Some("r".into()),
        };
        assert_eq!(to_json(&registered), r#"{"type":"registered","userKey":"a","event_id":"0-0","ref":"r"}"#);
        let data = DeletedMessage { id: "1".into() };
        let notification = Notification { kind: "delete_message", data: &data, event_id: "1-5" };
        assert_eq!(to_json(&notification), r#"{"type":"delete_message","data":{"id":"1"},"event_id":"1-5"}"#);
    }
}
