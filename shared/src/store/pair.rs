//! Two users, who have at most one call.

use super::keys;
use crate::ids::UserKey;
use crate::uri::{decode, encode};

/// Two users, in one order.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Pair(UserKey, UserKey);

impl Pair {
    /// The pair of two users.
    pub fn of(one: &UserKey, other: &UserKey) -> Self {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        Self(first.clone(), second.clone())
    }

    /// The two users.
    pub fn users(&self) -> [&UserKey; 2] {
        [&self.0, &self.1]
    }

    /// The other one of the two.
    pub fn peer_of(&self, user: &UserKey) -> &UserKey {
        if self.0 == *user { &self.1 } else { &self.0 }
    }

    /// The field by which a connection of this user notes a call with the other.
    pub(super) fn note(&self, user: &UserKey) -> String {
        format!("{}{},{}", keys::CALL_NOTE, encode(user.as_str()), encode(self.peer_of(user).as_str()))
    }

    /// The pair that a field of a connection notes, if it does, and the connection's user in it.
    pub(super) fn of_note(field: &str) -> Option<(UserKey, Self)> {
        let (user, peer) = field.strip_prefix(keys::CALL_NOTE)?.split_once(',')?;
        let [user, peer] = [user, peer].map(|text| UserKey::try_from(decode(text)?).ok());
        let (user, peer) = (user?, peer?);
        let pair = Self::of(&user, &peer);
        Some((user, pair))
    }
}
