//! Hints: the calls that a user may be in. The line between the two users tells whether it is.

use crate::ids::{CallId, UserKey};
use crate::uri::decode;

/// How many of a user's hints are read, the newest.
pub(super) const HINTS_READ: usize = 40;

/// A call that a user may be in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hint {
    /// The other user.
    pub peer: UserKey,
    /// The call.
    pub id: CallId,
}

pub(super) fn read_hints(members: &[String]) -> Vec<Hint> {
    let hint = |member: &String| {
        let (id, peer) = member.split_once(' ')?;
        let (id, peer) = (CallId::try_from(decode(id)?).ok()?, UserKey::try_from(decode(peer)?).ok()?);
        Some(Hint { peer, id })
    };
    members.iter().filter_map(hint).collect()
}
