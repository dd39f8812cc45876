//! Every environment variable the functions read, parsed once per cold start.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a function knows of its surroundings.
#[derive(Clone, Debug)]
pub struct Config {
    /// `REDIS_URL`: `redis://` or, with TLS, `rediss://`, then `[[user]:password@]host[:port][/db]`, then as a
    /// query:
    /// - `cluster=true` or `false`; without it the server is asked.
    /// - `iam=NAME`: log in to this ElastiCache serverless cache as the function's role and the URL's user;
    ///   `iam-group=ID` the same for a replication group.
    pub redis_url: Secret,
    /// `REDIS_TLS_CA`: the certificate authority to trust instead of the web's, as PEM text.
    pub redis_tls_ca: Option<String>,
    /// `MANAGEMENT_TLS_CA`: the certificate authority to trust there instead of the web's, as PEM text.
    pub management_tls_ca: Option<String>,
    /// `MANAGEMENT_ENDPOINT`: the WebSocket API's callback URL, without `/@connections`.
    pub management_endpoint: String,
    /// `AWS_REGION`, which Lambda sets; requests to the callback URL are signed for it.
    pub region: String,
    /// Access keys, which Lambda sets from the function's role.
    pub credentials: Credentials,
    /// `ALLOW_ANONYMOUS=true` alone opens the open mode, in which the client's word is taken for who it is.
    pub allow_anonymous: bool,
    /// `USER_CLAIM`: the token claim that holds the user key. Default `sub`.
    pub user_claim: String,
    /// `CONNECTION_LIFETIME`, seconds: the longest a WebSocket stays open. Default 7200, API Gateway's
    /// [quota](https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html).
    pub connection_lifetime: Duration,
}

/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The key's public half.
    pub access_key_id: String,
    /// The key's secret half.
    pub secret_access_key: Secret,
    /// Present with a role's keys.
    pub session_token: Option<Secret>,
}

impl Credentials {
    /// The same as the AWS crates know them.
    pub(crate) fn for_aws(&self) -> aws_credential_types::Credentials {
        aws_credential_types::Credentials::new(
            &self.access_key_id,
            self.secret_access_key.expose(),
            self.session_token.as_ref().map(|token| token.expose().to_owned()),
            None,
            "lambda-environment",
        )
    }
}

/// Text that never shows in a log.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A variable that is missing or not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{name} {problem}")]
pub struct ConfigError {
    name: &'static str,
    problem: &'static str,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// As [`Config::read`].
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads settings from anywhere, by the variables' names.
    ///
    /// # Errors
    /// Names the first that is missing or malformed.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = &|name: &str| get(name).filter(|value| !value.is_empty());
        let need = |name: &'static str| get(name).ok_or(ConfigError { name, problem: "is not set" });
        Ok(Self {
            redis_url: Secret(need("REDIS_URL")?),
            redis_tls_ca: get("REDIS_TLS_CA"),
            management_tls_ca: get("MANAGEMENT_TLS_CA"),
            management_endpoint: need("MANAGEMENT_ENDPOINT")?,
            region: need("AWS_REGION")?,
            credentials: Credentials {
                access_key_id: need("AWS_ACCESS_KEY_ID")?,
                secret_access_key: Secret(need("AWS_SECRET_ACCESS_KEY")?),
                session_token: get("AWS_SESSION_TOKEN").map(Secret),
            },
            allow_anonymous: parse(get, "ALLOW_ANONYMOUS", "must be true or false")?.unwrap_or(false),
            user_claim: get("USER_CLAIM").unwrap_or_else(|| "sub".to_owned()),
            connection_lifetime: Duration::from_secs(
                parse(get, "CONNECTION_LIFETIME", "must be a number of seconds")?.unwrap_or(7200),
            ),
        })
    }
}

/// `AWS_LAMBDA_LOG_FORMAT`, which Lambda sets. Asked for on its own, since logging starts before all else.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn logs_are_json() -> bool {
    std::env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format == "JSON")
}

fn parse<T: FromStr>(
    get: impl Fn(&str) -> Option<String>,
    name: &'static str,
    problem: &'static str,
) -> Result<Option<T>, ConfigError> {
    get(name).map(|value| value.parse().map_err(|_| ConfigError { name, problem })).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(name: &str) -> Option<String> {
        let value = match name {
            "REDIS_URL" => "redis://:secret@localhost",
            "MANAGEMENT_ENDPOINT" => "http://localhost:3000",
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" => "public",
            "AWS_SECRET_ACCESS_KEY" => "secret",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn open_mode_is_off_unless_asked_for() {
        assert!(!Config::read(complete).expect("complete").allow_anonymous);
    }

    #[test]
    fn a_bad_setting_is_named() {
        let bad = |name: &str| if name == "ALLOW_ANONYMOUS" { Some("yes".into()) } else { complete(name) };
        assert_eq!(Config::read(bad).expect_err("bad").to_string(), "ALLOW_ANONYMOUS must be true or false");
        let missing = |name: &str| complete(name).filter(|_| name != "REDIS_URL");
        assert_eq!(Config::read(missing).expect_err("missing").to_string(), "REDIS_URL is not set");
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = format!("{:?}", Config::read(complete).expect("complete"));
        assert!(!shown.contains("secret@") && !shown.contains("\"secret\""), "{shown}");
    }
}
