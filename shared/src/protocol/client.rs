//! Frames that clients send. A text is parsed once, here; a handler gets a valid frame.

use strum::{EnumString, VariantNames};

use super::{ice, relay};
use crate::call::Reason;
use crate::error::FrameError;
use crate::ids::{CallId, InvalidUserKey, UserKey};
use crate::json::Object;

/// Longest `ref`, `call_id` and `type` that are echoed, in bytes.
const ECHOED_BYTES: usize = 64;

const NOT_AN_OBJECT: &str = "A frame must be a JSON object";
const NO_TYPE: &str = "A frame needs a type, which is a string";
const INVALID_CALL_ID: &str = "call_id must be a string of 8 to 64 bytes";

/// The `type` of a frame that clients may send; each is a route of its own in `template.yaml`.
#[derive(Clone, Copy, Debug, EnumString, Eq, PartialEq, VariantNames)]
#[strum(serialize_all = "snake_case")]
enum FrameType {
    Register,
    Offer,
    Answer,
    Candidate,
    Ringing,
    EndCall,
    Typing,
    NewMessage,
    UpdateMessage,
    DeleteMessage,
    Ping,
}

/// Every `type` that clients may send.
pub const FRAME_TYPES: &[&str] = FrameType::VARIANTS;

/// A frame that a client sent.
#[derive(Debug)]
pub enum ClientFrame<'a> {
    /// From now on this connection speaks for a user.
    Register(Register),
    /// A signal for another user.
    Signal(Signal<'a>),
    /// A ping, or a hint of an older client. The platform deals with both before any function.
    Ignored,
    /// A `type` that no route knows.
    Unknown,
}

/// The fields of a `register` frame.
#[derive(Debug, Eq, PartialEq)]
pub struct Register {
    /// The user that the connection claims to speak for.
    pub user: Option<UserKey>,
    /// Whether the connection is to be closed when a push to it fails, so that its client reads what it missed.
    pub recover: bool,
    /// The call that the connection takes up again.
    pub call_id: Option<CallId>,
    /// The frame's `ref`, which the answer repeats.
    pub reference: Option<String>,
}

/// A frame to relay.
#[derive(Debug)]
pub struct Signal<'a> {
    /// Its `type`.
    pub kind: SignalType,
    /// The user it is for.
    pub target: UserKey,
    /// The user its sender claims to be, which counts only in open mode and before registering.
    pub claimed: Result<Option<UserKey>, InvalidUserKey>,
    /// The call it names.
    pub call_id: Option<CallId>,
    frame: Object<'a>,
}

/// The `type` of a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignalType {
    /// A session description that opens or renegotiates a call.
    Offer,
    /// A session description that accepts one.
    Answer,
    /// One trickled ICE candidate.
    Candidate,
    /// The callee shows the call.
    Ringing,
    /// The end of a call.
    EndCall,
    /// Its sender is writing a message. Kept nowhere, and never answered.
    Typing,
}

/// The part of a frame that an error frame in answer repeats, as far as it may be echoed.
#[derive(Debug, Default)]
pub struct Echo {
    pub(super) request_type: Option<String>,
    pub(super) target: Option<UserKey>,
    pub(super) call_id: Option<String>,
    pub(super) reference: Option<String>,
}

impl Signal<'_> {
    /// The frame for the peer, with its sender, and with the call's id where it names none.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] if it no longer fits a frame.
    pub fn relay(&self, sender: &UserKey, call: Option<&CallId>) -> Result<String, FrameError> {
        // The other side reads the reason that the call is recorded with.
        let reason = (self.kind == SignalType::EndCall).then(|| self.reason());
        relay::relay(&self.frame, sender, call.filter(|_| self.call_id.is_none()), reason)
    }

    /// Why it ends its call, if it does.
    pub fn reason(&self) -> Reason {
        Reason::of_client(self.frame.text("reason").ok().flatten().as_deref())
    }

    /// The ICE username fragments of its session description.
    pub fn description_ufrags(&self) -> Vec<String> {
        self.frame.get("data").map(ice::of_description).unwrap_or_default()
    }

    /// The ICE username fragment of its candidate.
    pub fn candidate_ufrag(&self) -> Option<String> {
        self.frame.get("data").and_then(ice::of_candidate)
    }
}

/// Parses a frame; what an answer to it repeats is known whether or not it is valid.
pub fn parse(text: &str) -> (Echo, Result<ClientFrame<'_>, FrameError>) {
    let Ok(object) = Object::parse(text.as_bytes()) else {
        return (Echo::default(), Err(FrameError::InvalidFrame(NOT_AN_OBJECT)));
    };
    let echoed = |name| object.text(name).ok().flatten().filter(|text| text.len() <= ECHOED_BYTES);
    let echo = Echo {
        request_type: echoed("type"),
        target: user_key(&object, "target").ok().flatten(),
        call_id: echoed("call_id"),
        reference: echoed("ref"),
    };
    let frame = read(object, &echo);
    (echo, frame)
}

fn read<'a>(object: Object<'a>, echo: &Echo) -> Result<ClientFrame<'a>, FrameError> {
    let Ok(Some(kind)) = object.text("type") else { return Err(FrameError::InvalidFrame(NO_TYPE)) };
    let Ok(kind) = kind.parse::<FrameType>() else { return Ok(ClientFrame::Unknown) };
    let kind = match kind {
        FrameType::Register => {
            let user = user_key(&object, "userKey").map_err(|_| FrameError::InvalidUserKey)?;
            let recover = object.get("recover").is_some_and(|value| value.get() == "true");
            let (call_id, reference) = (call_id(&object), echo.reference.clone());
            return Ok(ClientFrame::Register(Register { user, recover, call_id, reference }));
        }
        FrameType::Offer => SignalType::Offer,
        FrameType::Answer => SignalType::Answer,
        FrameType::Candidate => SignalType::Candidate,
        FrameType::Ringing => SignalType::Ringing,
        FrameType::EndCall => SignalType::EndCall,
        FrameType::Typing => SignalType::Typing,
        FrameType::NewMessage | FrameType::UpdateMessage | FrameType::DeleteMessage | FrameType::Ping => {
            return Ok(ClientFrame::Ignored);
        }
    };
    Ok(ClientFrame::Signal(Signal {
        kind,
        target: echo.target.clone().ok_or(FrameError::InvalidTarget)?,
        claimed: user_key(&object, "userKey"),
        call_id: match kind {
            SignalType::Typing => None,
            SignalType::Ringing => Some(call_id(&object).ok_or(FrameError::InvalidFrame(INVALID_CALL_ID))?),
            _ => call_id(&object),
        },
        frame: object,
    }))
}

/// The call that a frame names. What is no id of a call passes through as any other field does.
fn call_id(object: &Object<'_>) -> Option<CallId> {
    object.text("call_id").ok().flatten().and_then(|text| CallId::try_from(text).ok())
}

fn user_key(object: &Object<'_>, name: &str) -> Result<Option<UserKey>, InvalidUserKey> {
    object.text(name).map_err(|_| InvalidUserKey)?.map(UserKey::try_from).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> UserKey {
        UserKey::try_from(text.to_owned()).expect("a valid key")
    }

    fn call(text: &str) -> CallId {
        CallId::try_from(text.to_owned()).expect("a valid id")
    }

    fn signal(text: &str) -> Signal<'_> {
        match parse(text).1 {
            Ok(ClientFrame::Signal(signal)) => signal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn frame_types_are_written_in_snake_case() {
        assert!(FRAME_TYPES.contains(&"offer") && FRAME_TYPES.contains(&"end_call"), "{FRAME_TYPES:?}");
    }

    #[test]
    fn register_names_its_user() {
        let register = |text: &str| match parse(text).1 {
            Ok(ClientFrame::Register(register)) => Ok(register),
            Err(error) => Err(error.answer().0),
            other => panic!("{other:?}"),
        };
        let reference = Some("7".to_owned());
        assert_eq!(
            register(r#"{"type":"register","userKey":"alice","ref":"7"}"#),
            Ok(Register { user: Some(user("alice")), recover: false, call_id: None, reference })
        );
        assert_eq!(
            register(r#"{"type":"register"}"#),
            Ok(Register { user: None, recover: false, call_id: None, reference: None })
        );
        let recover = |text: &str| register(text).expect("valid").recover;
        assert!(recover(r#"{"type":"register","recover":true}"#));
        assert!(!recover(r#"{"type":"register","recover":"true"}"#));
        assert_eq!(register(r#"{"type":"register","userKey":5}"#), Err("invalid_user_key"));
        assert_eq!(register(r#"{"type":"register","userKey":""}"#), Err("invalid_user_key"));
    }

    #[test]
    fn a_signal_is_read_as_far_as_the_server_needs() {
        let offer = signal(r#"{"type":"offer","target":"bob","userKey":"alice","data":{"sdp":"v=0"}}"#);
        assert_eq!((offer.kind, &offer.target), (SignalType::Offer, &user("bob")));
        assert_eq!(offer.claimed, Ok(Some(user("alice"))));
        assert_eq!(offer.call_id, None);
        assert_eq!(
            offer.relay(&user("alice"), None).expect("it fits"),
            r#"{"type":"offer","target":"bob","userKey":"alice","data":{"sdp":"v=0"},"sender":"alice"}"#
        );
        let end = signal(r#"{"type":"end_call","target":"bob","userKey":7,"call_id":"12345678"}"#);
        assert_eq!(
            (end.kind, end.call_id.clone(), end.reason()),
            (SignalType::EndCall, Some(call("12345678")), Reason::Hangup)
        );
        assert_eq!(end.claimed, Err(InvalidUserKey));
        assert_eq!(signal(r#"{"type":"answer","target":"b"}"#).kind, SignalType::Answer);
        assert_eq!(signal(r#"{"type":"candidate","target":"b"}"#).kind, SignalType::Candidate);
    }

    #[test]
    fn a_frame_that_names_no_call_is_relayed_with_its_id() {
        let relay = |text| signal(text).relay(&user("a"), Some(&call("s-123456"))).expect("it fits");
        assert_eq!(
            relay(r#"{"type":"offer","target":"b"}"#),
            r#"{"type":"offer","target":"b","call_id":"s-123456","sender":"a"}"#
        );
        assert_eq!(
            relay(r#"{"type":"end_call","target":"b","call_id":"12345678","reason":5}"#),
            r#"{"type":"end_call","target":"b","call_id":"12345678","reason":"hangup","sender":"a"}"#
        );
        assert_eq!(
            relay(r#"{"type":"end_call","target":"b","call_id":null}"#),
            r#"{"type":"end_call","target":"b","call_id":"s-123456","sender":"a"}"#
        );
    }

    #[test]
    fn a_client_gives_no_reason_of_the_servers() {
        let relay = |text: &str| signal(text).relay(&user("a"), None).expect("it fits");
        let end = |reason: &str| relay(&format!(r#"{{"type":"end_call","target":"b","reason":"{reason}"}}"#));
        let with = |reason| format!(r#"{{"type":"end_call","target":"b","reason":"{reason}","sender":"a"}}"#);
        for reason in ["answered_elsewhere", "replaced", "disconnected"] {
            assert_eq!(end(reason), with("hangup"));
        }
        assert_eq!(end("declined"), with("declined"));
        assert_eq!(end("boredom"), with("hangup"));
        let answer = r#"{"type":"answer","target":"b","reason":"replaced"}"#;
        assert_eq!(relay(answer), r#"{"type":"answer","target":"b","reason":"replaced","sender":"a"}"#);
    }

    #[test]
    fn what_is_no_call_id_names_no_call() {
        for id in ["1", "\"1234567\"", "{}"] {
            let offer = format!(r#"{{"type":"offer","target":"b","call_id":{id}}}"#);
            assert_eq!(signal(&offer).call_id, None);
            let relayed = signal(&offer).relay(&user("a"), Some(&call("s-123456"))).expect("it fits");
            // The other client sees the id by which the server knows the call.
            assert_eq!(relayed, r#"{"type":"offer","target":"b","call_id":"s-123456","sender":"a"}"#);
            let ringing = offer.replace("offer", "ringing");
            assert!(matches!(parse(&ringing).1, Err(FrameError::InvalidFrame(INVALID_CALL_ID))), "{ringing}");
        }
        let ringing = parse(r#"{"type":"ringing","target":"b"}"#).1;
        assert!(matches!(ringing, Err(FrameError::InvalidFrame(INVALID_CALL_ID))));
    }

    #[test]
    fn a_signal_needs_a_target() {
        for target in ["", r#","target":null"#, r#","target":5"#, r#","target":"""#] {
            let text = format!(r#"{{"type":"offer"{target}}}"#);
            assert!(matches!(parse(&text).1, Err(FrameError::InvalidTarget)), "{text}");
        }
    }

    #[test]
    fn of_a_repeated_field_the_last_counts() {
        let offer = signal(r#"{"type":"offer","target":"bob","target":"carol"}"#);
        assert_eq!(offer.target, user("carol"));
        assert_eq!(
            offer.relay(&user("a"), None).expect("it fits"),
            r#"{"type":"offer","target":"carol","sender":"a"}"#
        );
    }

    #[test]
    fn the_platforms_frames_reach_no_function_and_others_are_unknown() {
        for kind in ["ping", "new_message", "update_message", "delete_message"] {
            let text = format!(r#"{{"type":"{kind}"}}"#);
            assert!(matches!(parse(&text).1, Ok(ClientFrame::Ignored)), "{kind}");
        }
        for kind in ["", "Offer", "endCall", "registered", "$default", "😀"] {
            let text = format!(r#"{{"type":"{kind}"}}"#);
            assert!(matches!(parse(&text).1, Ok(ClientFrame::Unknown)), "{kind}");
        }
    }

    #[test]
    fn only_objects_with_a_type_are_frames() {
        let refusal = |text| match parse(text).1 {
            Err(FrameError::InvalidFrame(sentence)) => sentence,
            other => panic!("{text}: {other:?}"),
        };
        for text in
            ["", "null", "[]", "[\"offer\"]", "1", "\"offer\"", "{", "{\"type\":\"offer\"} x", "{'a':1}"]
        {
            assert_eq!(refusal(text), NOT_AN_OBJECT, "{text}");
        }
        for text in ["{}", r#"{"type":5}"#, r#"{"type":null}"#, r#"{"Type":"offer"}"#] {
            assert_eq!(refusal(text), NO_TYPE, "{text}");
        }
    }
}
