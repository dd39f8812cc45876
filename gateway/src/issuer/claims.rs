//! The claims of a token: those that were asked for, and defaults for those that make it valid.

use serde_json::{Map, Value, json};

/// The default of a user pool.
const LIFETIME: i64 = 60 * 60;

const NO_NAME: &str = r#"say who signs in: {"sub":"alice"} as JSON, or sub=alice as a form"#;

pub(super) type Claims = Map<String, Value>;

/// The time a token is valid for, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime(pub(super) i64);

/// Reads a JSON object or a form. The `Content-Type` does not matter, since curl calls every body a form.
pub(super) fn read(body: &[u8]) -> Result<Claims, &'static str> {
    let asked = if body.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(body).map_err(|_| "this is no JSON object")?
    } else {
        read_form(body)
    };
    match asked.get("sub") {
        Some(Value::String(name)) if !name.is_empty() => Ok(asked),
        _ => Err(NO_NAME),
    }
}

/// A form's fields are claims, but for those of an OAuth grant.
fn read_form(body: &[u8]) -> Claims {
    let mut claims = Claims::new();
    for (name, value) in form_urlencoded::parse(body).filter(|(name, _)| !name.is_empty()) {
        match &*name {
            "grant_type" | "password" | "client_secret" => {}
            "username" => {
                claims.entry("sub").or_insert_with(|| value.into_owned().into());
            }
            "exp" | "iat" | "nbf" => {
                let number = value.parse::<i64>().map(Value::from);
                claims.insert(name.into_owned(), number.unwrap_or_else(|_| value.into_owned().into()));
            }
            _ => {
                claims.insert(name.into_owned(), value.into_owned().into());
            }
        }
    }
    claims
}

/// Adds issuer, audience and times where they were not asked for. `now` in seconds since 1970.
pub(super) fn complete(
    mut claims: Claims,
    issuer: &str,
    audience: &[String],
    now: i64,
) -> Result<(Claims, Lifetime), &'static str> {
    let audience = match audience {
        [only] => json!(only),
        several => json!(several),
    };
    let defaults = [
        ("iss", json!(issuer)),
        ("aud", audience),
        ("iat", json!(now)),
        ("exp", json!(now + LIFETIME)),
        ("jti", json!(uuid::Uuid::new_v4())),
    ];
    for (name, value) in defaults {
        claims.entry(name).or_insert(value);
    }
    let expiry = claims["exp"].as_i64().ok_or("exp must be a number of seconds since 1970")?;
    Ok((claims, Lifetime(expiry.saturating_sub(now).max(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn sign_in(body: &str) -> Result<(Claims, Lifetime), &'static str> {
        complete(read(body.as_bytes())?, "http://issuer", &["app".to_owned()], NOW)
    }

    #[test]
    fn a_name_is_enough() {
        for body in [r#" {"sub":"alice"}"#, "sub=alice", "grant_type=password&username=alice&password=x"] {
            let (claims, lifetime) = sign_in(body).expect(body);
            assert!(claims["jti"].is_string());
            assert_eq!(lifetime, Lifetime(3600));
            let fixed: Vec<_> = claims.into_iter().filter(|(name, _)| name != "jti").collect();
            let expected = json!({ "sub": "alice", "iss": "http://issuer", "aud": "app", "iat": NOW, "exp": NOW + 3600 });
            assert_eq!(Value::Object(fixed.into_iter().collect()), expected, "{body}");
        }
    }

    #[test]
    fn claims_are_those_that_were_asked_for() {
        let (claims, lifetime) =
            sign_in(r#"{"sub":"a","aud":["x"],"iss":"y","exp":5,"admin":true}"#).expect("signed in");
        assert_eq!((&claims["aud"], &claims["iss"]), (&json!(["x"]), &json!("y")));
        assert_eq!((&claims["exp"], &claims["admin"]), (&json!(5), &json!(true)));
        assert_eq!(lifetime, Lifetime(0));
        let (claims, lifetime) = sign_in("sub=%F0%9F%98%80+x&exp=1700000060&scope=a+b").expect("signed in");
        assert_eq!((&claims["sub"], &claims["scope"]), (&json!("\u{1F600} x"), &json!("a b")));
        assert_eq!(lifetime, Lifetime(60));
        assert!(claims["exp"].is_number());
    }

    #[test]
    fn a_missing_name_and_nonsense_are_refused() {
        for body in ["", "{}", "password=x", "=x", " { ", "sub=", "name=x", r#"{"sub":1}"#] {
            assert!(sign_in(body).is_err(), "{body}");
        }
        assert!(sign_in(r#"{"sub":"a","exp":"soon"}"#).is_err());
        assert!(sign_in("sub=a&exp=soon").is_err());
    }
}
