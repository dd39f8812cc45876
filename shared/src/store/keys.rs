//! Every key: its type, who writes it and what removes it. No key text stands anywhere else.
//!
//! | key | type | written by | removed by |
//! |---|---|---|---|
//! | `message:{id}` | string: the message's JSON, or a tombstone's | create, update, delete | tombstone: 25 h |
//! | `timeline` | sorted set of ids, all scores 0 | create, in open mode only | delete |
//! | `user:{u}:timeline` | likewise, of the user's messages | create | delete |
//! | `conversation:{a,b}` | likewise, between two users | create | delete |
//! | `user:{u}:events` | stream of near 1,000 entries `n-tag` | create, update, delete | trimming |
//! | `user:{u}:connections` | sorted set of connection ids by expiry (ms) | register | disconnect, a gone push, expiry |
//! | `connection:{id}` | hash: `user`, `left`, `echo` | connect with a ticket, register, end of a call | disconnect, a gone push, expiry |
//! | `call:{a,b}` | hash: `state`, per connection what it has described | signaling | its end, 24 h |
//! | `call:{a,b}:held:id` | list of early candidates of a connection | signaling | delivery, 10 s |
//! | `ticket:{t}` | string: the user it is for | create-ticket | connect, 30 s |
//!
//! The braces are Redis Cluster's
//! [hash tags](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags):
//! keys with the same text between them share a slot. Client text is percent-encoded, so that no user key
//! can close a tag early or reach another user's keys.

use crate::ids::{ConnectionId, UserKey};

/// All message ids, for listings in open mode.
pub(super) const TIMELINE: &str = "timeline";

pub(super) fn message(id: &str) -> String {
    format!("message:{{{}}}", encode(id))
}

pub(super) fn user_timeline(user: &UserKey) -> String {
    format!("user:{{{}}}:timeline", encode(user.as_str()))
}

pub(super) fn user_events(user: &UserKey) -> String {
    format!("user:{{{}}}:events", encode(user.as_str()))
}

pub(super) fn user_connections(user: &UserKey) -> String {
    format!("user:{{{}}}:connections", encode(user.as_str()))
}

pub(super) fn conversation(one: &UserKey, other: &UserKey) -> String {
    format!("conversation:{{{}}}", pair(one, other))
}

pub(super) fn connection(id: &ConnectionId) -> String {
    format!("connection:{{{}}}", encode(id.as_str()))
}

pub(super) fn call(one: &UserKey, other: &UserKey) -> String {
    format!("call:{{{}}}", pair(one, other))
}

pub(super) fn held_candidates(one: &UserKey, other: &UserKey, connection: &ConnectionId) -> String {
    format!("call:{{{}}}:held:{}", pair(one, other), encode(connection.as_str()))
}

pub(super) fn ticket(ticket: &str) -> String {
    format!("ticket:{{{}}}", encode(ticket))
}

/// Two users in one order, whichever comes first.
fn pair(one: &UserKey, other: &UserKey) -> String {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    format!("{},{}", encode(first.as_str()), encode(second.as_str()))
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' | '{' | '}' | ':' | ',' => encoded.push_str(&format!("%{:02X}", u32::from(character))),
            other => encoded.push(other),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn user(text: &str) -> UserKey {
        UserKey::try_from(text.to_owned()).expect("a valid key")
    }

    #[test]
    fn keys_that_change_together_share_a_slot() {
        let tag = |key: String| key[key.find('{').expect("{")..=key.find('}').expect("}")].to_owned();
        let alice = user("{a}:}l,%");
        let tags: HashSet<_> =
            [user_timeline(&alice), user_events(&alice), user_connections(&alice)].map(tag).into();
        assert_eq!(tags.len(), 1);
        let id = ConnectionId::from_platform("x}=");
        assert_eq!(tag(call(&alice, &user("b"))), tag(held_candidates(&user("b"), &alice, &id)));
    }

    #[test]
    fn no_two_users_or_pairs_meet() {
        let names = ["a", "a,b", "a%2Cb", "b", "{a}", "a}", "a:timeline", "%", "%25", "{", "\u{1F600}"];
        let mut seen = HashSet::new();
        for name in names {
            assert!(seen.insert(user_events(&user(name))), "{name}");
        }
        for (place, one) in names.iter().enumerate() {
            for other in &names[place..] {
                assert!(seen.insert(call(&user(one), &user(other))), "{one} {other}");
                assert_eq!(call(&user(one), &user(other)), call(&user(other), &user(one)));
            }
        }
    }
}
