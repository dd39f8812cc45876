//! Every key: its type, who writes it and what removes it. No key text stands anywhere else.
//!
//! | key | type | written by | removed by |
//! |---|---|---|---|
//! | `m:{t}:<id>` | string: the message as the exact JSON that clients get; after a delete its tombstone | create, update, delete | retention; a tombstone: 25 h |
//! | `u:{u}:all` | sorted set of ids, all scores 0: the user's messages | create | delete, retention |
//! | `u:{u}:to:<peer>` | likewise, those sent to one peer | create | delete, retention |
//! | `u:{u}:from:<peer>` | likewise, those received from one | create | delete, retention |
//! | `u:{u}:conversations` | sorted set, all scores 0: `<last id><peer>` | create, delete | delete of the last message, erasing the user, retention |
//! | `u:{u}:read`, `u:{u}:read-by` | hashes by peer: the user's markers, the peers' markers | mark-read | erasing either user, retention |
//! | `u:{u}:events` | list of the newest 1,000 `<n>-<tag> <change> <id>` | create, update, delete | trimming, erasing the user, retention |
//! | `u:{u}:gone` | sorted set of ids by the time (ms) their delete was told here | delete | 10 min |
//! | `u:{u}:sent:<client_id>` | string: claimed id, hash of what was sent, whether it is complete | create | 24 h |
//! | `u:{u}:limits` | hash: token buckets | create, update, delete, create-ticket, register | when they are full again |
//! | `u:{u}:connections` | sorted set of connections by expiry (ms) | register | disconnect, a gone push, expiry |
//! | `u:{u}:moved:<connection>` | string: `<move> <time>`, the last of the connection's moves that brought it to the user or took it away, and the time (ms) of the request by which it left, else -1 | register as somebody else | 10 min |
//! | `all` | sorted set of all ids; open mode only | create | delete, retention |
//! | `connection:{id}` | hash: `user`, `at` (the time (ms) of the request that set it), `moves` (how often another did), `left`, `frames` (its bucket), `call:<user>,<peer>` (a call it takes part in), `gone` (it has closed) | connect with a ticket, register, offer, answer, disconnect, with a limit any other signal | a gone push, expiry; disconnect: 60 s |
//! | `u:{u}:calls` | sorted set of `<id> <peer>` by time (ms): the calls that the user may be in | offer, resume | their end, erasing the user, 24 h |
//! | `c:{a,b}` | string: what is known of two users' calls, as JSON | signaling, register, disconnect, end-call | 24 h, or 2 min once the call is over |
//! | `c:{a,b}:ring` | list: the offer that rings, and its candidates | offer, candidate | answer, end, 60 s |
//! | `c:{a,b}:early:<connection>` | list of candidates that came before their description | candidate | 10 s |
//! | `c:{a,b}:waiting:<user>` | list of frames for a side that is away | signaling | resume, 40 s |
//! | `ticket:{t}` | string: the user it is for | create-ticket | connect, 30 s |
//!
//! The braces are Redis Cluster's
//! [hash tags](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags):
//! keys with the same text between them share a slot. `t` is made of the 12 bits in which a message's id names its
//! conversation, so the id alone finds the message, and a conversation's messages share a slot. Client text is
//! percent-encoded, so that no user key can close a tag early or reach another user's keys. Ids are in their short
//! form, which sorts as they do.
//!
//! A server that evicts takes keys with an expiry first. A connection whose record is evicted is told so by its next
//! frame and closed, so that its client comes back; one whose entry is evicted gets no pushes until its client registers
//! again. An evicted call is one that never was, an evicted ticket one that was used. An
//! evicted claim lets a repeated send through as a new one.

use percent_encoding::percent_decode_str;

use crate::ids::{ConnectionId, MessageId, UserKey};
use crate::message::ClientId;

/// The number of this layout. It changes when a function of the former one would misread a key or be misread; keys of
/// different layouts have different names.
pub const LAYOUT: u32 = 2;

/// All message ids, for listings in open mode.
pub(super) const ALL: &str = "all";

/// The fields of a connection that note its calls begin so.
pub(super) const CALL_NOTE: &str = "call:";

/// The digits of base64 in ASCII order, two of which spell a conversation's 12 bits.
const DIGITS: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

pub(super) fn message(id: MessageId) -> String {
    let conversation = usize::from(id.conversation());
    let digit = |index: usize| char::from(DIGITS[index % 64]);
    format!("m:{{{}{}}}:{}", digit(conversation / 64), digit(conversation), id.short())
}

pub(super) fn user_messages(user: &UserKey) -> String {
    of_user(user, "all")
}

pub(super) fn sent_to(user: &UserKey, peer: &UserKey) -> String {
    of_user(user, &format!("to:{}", encode(peer.as_str())))
}

pub(super) fn received_from(user: &UserKey, peer: &UserKey) -> String {
    of_user(user, &format!("from:{}", encode(peer.as_str())))
}

pub(super) fn user_conversations(user: &UserKey) -> String {
    of_user(user, "conversations")
}

pub(super) fn user_read(user: &UserKey) -> String {
    of_user(user, "read")
}

pub(super) fn user_read_by(user: &UserKey) -> String {
    of_user(user, "read-by")
}

pub(super) fn user_events(user: &UserKey) -> String {
    of_user(user, "events")
}

pub(super) fn user_gone(user: &UserKey) -> String {
    of_user(user, "gone")
}

pub(super) fn claim(user: &UserKey, client_id: &ClientId) -> String {
    of_user(user, &format!("sent:{}", encode(client_id.as_str())))
}

pub(super) fn user_limits(user: &UserKey) -> String {
    of_user(user, "limits")
}

pub(super) fn user_connections(user: &UserKey) -> String {
    of_user(user, "connections")
}

pub(super) fn moved(user: &UserKey, connection: &ConnectionId) -> String {
    of_user(user, &format!("moved:{}", encode(connection.as_str())))
}

pub(super) fn connection(id: &ConnectionId) -> String {
    format!("connection:{{{}}}", encode(id.as_str()))
}

pub(super) fn user_calls(user: &UserKey) -> String {
    of_user(user, "calls")
}

pub(super) fn line(pair: [&UserKey; 2]) -> String {
    let [first, second] = pair.map(|user| encode(user.as_str()));
    format!("c:{{{first},{second}}}")
}

pub(super) fn ring(pair: [&UserKey; 2]) -> String {
    format!("{}:ring", line(pair))
}

pub(super) fn early(pair: [&UserKey; 2], connection: &ConnectionId) -> String {
    format!("{}:early:{}", line(pair), encode(connection.as_str()))
}

pub(super) fn waiting(pair: [&UserKey; 2], user: &UserKey) -> String {
    format!("{}:waiting:{}", line(pair), encode(user.as_str()))
}

pub(super) fn ticket(ticket: &str) -> String {
    format!("ticket:{{{}}}", encode(ticket))
}

/// What a key holds, as an export takes it.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Kept {
    /// A message or its tombstone.
    Message(MessageId),
    /// A user's event log.
    Events(UserKey),
    /// A user's markers.
    Read(UserKey),
    /// The markers of a user's peers.
    ReadBy(UserKey),
    /// A sender's name for a message.
    Claim(UserKey, ClientId),
    /// An index, which follows from the messages, or something that is over within minutes: a connection, a call, a
    /// ticket, a bucket.
    LeftOut,
    /// No key of this layout.
    Foreign,
}

/// Reads a key back.
pub(super) fn parse(key: &str) -> Kept {
    of_key(key).unwrap_or(Kept::Foreign)
}

fn of_key(key: &str) -> Option<Kept> {
    if key == ALL {
        return Some(Kept::LeftOut);
    }
    let (kind, rest) = key.split_once(":{")?;
    let (tag, what) = rest.split_once('}')?;
    let what = what.strip_prefix(':');
    match (kind, what) {
        ("m", Some(id)) => MessageId::parse_short(id).map(Kept::Message),
        ("u", Some(what)) => {
            let user = UserKey::try_from(decode(tag)?).ok()?;
            match what.split_once(':').unwrap_or((what, "")) {
                ("events", "") => Some(Kept::Events(user)),
                ("read", "") => Some(Kept::Read(user)),
                ("read-by", "") => Some(Kept::ReadBy(user)),
                ("sent", client_id) => {
                    ClientId::parse(decode(client_id)?).ok().map(|client_id| Kept::Claim(user, client_id))
                }
                ("all" | "to" | "from" | "conversations", _) => Some(Kept::LeftOut),
                ("gone" | "limits" | "connections" | "moved" | "calls", _) => Some(Kept::LeftOut),
                _ => None,
            }
        }
        ("c" | "connection" | "ticket", _) => Some(Kept::LeftOut),
        _ => None,
    }
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

fn of_user(user: &UserKey, what: &str) -> String {
    format!("u:{{{}}}:{what}", encode(user.as_str()))
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

    use super::super::claims::CLAIM_SECONDS;
    use super::super::events::GONE_MS;
    use super::super::messages::TOMBSTONE_SECONDS;
    use super::super::tickets::TICKET_SECONDS;
    use super::*;
    use crate::call::{HELD_MS, OVER_MS};

    fn user(text: &str) -> UserKey {
        UserKey::try_from(text.to_owned()).expect("a valid key")
    }

    fn client_id(text: &str) -> ClientId {
        ClientId::parse(text.to_owned()).expect("a valid id")
    }

    fn tag(key: &str) -> &str {
        &key[key.find('{').expect("{")..=key.find('}').expect("}")]
    }

    /// The last column of a key's row in this module's table.
    fn removed_by(key: &str) -> &'static str {
        let start = format!("//! | `{key}` |");
        let row = include_str!("keys.rs").lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row of {key}"));
        row.trim_end_matches(" |").rsplit(" | ").next().expect("a column")
    }

    #[test]
    fn the_table_tells_the_expiries_that_are_set() {
        for (key, seconds) in [
            ("m:{t}:<id>", TOMBSTONE_SECONDS),
            ("u:{u}:gone", GONE_MS / 1000),
            ("u:{u}:sent:<client_id>", CLAIM_SECONDS),
            ("c:{a,b}", OVER_MS / 1000),
            ("c:{a,b}:ring", HELD_MS / 1000),
            ("ticket:{t}", TICKET_SECONDS),
        ] {
            let told = match seconds {
                hours if hours % 3600 == 0 => format!("{} h", hours / 3600),
                minutes if minutes % 60 == 0 && minutes > 60 => format!("{} min", minutes / 60),
                seconds => format!("{seconds} s"),
            };
            let words: Vec<_> = removed_by(key).split([',', ';', ':']).collect();
            assert!(words.iter().any(|word| word.contains(&told)), "{key}: {told} is not in {words:?}");
        }
    }

    #[test]
    fn keys_that_change_together_share_a_slot() {
        let (alice, bob) = (user("{a}:}l,%"), user("}b{"));
        let keys = [
            user_messages(&alice),
            sent_to(&alice, &bob),
            received_from(&alice, &bob),
            user_conversations(&alice),
            user_read(&alice),
            user_read_by(&alice),
            user_events(&alice),
            user_gone(&alice),
            user_limits(&alice),
            claim(&alice, &client_id("}{")),
            user_connections(&alice),
            moved(&alice, &ConnectionId::from_platform("x}=")),
            user_calls(&alice),
        ];
        assert_eq!(keys.iter().map(|key| tag(key)).collect::<HashSet<_>>().len(), 1);
        let id = ConnectionId::from_platform("x}=");
        let pair = [&alice, &bob];
        for key in [ring(pair), early(pair, &id), waiting(pair, &bob)] {
            assert_eq!(tag(&key), tag(&line(pair)), "{key}");
        }
    }

    #[test]
    fn a_conversations_messages_share_a_slot_and_conversations_do_not() {
        let key = |one, other| {
            let now = "2026-01-02T03:04:05Z".parse().expect("a time");
            message(MessageId::generate(&user(one), &user(other), now).expect("randomness"))
        };
        let [there, back, elsewhere] = [key("a", "b"), key("b", "a"), key("a", "c")];
        assert_ne!(there, back);
        assert_eq!(tag(&there), tag(&back));
        assert_ne!(tag(&there), tag(&elsewhere));
        assert_eq!(there.len(), "m:{tt}:".len() + 22);
    }

    #[test]
    fn no_two_users_or_pairs_meet() {
        let names = ["a", "a,b", "a%2Cb", "b", "{a}", "a}", "a:all", "%", "%25", "{", "\u{1F600}"];
        let mut seen = HashSet::new();
        for name in names {
            assert!(seen.insert(user_messages(&user(name))), "{name}");
            assert!(seen.insert(claim(&user("a"), &client_id(name))), "{name}");
        }
        for (place, one) in names.iter().enumerate() {
            for other in &names[place..] {
                assert!(seen.insert(line([&user(one), &user(other)])), "{one} {other}");
            }
            for other in names {
                assert!(seen.insert(sent_to(&user(one), &user(other))), "{one} {other}");
                assert!(seen.insert(received_from(&user(one), &user(other))), "{one} {other}");
            }
        }
    }

    #[test]
    fn an_export_knows_each_kind_of_key() {
        let (alice, bob, name) = (user("{a}:}l,%41"), user("}b{"), client_id("a:{%}"));
        let now = "2026-01-02T03:04:05Z".parse().expect("a time");
        let id = MessageId::generate(&alice, &bob, now).expect("randomness");
        let phone = ConnectionId::from_platform("x}=");
        let pair = [&alice, &bob];
        for (key, kept) in [
            (message(id), Kept::Message(id)),
            (user_events(&alice), Kept::Events(alice.clone())),
            (user_read(&alice), Kept::Read(alice.clone())),
            (user_read_by(&alice), Kept::ReadBy(alice.clone())),
            (claim(&alice, &name), Kept::Claim(alice.clone(), name.clone())),
        ] {
            assert_eq!(parse(&key), kept, "{key}");
        }
        let left_out = [
            ALL.to_owned(),
            user_messages(&alice),
            sent_to(&alice, &bob),
            received_from(&alice, &bob),
            user_conversations(&alice),
            user_gone(&alice),
            user_limits(&alice),
            user_connections(&alice),
            moved(&alice, &phone),
            user_calls(&alice),
            connection(&phone),
            line(pair),
            ring(pair),
            early(pair, &phone),
            waiting(pair, &bob),
            ticket("t"),
        ];
        for key in left_out {
            assert_eq!(parse(&key), Kept::LeftOut, "{key}");
        }
        for key in ["", "m:{--}:x", "user:{a}:timeline", "u:{}:events", "u:{a}:other", "message:a"] {
            assert_eq!(parse(key), Kept::Foreign, "{key}");
        }
    }
}
