//! Every environment variable the functions read, parsed once per cold start.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::TimeDelta;

/// The settings of a function.
#[derive(Clone, Debug)]
pub struct Config {
    /// `REDIS_URL`: `redis://` or, with TLS, `rediss://`, then `[[user]:password@]host[:port][/db]`. In place of
    /// `host[:port]` there may be several nodes of a cluster with commas between them, of which one has to answer:
    /// `rediss://user:password@a:6379,b:6379`. As a query:
    /// - `cluster=true` or `false`; without it a single server is asked.
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
    /// `RETENTION_DAYS`: how long messages are kept. Without it, or with 0, for ever.
    pub retention: Option<TimeDelta>,
    /// How often users may do things.
    pub limits: Limits,
    /// The ICE servers that clients are told of.
    pub ice: Ice,
}

/// The ICE servers that clients are told of.
#[derive(Clone, Debug)]
pub struct Ice {
    /// `STUN_URLS`, with commas between them.
    pub stun_urls: Vec<String>,
    /// TURN servers, if there are any.
    pub turn: Option<Turn>,
    /// `TURN_CREDENTIAL_LIFETIME`: how long credentials are good for, in seconds. Default 43200.
    pub credential_lifetime: Duration,
}

/// TURN servers that share one secret.
#[derive(Clone, Debug)]
pub struct Turn {
    /// `TURN_URLS`, with commas between them.
    pub urls: Vec<String>,
    /// `TURN_SECRET`: coturn's `static-auth-secret`.
    pub secret: Secret,
}

/// How often users may do things; `None` as often as they like, which is the default in open mode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// `MESSAGES_PER_SECOND`: a user's sends, edits and deletes together, four seconds' worth at once. Default 5.
    pub messages: Option<Limit>,
    /// `REGISTERS_PER_MINUTE`: a user's registers and tickets, a minute's worth at once. Default 30.
    pub registers: Option<Limit>,
    /// `FRAMES_PER_SECOND`: a connection's frames that need the store, ten seconds' worth at once. Default 20.
    pub frames: Option<Limit>,
}

/// A token bucket: one token an interval, and at most so many at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit {
    /// The time between two tokens.
    pub interval: Duration,
    /// Tokens of a full bucket.
    pub burst: u32,
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
    /// The credentials in the form of the AWS crates.
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

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
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
    /// A setting that is missing or malformed, as for [`Config::read`].
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
        let allow_anonymous = parse(get, "ALLOW_ANONYMOUS", "must be true or false")?.unwrap_or(false);
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
            allow_anonymous,
            user_claim: get("USER_CLAIM").unwrap_or_else(|| "sub".to_owned()),
            connection_lifetime: Duration::from_secs(
                parse(get, "CONNECTION_LIFETIME", "must be a number of seconds")?.unwrap_or(7200),
            ),
            retention: parse::<u16>(get, "RETENTION_DAYS", "must be a number of days")?
                .filter(|days| *days > 0)
                .map(|days| TimeDelta::days(days.into())),
            limits: Limits::read(get, allow_anonymous)?,
            ice: Ice::read(get)?,
        })
    }
}

impl Ice {
    fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let urls = |name, schemes: [&str; 2], problem| {
            let text = get(name).unwrap_or_default();
            let urls: Vec<_> = text.split(',').map(str::trim).filter(|url| !url.is_empty()).collect();
            match urls.iter().all(|url| schemes.iter().any(|scheme| url.starts_with(scheme))) {
                true => Ok(urls.into_iter().map(str::to_owned).collect::<Vec<_>>()),
                false => Err(ConfigError { name, problem }),
            }
        };
        let stun_urls = urls("STUN_URLS", ["stun:", "stuns:"], "must be stun: or stuns: URLs with commas")?;
        let turn_urls = urls("TURN_URLS", ["turn:", "turns:"], "must be turn: or turns: URLs with commas")?;
        let turn = match (turn_urls.is_empty(), get("TURN_SECRET")) {
            (true, None) => None,
            (false, Some(secret)) => Some(Turn { urls: turn_urls, secret: Secret(secret) }),
            (false, None) => {
                return Err(ConfigError { name: "TURN_SECRET", problem: "is not set, TURN_URLS needs it" });
            }
            (true, Some(_)) => {
                return Err(ConfigError { name: "TURN_URLS", problem: "is not set, TURN_SECRET needs it" });
            }
        };
        let seconds = parse(&get, "TURN_CREDENTIAL_LIFETIME", "must be a number of seconds")?;
        Ok(Self { stun_urls, turn, credential_lifetime: Duration::from_secs(seconds.unwrap_or(43_200)) })
    }
}

impl Limits {
    fn read(get: impl Fn(&str) -> Option<String>, allow_anonymous: bool) -> Result<Self, ConfigError> {
        let limit = |name, period: Duration, default: u32, periods: u32| {
            let default = if allow_anonymous { 0 } else { default };
            let number = parse(&get, name, "must be a number, 0 for no limit")?.unwrap_or(default);
            let limit = || Limit { interval: period / number, burst: number.saturating_mul(periods) };
            Ok((number > 0).then(limit))
        };
        const SECOND: Duration = Duration::from_secs(1);
        Ok(Self {
            messages: limit("MESSAGES_PER_SECOND", SECOND, 5, 4)?,
            registers: limit("REGISTERS_PER_MINUTE", 60 * SECOND, 30, 1)?,
            frames: limit("FRAMES_PER_SECOND", SECOND, 20, 10)?,
        })
    }
}

/// What logs are told of an invocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// `METRICS_NAMESPACE`: where CloudWatch puts the metrics. Without it they are no more than numbers in a log.
    pub(crate) namespace: Option<String>,
    /// `LOG_USER_KEY`: the key under which users are hashed. Without it logs tell of no user.
    pub(crate) user_key: Option<Secret>,
}

/// The settings of logs, where `AWS_LAMBDA_LOG_FORMAT`, which Lambda sets, asks for JSON. Asked for on their own, since
/// logging starts before all else.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn log() -> Option<Log> {
    let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_json = get("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format == "JSON");
    is_json.then(|| Log { namespace: get("METRICS_NAMESPACE"), user_key: get("LOG_USER_KEY").map(Secret) })
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
    fn limits_are_off_in_open_mode_unless_asked_for() {
        let read = |extra: &'static [(&str, &str)]| {
            let given =
                |name: &str| extra.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
            Config::read(|name| given(name).or_else(|| complete(name))).expect("complete").limits.messages
        };
        let five = Limit { interval: Duration::from_millis(200), burst: 20 };
        assert_eq!(read(&[]), Some(five));
        assert_eq!(read(&[("MESSAGES_PER_SECOND", "0")]), None);
        assert_eq!(read(&[("ALLOW_ANONYMOUS", "true")]), None);
        assert_eq!(read(&[("ALLOW_ANONYMOUS", "true"), ("MESSAGES_PER_SECOND", "5")]), Some(five));
    }

    #[test]
    fn ice_servers_are_urls_and_turn_needs_a_secret() {
        let read = |extra: &'static [(&str, &str)]| {
            let given =
                |name: &str| extra.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
            let config = Config::read(|name| given(name).or_else(|| complete(name)));
            config.map(|config| config.ice).map_err(|error| error.to_string())
        };
        let none = read(&[]).expect("complete");
        assert!(none.stun_urls.is_empty() && none.turn.is_none());
        assert_eq!(
            read(&[("STUN_URLS", "stun:a, stuns:b,")]).expect("valid").stun_urls,
            ["stun:a", "stuns:b"]
        );
        let turn = read(&[("TURN_URLS", "turn:a"), ("TURN_SECRET", "x")]).expect("valid").turn;
        assert_eq!(turn.map(|turn| turn.urls), Some(vec!["turn:a".to_owned()]));
        let bad = |extra| read(extra).expect_err("bad");
        assert_eq!(bad(&[("STUN_URLS", "http://a")]), "STUN_URLS must be stun: or stuns: URLs with commas");
        assert_eq!(bad(&[("TURN_URLS", "turn:a")]), "TURN_SECRET is not set, TURN_URLS needs it");
        assert_eq!(bad(&[("TURN_SECRET", "x")]), "TURN_URLS is not set, TURN_SECRET needs it");
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = format!("{:?}", Config::read(complete).expect("complete"));
        assert!(!shown.contains("secret@") && !shown.contains("\"secret\""), "{shown}");
    }
}
