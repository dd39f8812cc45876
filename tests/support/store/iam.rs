//! How ElastiCache judges a token: its signature is computed here from the specification.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::NaiveDateTime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::{digest, hmac};

/// The longest a token may be valid for.
const LONGEST: Duration = Duration::from_secs(900);

/// How far a token's clock may be ahead of the server's.
const SKEW: Duration = Duration::from_secs(60);

/// All that a canonical query encodes.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A cache, and the user and role that it admits.
#[derive(Clone, Debug)]
pub struct Cache {
    /// As it was named when it was created.
    pub name: String,
    /// Not a replication group.
    pub serverless: bool,
    pub region: String,
    pub user: String,
    pub role: Role,
}

/// The keys of the role that may connect as the user.
#[derive(Clone, Debug)]
pub struct Role {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Cache {
    /// Admits a user whose token is good at this time; returns the token's age.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub fn admit(&self, user: &str, token: &str, now: SystemTime) -> Result<Duration, Refusal> {
        let expect = |what: &str, found: &str, wanted: &str| {
            if found == wanted { Ok(()) } else { refuse(format!("{what} is {found:?}, not {wanted:?}")) }
        };
        expect("the user", user, &self.user)?;
        let Some((host, query)) = token.split_once("/?") else {
            return refuse("it is no URL of a cache".to_owned());
        };
        expect("the host", host, &self.name.to_lowercase())?;
        let mut parameters = BTreeMap::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            if parameters.insert(decode(name), decode(value)).is_some() {
                return refuse(format!("{name} stands twice"));
            }
        }
        let signature = parameters.remove("X-Amz-Signature").unwrap_or_default();
        let get = |name: &str| parameters.get(name).map_or("", String::as_str);
        expect("Action", get("Action"), "connect")?;
        expect("User", get("User"), &self.user)?;
        expect("ResourceType", get("ResourceType"), if self.serverless { "ServerlessCache" } else { "" })?;
        expect("X-Amz-Algorithm", get("X-Amz-Algorithm"), "AWS4-HMAC-SHA256")?;
        expect("X-Amz-SignedHeaders", get("X-Amz-SignedHeaders"), "host")?;
        let session = self.role.session_token.as_deref().unwrap_or_default();
        expect("X-Amz-Security-Token", get("X-Amz-Security-Token"), session)?;

        let date = get("X-Amz-Date");
        let Ok(signed) = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ") else {
            return refuse(format!("X-Amz-Date is {date:?}"));
        };
        let signed = SystemTime::from(signed.and_utc());
        let validity = get("X-Amz-Expires").parse().map(Duration::from_secs).unwrap_or_default();
        if validity > LONGEST {
            return refuse(format!("it is to be valid for {validity:?}"));
        }
        let age = match now.duration_since(signed) {
            Ok(age) if age > validity => return refuse(format!("it is {age:?} old")),
            Ok(age) => age,
            Err(early) if early.duration() > SKEW => return refuse("it is of the future".to_owned()),
            Err(_) => Duration::ZERO,
        };

        let scope = [date.get(..8).unwrap_or_default(), &self.region, "elasticache", "aws4_request"];
        let credential = format!("{}/{}", self.role.access_key_id, scope.join("/"));
        expect("X-Amz-Credential", get("X-Amz-Credential"), &credential)?;
        let encode = |text| utf8_percent_encode(text, RESERVED);
        let query: Vec<_> =
            parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = format!("GET\n/\n{}\nhost:{host}\n\nhost\n{}", query.join("&"), sha256(b""));
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", scope.join("/"), sha256(request.as_bytes()));
        let secret = format!("AWS4{}", self.role.secret_access_key).into_bytes();
        let key = scope.iter().fold(secret, |key, part| sign(&key, part));
        expect("the signature", &signature, &hexadecimal(&sign(&key, &to_sign)))?;
        Ok(age)
    }
}

fn refuse<T>(why: String) -> Result<T, Refusal> {
    Err(Refusal(why))
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by botocore's `SigV4QueryAuth` at 2026-01-02T03:04:05Z.
    const TOKEN: &str = "my-cache/?Action=connect&User=app-user&ResourceType=ServerlessCache\
        &X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Felasticache%2Faws4_request\
        &X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
        &X-Amz-Security-Token=AQoDYXdzEPT%2F%2Ftoken%2B%3D\
        &X-Amz-Signature=78720fad8b0143c3f04d259b72ef1fde878431241bec78b8e44eba3cd7a01b0d";
    const GROUP_TOKEN: &str = "my-cache/?Action=connect&User=app-user&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Felasticache%2Faws4_request\
        &X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=5164c0aff9c8f46cefe3b7830bc5773653a422b085cbd505aaedb0be8c5c203b";

    fn cache() -> Cache {
        Cache {
            name: "My-Cache".into(),
            serverless: true,
            region: "eu-west-1".into(),
            user: "app-user".into(),
            role: Role {
                access_key_id: "AKIDEXAMPLE".into(),
                secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
                session_token: Some("AQoDYXdzEPT//token+=".into()),
            },
        }
    }

    fn group() -> Cache {
        let role = Role { session_token: None, ..cache().role };
        Cache { serverless: false, role, ..cache() }
    }

    /// So many seconds after the tokens were made.
    fn after(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045 + seconds)
    }

    #[track_caller]
    fn assert_refused(admitted: Result<Duration, Refusal>, why: &str) {
        let refusal = admitted.expect_err(why);
        assert!(refusal.0.starts_with(why), "{refusal}");
    }

    #[test]
    fn a_good_token_is_taken_until_it_expires() {
        for age in [0, 1, 900] {
            let expected = Ok(Duration::from_secs(age));
            assert_eq!(cache().admit("app-user", TOKEN, after(age)), expected);
            assert_eq!(group().admit("app-user", GROUP_TOKEN, after(age)), expected);
        }
        assert_refused(cache().admit("app-user", TOKEN, after(901)), "it is 901s old");
        let early = after(0) - Duration::from_secs(61);
        assert_refused(cache().admit("app-user", TOKEN, early), "it is of the future");
    }

    #[test]
    fn a_token_is_good_for_one_user_of_one_cache_of_one_role_alone() {
        let refused = |cache: Cache, why| assert_refused(cache.admit("app-user", TOKEN, after(1)), why);
        assert_refused(cache().admit("admin", TOKEN, after(1)), "the user");
        refused(Cache { name: "other".into(), ..cache() }, "the host");
        refused(Cache { serverless: false, ..cache() }, "ResourceType");
        assert_refused(
            Cache { serverless: true, ..group() }.admit("app-user", GROUP_TOKEN, after(1)),
            "ResourceType",
        );
        refused(Cache { region: "us-east-1".into(), ..cache() }, "X-Amz-Credential");
        let key = Role { access_key_id: "AKIDOTHER".into(), ..cache().role };
        refused(Cache { role: key, ..cache() }, "X-Amz-Credential");
        let secret = Role { secret_access_key: "other".into(), ..cache().role };
        refused(Cache { role: secret, ..cache() }, "the signature");
        let session = Role { session_token: Some("other".into()), ..cache().role };
        refused(Cache { role: session, ..cache() }, "X-Amz-Security-Token");
        refused(Cache { role: group().role, ..cache() }, "X-Amz-Security-Token");
    }

    #[test]
    fn any_change_makes_a_token_worthless() {
        for (part, changed, why) in [
            ("my-cache/?", "my-cache?", "it is no URL"),
            ("my-cache/", "My-Cache/", "the host"),
            ("=connect", "=delete", "Action"),
            ("User=app-user", "User=admin", "User"),
            ("HMAC-SHA256", "HMAC-SHA1", "X-Amz-Algorithm"),
            ("Headers=host", "Headers=date", "X-Amz-SignedHeaders"),
            ("T030405Z", "", "X-Amz-Date"),
            ("Expires=900", "Expires=901", "it is to be valid for 901s"),
            ("Expires=900", "Expires=1", "it is 60s old"),
            ("2F20260102", "2F20260103", "X-Amz-Credential"),
            ("%2Felasticache", "%2Fs3", "X-Amz-Credential"),
            // Each of these is a good value; only the signature tells that it was changed.
            ("T030405Z", "T030406Z", "the signature"),
            ("Expires=900", "Expires=899", "the signature"),
            ("&X-Amz-Date", "&More=1&X-Amz-Date", "the signature"),
            ("=78720f", "=78720e", "the signature"),
            ("&X-Amz-Signature=", "&", "the signature"),
            ("&X-Amz-Date", "&Action=connect&X-Amz-Date", "Action stands twice"),
        ] {
            let token = TOKEN.replacen(part, changed, 1);
            assert_ne!(token, TOKEN, "{part}");
            assert_refused(cache().admit("app-user", &token, after(60)), why);
        }
    }
}
