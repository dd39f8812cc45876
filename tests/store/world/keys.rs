//! Where things are stored, for users and connections whose names need no encoding.

use shared::ids::{ConnectionId, MessageId, UserKey};
use shared::message::Message;

pub(crate) const ALL: &str = "all";

pub(crate) fn message(message: &Message) -> String {
    key_of(super::id(message))
}

pub(crate) fn key_of(id: MessageId) -> String {
    const DIGITS: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
    let digit = |bits: u16| char::from(DIGITS[usize::from(bits % 64)]);
    let conversation = id.conversation();
    format!("m:{{{}{}}}:{}", digit(conversation / 64), digit(conversation), id.short())
}

pub(crate) fn all(user: &UserKey) -> String {
    format!("u:{{{}}}:all", user.as_str())
}

pub(crate) fn to(user: &UserKey, peer: &UserKey) -> String {
    format!("u:{{{}}}:to:{}", user.as_str(), peer.as_str())
}

pub(crate) fn from(user: &UserKey, peer: &UserKey) -> String {
    format!("u:{{{}}}:from:{}", user.as_str(), peer.as_str())
}

pub(crate) fn conversations(user: &UserKey) -> String {
    format!("u:{{{}}}:conversations", user.as_str())
}

pub(crate) fn events(user: &UserKey) -> String {
    format!("u:{{{}}}:events", user.as_str())
}

pub(crate) fn gone(user: &UserKey) -> String {
    format!("u:{{{}}}:gone", user.as_str())
}

pub(crate) fn claim(user: &UserKey, client_id: &str) -> String {
    format!("u:{{{}}}:sent:{client_id}", user.as_str())
}

pub(crate) fn moved(user: &UserKey, id: &ConnectionId) -> String {
    format!("u:{{{}}}:moved:{}", user.as_str(), id.as_str())
}

/// A connection's entries among a user's: a plain one, and one that recovers.
pub(crate) fn members(id: &ConnectionId) -> [String; 2] {
    ["-", "r"].map(|kind| format!("{kind}{}", id.as_str()))
}

pub(crate) fn connections(user: &UserKey) -> String {
    format!("u:{{{}}}:connections", user.as_str())
}

pub(crate) fn connection(id: &ConnectionId) -> String {
    format!("connection:{{{}}}", id.as_str())
}
