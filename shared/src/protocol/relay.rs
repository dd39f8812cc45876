//! Signals on their way: relayed, not modelled. A few fields are the server's, all others pass through as they came.

use crate::call::Reason;
use crate::error::{Error, FrameError};
use crate::ids::{CallId, UserKey};
use crate::json::Object;

/// Largest frame a client can be sent, in bytes (API Gateway's
/// [quota](https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html)).
pub(super) const FRAME_BYTES: usize = 131_072;

/// The fields that only the server sets. It drops a client's `event_id`: only notifications have one.
const SENDER: &str = "sender";
const USER_KEY: &str = "userKey";
const EVENT_ID: &str = "event_id";

/// The field that the server sets where a frame names no call.
const CALL_ID: &str = "call_id";

/// The field that the server corrects where it holds what is no client's reason.
const REASON: &str = "reason";

/// The frame for the peer: `sender` set, `userKey` corrected where there is one, `event_id` dropped, and `call_id` and
/// `reason` set if they are given.
///
/// # Errors
/// [`FrameError::TooLarge`] if it no longer fits [`FRAME_BYTES`].
pub(super) fn relay(
    frame: &Object<'_>,
    sender: &UserKey,
    call: Option<&CallId>,
    reason: Option<Reason>,
) -> Result<String, FrameError> {
    let quoted = |text: &str| serde_json::to_string(text).map_err(|error| Error::Internal(error.into()));
    let sender = quoted(sender.as_str())?;
    let reason = reason.map(|reason| quoted(reason.as_str())).transpose()?;
    let mut relayed = String::from("{");
    for (name, value) in frame.fields() {
        let value = match name {
            SENDER | EVENT_ID => continue,
            CALL_ID if call.is_some() => continue,
            USER_KEY => &sender,
            REASON => reason.as_deref().unwrap_or(value.get()),
            _ => value.get(),
        };
        relayed.extend([&quoted(name)?, ":", value, ","]);
    }
    if let Some(call) = call {
        relayed.extend([&quoted(CALL_ID)?, ":", &quoted(call.as_str())?, ","]);
    }
    relayed.extend([&quoted(SENDER)?, ":", &sender, "}"]);
    if relayed.len() > FRAME_BYTES { Err(FrameError::TooLarge) } else { Ok(relayed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relayed(frame: &str, sender: &str) -> Result<String, FrameError> {
        let sender = UserKey::try_from(sender.to_owned()).expect("a valid key");
        relay(&Object::parse(frame.as_bytes()).expect("an object"), &sender, None, None)
    }

    #[test]
    fn every_field_passes_as_it_came() {
        let sent = r#"{"type":"offer", "target":"bob","userKey":"mallory","data":{"sdp":"v=0\r\n", "n":1e400,"z":[1, 2]},"sdpMid":null,"x":0.10}"#;
        assert_eq!(
            relayed(sent, "alice").expect("it fits"),
            r#"{"type":"offer","target":"bob","userKey":"alice","data":{"sdp":"v=0\r\n", "n":1e400,"z":[1, 2]},"sdpMid":null,"x":0.10,"sender":"alice"}"#
        );
    }

    #[test]
    fn the_servers_own_fields_are_not_taken_from_clients() {
        let sent = r#"{"sender":"bob","event_id":"1-2","type":"answer","target":"bob"}"#;
        assert_eq!(
            relayed(sent, "a\"b").expect("it fits"),
            r#"{"type":"answer","target":"bob","sender":"a\"b"}"#
        );
    }

    #[test]
    fn a_frame_that_outgrows_the_limit_is_refused() {
        let large = format!("{{\"type\":\"offer\",\"data\":\"{}\"}}", "x".repeat(FRAME_BYTES - 30));
        assert!(matches!(relayed(&large, "alice"), Err(FrameError::TooLarge)));
    }
}
