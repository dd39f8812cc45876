//! Functions that log in to ElastiCache with tokens in place of a password, each good for a quarter of an hour.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::server::Store;
use harness::Clock;
use harness::gate::Gate;
use harness::iam::{Cache, Refusal, Role};
use harness::servers::Servers;
use serde_json::json;
use uuid::Uuid;

use crate::helpers::{App, Device, User, read_log, wait_until};

const MINUTE: Duration = Duration::from_secs(60);

/// What a refusal may cost whoever asks.
const SOON: Duration = Duration::from_secs(1);

/// How long functions keep a connection that they made with a token.
const TOKEN_CONNECTION_AGE: Duration = Duration::from_secs(600);

/// When ElastiCache closes a connection that logged in with a token.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

const AWAY: &str = "The store is unavailable, try again";

#[tokio::test]
async fn functions_log_in_to_a_serverless_cache_and_to_a_replication_group() {
    for (serverless, clustered) in [(true, true), (true, false), (false, true), (false, false)] {
        let Some(mut lab) = Lab::start(serverless, clustered).await else { return };
        lab.use_functions().await;
        let ages = lab.ages();
        assert!(ages.len() > 1 && ages.iter().all(|age| *age < MINUTE), "{ages:?}");
    }
}

#[tokio::test]
async fn a_busy_function_logs_in_again_before_its_token_expires() {
    for clustered in [false, true] {
        let Some(mut lab) = Lab::start(true, clustered).await else { return };
        lab.use_functions().await;
        let once = lab.ages().len();
        let mut times = 0;
        // Never idle for a minute.
        for _ in 0..60 {
            lab.clock.advance(MINUTE - Duration::from_secs(10));
            lab.use_functions().await;
            let ages = lab.ages();
            times += usize::from(!ages.is_empty());
            assert!(ages.iter().all(|age| *age < MINUTE), "{ages:?}");
            assert!(ages.len() <= once, "{ages:?}");
        }
        // In 50 minutes; each lasts 10, and is noticed to be old at the next use.
        assert!((4..=5).contains(&times), "{times} times");
    }
}

#[tokio::test]
async fn an_idle_function_logs_in_with_a_token_of_its_own_time() {
    for clustered in [false, true] {
        let Some(mut lab) = Lab::start(true, clustered).await else { return };
        lab.use_functions().await;
        lab.ages();
        for idle in [11 * MINUTE, 16 * MINUTE, 31 * MINUTE, LONGEST + MINUTE] {
            lab.clock.advance(idle);
            if idle > LONGEST {
                lab.servers.cut().await;
            }
            lab.use_functions().await;
            let ages = lab.ages();
            assert!(!ages.is_empty() && ages.iter().all(|age| *age < MINUTE), "{ages:?}");
        }
    }
}

#[tokio::test]
async fn a_cluster_client_opens_nothing_with_a_token_that_has_expired() {
    let Some(mut lab) = Lab::start(true, true).await else { return };
    lab.use_functions().await;
    lab.ages();
    // The cluster client mends what was dropped with the token that it has: old, and still good.
    lab.clock.advance(TOKEN_CONNECTION_AGE - Duration::from_secs(1));
    lab.servers.cut().await;
    lab.use_functions().await;
    let ages = lab.ages();
    assert!(!ages.is_empty() && ages.iter().all(|age| *age < TOKEN_CONNECTION_AGE + MINUTE), "{ages:?}");
    // With the same token it would be refused now.
    let frozen = lab.app.freeze(&["CreateMessage", "GetMessage"]).await;
    // Frozen and cut off, it logs in no more; what it still mended after it had answered is not asked about below.
    lab.servers.cut().await;
    lab.ages();
    lab.clock.advance(TOKEN_CONNECTION_AGE + Duration::from_secs(1));
    drop(frozen);
    lab.use_functions().await;
    let ages = lab.ages();
    assert!(!ages.is_empty() && ages.iter().all(|age| *age < MINUTE), "{ages:?}");
}

#[tokio::test]
async fn a_refused_token_costs_a_503_and_shows_in_no_log() {
    for clustered in [false, true] {
        let Some(mut lab) = Lab::start(true, clustered).await else { return };
        lab.use_functions().await;
        lab.ages();
        let role = lab.cache.role.clone();
        lab.gate.change(|cache| cache.role.secret_access_key = "another".to_owned());
        lab.servers.cut().await;
        let failures = || read_log().lines().filter(|line| says_why(line)).count();
        let before = failures();
        for _ in 0..2 {
            let started = Instant::now();
            let refused = lab.alice.try_post_message(&lab.bob, "refused").await;
            let took = started.elapsed();
            refused.assert_refused(503, "unavailable", AWAY);
            assert!(took < SOON, "it took {took:?}");
            let seen = lab.gate.take_seen();
            assert!(!seen.is_empty() && seen.iter().all(Result::is_err), "{seen:?}");
        }
        // A function that starts like this is none the worse for it.
        lab.app.get("/messages?user=anybody").await.assert_refused(503, "unavailable", AWAY);
        assert!(lab.gate.take_seen().iter().all(Result::is_err));
        wait_until("the reason in the log", async || failures() == before + 3).await;
        let log = read_log();
        let session = role.session_token.as_deref().expect("a role has one");
        for secret in [&role.secret_access_key, session, "X-Amz-Signature", "X-Amz-Security-Token"] {
            assert_eq!(log.lines().find(|line| line.contains(secret)), None, "{secret} shows");
        }
        lab.gate.change(|cache| cache.role = role);
        lab.use_functions().await;
        assert_eq!(lab.app.get("/messages?user=anybody").await.json(), json!([]));
        lab.ages();
    }
}

/// Whether a line of the log tells that the store let nobody in.
fn says_why(line: &str) -> bool {
    line.contains("] ERROR") && line.contains("Password authentication failed")
}

/// Functions that reach a cache, or a cluster of them, with tokens of their role.
struct Lab {
    clock: Arc<Clock>,
    cache: Cache,
    gate: Arc<Gate>,
    servers: Servers,
    app: App,
    alice: User,
    bob: User,
    phone: Device,
}

impl Lab {
    /// `None` where nothing can move the functions' clock.
    async fn start(serverless: bool, clustered: bool) -> Option<Self> {
        let clock = Arc::new(Clock::start()?);
        let cache = Cache {
            name: "Now-Optics".to_owned(),
            serverless,
            region: "eu-central-1".to_owned(),
            user: "now-optics-functions".to_owned(),
            role: Role {
                access_key_id: "ASIAEXAMPLE".to_owned(),
                secret_access_key: format!("secret/{}+", Uuid::now_v7()),
                session_token: Some(format!("session/{}==", Uuid::now_v7())),
            },
        };
        let gate = Gate::new(cache.clone(), Arc::clone(&clock));
        let servers = Servers::secure_with(harness::runtime().handle(), clustered, gate.admission()).await;
        let kind = if serverless { "iam" } else { "iam-group" };
        let url = format!(
            "rediss://{}@localhost:{}?cluster={clustered}&{kind}={}",
            cache.user,
            servers.ends()[0].port(),
            cache.name
        );
        let session = cache.role.session_token.clone().expect("a role has one");
        let environment = [
            ("AWS_REGION", cache.region.clone()),
            ("AWS_ACCESS_KEY_ID", cache.role.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", cache.role.secret_access_key.clone()),
            ("AWS_SESSION_TOKEN", session),
            ("REDIS_TLS_CA", servers.authority().expect("it speaks TLS").to_owned()),
        ];
        let app = App::with(|options| {
            options.store = Store::Url(url);
            options.concurrency = 1;
            options.environment = clock.environment();
            options.environment.extend(environment.map(|(name, value)| (name.to_owned(), value)));
        })
        .await;
        let (alice, bob) = (app.user("alice"), app.user("bob"));
        let phone = bob.connect().await;
        Some(Self { clock, cache, gate, servers, app, alice, bob, phone })
    }

    /// Sends, hears, reads and lists a message; all must go well.
    async fn use_functions(&mut self) {
        let message = self.alice.post_message(&self.bob, "hello").await;
        assert_eq!(self.phone.expect("new_message").await["data"], message);
        assert_eq!(self.bob.read_message(&message).await.json(), message);
    }

    /// How old the tokens were that were taken since this was asked before; fails if one was refused.
    #[track_caller]
    fn ages(&self) -> Vec<Duration> {
        let seen: Result<Vec<Duration>, Refusal> = self.gate.take_seen().into_iter().collect();
        seen.unwrap_or_else(|refusal| panic!("a token was refused: {refusal}"))
    }
}
