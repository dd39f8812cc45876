//! Frames that the server sends, one struct each. Clients ignore fields they do not know.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::client::Echo;
use crate::call::{Reason, Role, Status, Summary};
use crate::error::{Error, FrameError};
use crate::ids::{CallId, ConnectionId, UserKey};

/// Answers `register`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "registered")]
pub struct Registered<'a> {
    /// The user this connection now speaks for.
    #[serde(rename = "userKey")]
    pub user_key: &'a UserKey,
    /// The user's latest event, `0-0` before the first.
    pub event_id: &'a str,
    /// The user's live calls.
    pub calls: &'a [CallEntry<'a>],
    /// The `ref` of the `register` frame.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a str>,
}

/// A live call, as one of its users reads it.
#[derive(Debug, Serialize)]
pub struct CallEntry<'a> {
    call_id: &'a CallId,
    with: &'a UserKey,
    role: Role,
    state: Status,
    /// For how many seconds it is still held for connections to come, while it rings.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_in: Option<u64>,
    /// Whether the connection that reads it takes part.
    #[serde(skip_serializing_if = "Option::is_none")]
    here: Option<bool>,
    /// For how many seconds the peer has been away, while it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    away: Option<u64>,
}

impl<'a> CallEntry<'a> {
    /// The entry of a call, as a connection reads it, or a REST call.
    pub fn new(call: &'a Summary, reader: Option<&ConnectionId>) -> Self {
        Self {
            call_id: &call.call_id,
            with: &call.with,
            role: call.role,
            state: call.status,
            ends_in: call.ends_in,
            here: reader.map(|reader| call.here.contains(reader)),
            away: call.away,
        }
    }
}

/// Tells a connection that a call is over for it, where no client's own `end_call` is relayed.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "end_call")]
pub struct EndCall<'a> {
    /// The other user of the call.
    pub sender: &'a UserKey,
    /// The call.
    pub call_id: &'a CallId,
    /// Why.
    pub reason: Reason,
}

/// Tells the other side of a call that a side's connection is lost, and that it is back.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PeerPresence<'a> {
    /// It may come back.
    PeerDisconnected {
        /// The user that is away.
        sender: &'a UserKey,
        /// The call.
        call_id: &'a CallId,
        /// How many seconds it has for that.
        #[serde(rename = "for")]
        seconds: u64,
    },
    /// It is back.
    PeerReconnected {
        /// The user.
        sender: &'a UserKey,
        /// The call.
        call_id: &'a CallId,
    },
}

/// Tells a participant of a change to a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notification<'a> {
    /// It was sent.
    NewMessage {
        /// The whole message.
        data: &'a RawValue,
        /// The receiving user's event, `<n>-<tag>`.
        event_id: &'a str,
    },
    /// It was edited.
    UpdateMessage {
        /// The whole message.
        data: &'a RawValue,
        /// The receiving user's event, `<n>-<tag>`.
        event_id: &'a str,
    },
    /// It was deleted.
    DeleteMessage {
        /// The message's id.
        data: DeletedMessage<'a>,
        /// The receiving user's event, `<n>-<tag>`.
        event_id: &'a str,
    },
}

/// The data of a deleted message's notification.
#[derive(Debug, Serialize)]
pub struct DeletedMessage<'a> {
    /// The message's id.
    pub id: &'a str,
}

/// Tells both users of a conversation that one of them has read.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "read")]
pub struct Read<'a> {
    /// The reader, and how far they have read.
    pub data: ReadData<'a>,
}

/// How far a conversation has been read.
#[derive(Debug, Serialize)]
pub struct ReadData<'a> {
    /// The user that has read.
    pub reader: &'a UserKey,
    /// The other user.
    pub with: &'a UserKey,
    /// The message up to which everything is read.
    pub message_id: &'a str,
}

/// Answers a frame that was not carried out.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "error")]
pub struct ErrorFrame<'a> {
    error: Cow<'static, str>,
    code: &'static str,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// For how many seconds the offer is held for connections to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_for: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a UserKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
}

impl<'a> ErrorFrame<'a> {
    /// The frame that says why, and what it answers.
    pub fn new(error: &FrameError, echo: &'a Echo) -> Self {
        let (code, sentence) = error.answer();
        Self {
            error: sentence,
            code,
            retry_after: match error {
                FrameError::Failed(Error::RateLimited { seconds }) => Some(*seconds),
                _ => None,
            },
            held_for: match error {
                FrameError::PeerUnavailable { held_for } => *held_for,
                _ => None,
            },
            request_type: echo.request_type.as_deref(),
            target: echo.target.as_ref(),
            call_id: echo.call_id.as_deref(),
            reference: echo.reference.as_deref(),
        }
    }
}

/// A frame as text.
pub fn to_json(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("frames hold texts and JSON only")
}

#[cfg(test)]
mod tests {
    use super::super::client::parse;
    use super::*;

    #[test]
    fn registered_names_user_and_position() {
        let user = UserKey::try_from("a".to_owned()).expect("a valid key");
        let registered =
            |reference| to_json(&Registered { user_key: &user, event_id: "0-0", calls: &[], reference });
        assert_eq!(registered(None), r#"{"type":"registered","userKey":"a","event_id":"0-0","calls":[]}"#);
        assert_eq!(
            registered(Some("r")),
            r#"{"type":"registered","userKey":"a","event_id":"0-0","calls":[],"ref":"r"}"#
        );
    }

    #[test]
    fn notifications_hold_the_message_as_it_is_stored() {
        let message = RawValue::from_string(r#"{"id":"1", "content":"x"}"#.to_owned()).expect("JSON");
        assert_eq!(
            to_json(&Notification::NewMessage { data: &message, event_id: "1-5" }),
            r#"{"type":"new_message","data":{"id":"1", "content":"x"},"event_id":"1-5"}"#
        );
        assert_eq!(
            to_json(&Notification::UpdateMessage { data: &message, event_id: "2-5" }),
            r#"{"type":"update_message","data":{"id":"1", "content":"x"},"event_id":"2-5"}"#
        );
        assert_eq!(
            to_json(&Notification::DeleteMessage { data: DeletedMessage { id: "1" }, event_id: "3-5" }),
            r#"{"type":"delete_message","data":{"id":"1"},"event_id":"3-5"}"#
        );
    }

    #[test]
    fn read_tells_who_read_and_how_far() {
        let [reader, with] = ["a", "b"].map(|key| UserKey::try_from(key.to_owned()).expect("a valid key"));
        assert_eq!(
            to_json(&Read { data: ReadData { reader: &reader, with: &with, message_id: "1" } }),
            r#"{"type":"read","data":{"reader":"a","with":"b","message_id":"1"}}"#
        );
    }

    #[test]
    fn an_error_frame_names_what_it_answers() {
        let refusal = |text, error| to_json(&ErrorFrame::new(&error, &parse(text).0));
        assert_eq!(
            refusal(
                r#"{"type":"offer","target":"bob","ref":"7","call_id":"c"}"#,
                FrameError::PeerUnavailable { held_for: None }
            ),
            r#"{"type":"error","error":"The target has no open connection","code":"peer_unavailable","request_type":"offer","target":"bob","call_id":"c","ref":"7"}"#
        );
        assert_eq!(
            refusal(r#"{"type":5,"target":"","ref":9}"#, FrameError::InvalidTarget),
            r#"{"type":"error","error":"target must be a user key: 1 to 128 bytes, no control characters","code":"invalid_target"}"#
        );
    }
}
