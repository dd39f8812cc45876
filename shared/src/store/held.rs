//! Frames that are held until they can be delivered.

use crate::ids::{CallId, ConnectionId, UserKey};
use crate::uri::{decode, encode};

/// A frame that is held, and what tells to which description it belongs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// When it reached the platform.
    pub at: u64,
    /// The call it names.
    pub id: Option<CallId>,
    /// Its ICE username fragment.
    pub ufrag: Option<String>,
    /// The frame, as it is relayed.
    pub frame: String,
}

/// The frames that a swap handed over.
#[derive(Debug, Default)]
pub struct Handed {
    /// From the offer that rings.
    pub ring: Vec<Held>,
    /// Early candidates.
    pub early: Vec<Held>,
    /// Frames that waited for a user.
    pub waiting: Vec<Held>,
}

/// A list of frames.
#[derive(Clone, Copy, Debug)]
pub enum List<'a> {
    /// Candidates of a connection that came before their description.
    Early(&'a ConnectionId),
    /// The offer that rings, and its candidates.
    Ring,
    /// Frames that wait for a user that is away.
    Waiting(&'a UserKey),
}

impl Held {
    /// The frame, as one of a call.
    pub fn in_call(&self, call: Option<&CallId>) -> String {
        let (None, Some(id), Some(fields)) = (&self.id, call, self.frame.strip_prefix('{')) else {
            return self.frame.clone();
        };
        format!(r#"{{"call_id":{},{fields}"#, serde_json::Value::from(id.as_str()))
    }

    pub(super) fn to_entry(&self) -> String {
        let field =
            |text: Option<&str>| text.map_or_else(|| "-".to_owned(), |text| format!("={}", encode(text)));
        let (id, ufrag) = (field(self.id.as_ref().map(CallId::as_str)), field(self.ufrag.as_deref()));
        format!("{} {id} {ufrag} {}", self.at, self.frame)
    }

    fn of_entry(entry: &str) -> Option<Self> {
        let mut parts = entry.splitn(4, ' ');
        let at = parts.next()?.parse().ok()?;
        let mut field = || parts.next().map(|text| text.strip_prefix('=').and_then(decode));
        let (id, ufrag) = (field()?, field()?);
        Some(Self {
            at,
            id: id.and_then(|id| CallId::try_from(id).ok()),
            ufrag,
            frame: parts.next()?.to_owned(),
        })
    }
}

pub(super) fn read_held(entries: &[String]) -> Vec<Held> {
    entries.iter().filter_map(|entry| Held::of_entry(entry)).collect()
}
