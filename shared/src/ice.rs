//! The ICE servers that clients give their peer connections: STUN, and TURN with credentials that expire.
//!
//! The credentials are those of coturn's
//! [`use-auth-secret`](https://github.com/coturn/coturn/blob/master/README.turnserver), which other TURN servers know as
//! well: the user name tells when they expire, and the password signs it with a secret that both sides know.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ring::hmac;
use serde::Serialize;

use crate::config::{Ice, Turn};
use crate::ids::UserKey;

/// Characters that stand for a user in a TURN user name: no user key meets its separator, or leaves for the operator.
const OPAQUE_CHARACTERS: usize = 16;

/// The servers as `RTCPeerConnection` takes them, and for how long they are good.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct IceServers {
    #[serde(rename = "iceServers")]
    servers: Vec<IceServer>,
    /// Seconds.
    ttl: u64,
}

#[derive(Debug, Eq, PartialEq, Serialize)]
struct IceServer {
    urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
}

impl IceServers {
    /// The configured servers, for one user from now on.
    pub fn for_user(ice: &Ice, user: &UserKey, now: DateTime<Utc>) -> Self {
        let stun = (!ice.stun_urls.is_empty()).then(|| IceServer {
            urls: ice.stun_urls.clone(),
            username: None,
            credential: None,
        });
        let ttl = ice.credential_lifetime.as_secs();
        let expiry = u64::try_from(now.timestamp()).unwrap_or_default() + ttl;
        let turn = ice.turn.as_ref().map(|turn| turn_server(turn, user, expiry));
        Self { servers: stun.into_iter().chain(turn).collect(), ttl }
    }
}

fn turn_server(turn: &Turn, user: &UserKey, expiry: u64) -> IceServer {
    let secret = turn.secret.expose().as_bytes();
    let sign = |algorithm, text: &str| hmac::sign(&hmac::Key::new(algorithm, secret), text.as_bytes());
    let mut opaque = URL_SAFE_NO_PAD.encode(sign(hmac::HMAC_SHA256, user.as_str()));
    opaque.truncate(OPAQUE_CHARACTERS);
    let username = format!("{expiry}:{opaque}");
    // The algorithm is coturn's; it signs what lives for hours.
    let credential = STANDARD.encode(sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &username));
    IceServer { urls: turn.urls.clone(), username: Some(username), credential: Some(credential) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Secret;

    fn user(text: &str) -> UserKey {
        UserKey::try_from(text.to_owned()).expect("a valid key")
    }

    fn json(ice: &Ice, name: &str) -> String {
        let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
        serde_json::to_string(&IceServers::for_user(ice, &user(name), now)).expect("it serializes")
    }

    #[test]
    fn nothing_configured_is_an_empty_list() {
        let ice = Ice { stun_urls: Vec::new(), turn: None, credential_lifetime: Duration::from_secs(60) };
        assert_eq!(json(&ice, "alice"), r#"{"iceServers":[],"ttl":60}"#);
    }

    /// The password is that of `printf 1700000060:… | openssl dgst -sha1 -hmac secret -binary | base64`.
    #[test]
    fn turn_credentials_expire_and_are_signed() {
        let ice = Ice {
            stun_urls: vec!["stun:s.example".to_owned()],
            turn: Some(Turn {
                urls: vec!["turn:t.example".to_owned()],
                secret: Secret::from("secret".to_owned()),
            }),
            credential_lifetime: Duration::from_secs(60),
        };
        assert_eq!(
            json(&ice, "alice:{}"),
            r#"{"iceServers":[{"urls":["stun:s.example"]},{"urls":["turn:t.example"],"username":"1700000060:m07C19lxTkZ3xF1h","credential":"4A2Wr8Fm2If187BqGVJGtqrJPfk="}],"ttl":60}"#
        );
        assert_ne!(json(&ice, "alice"), json(&ice, "bob"));
    }
}
