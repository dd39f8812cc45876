//! Functions that log in to ElastiCache with tokens in place of a password, each good for a quarter of an hour.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use support::StoreKind::{self, SecureCluster, SecureSingle};
use support::proxy::TokenCheck;
use support::store::iam::{Cache, Refusal, Role};
use support::{App, Clock, Device, TestStore, User, read_log, wait_until};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

/// How long a request may take that is refused.
const SOON: Duration = Duration::from_secs(1);

/// How long functions keep a connection that they made with a token.
const TOKEN_CONNECTION_AGE: Duration = Duration::from_secs(600);

/// When ElastiCache closes a connection that logged in with a token.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

#[tokio::test]
async fn functions_log_in_to_a_serverless_cache_and_to_a_replication_group() {
    let kinds = [(true, SecureCluster), (true, SecureSingle), (false, SecureCluster), (false, SecureSingle)];
    for (serverless, store) in kinds {
        let Some(mut lab) = Lab::start(serverless, store).await else { return };
        lab.use_functions().await;
        let ages = lab.ages();
        assert!(ages.len() > 1 && ages.iter().all(|age| *age < MINUTE), "{ages:?}");
    }
}

#[tokio::test]
async fn a_busy_function_logs_in_again_before_its_token_expires() {
    for store in [SecureSingle, SecureCluster] {
        let Some(mut lab) = Lab::start(true, store).await else { return };
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
    for store in [SecureSingle, SecureCluster] {
        let Some(mut lab) = Lab::start(true, store).await else { return };
        lab.use_functions().await;
        lab.ages();
        for idle in [11 * MINUTE, 16 * MINUTE, 31 * MINUTE, LONGEST + MINUTE] {
            lab.clock.advance(idle);
            if idle > LONGEST {
                lab.store.cut().await;
            }
            lab.use_functions().await;
            let ages = lab.ages();
            assert!(!ages.is_empty() && ages.iter().all(|age| *age < MINUTE), "{ages:?}");
        }
    }
}

#[tokio::test]
async fn a_cluster_client_opens_nothing_with_a_token_that_has_expired() {
    let Some(mut lab) = Lab::start(true, SecureCluster).await else { return };
    lab.use_functions().await;
    lab.ages();
    // The cluster client opens dropped connections again with the token that it has: old, and still good.
    lab.clock.advance(TOKEN_CONNECTION_AGE - Duration::from_secs(1));
    lab.store.cut().await;
    lab.use_functions().await;
    let ages = lab.ages();
    assert!(!ages.is_empty() && ages.iter().all(|age| *age < TOKEN_CONNECTION_AGE + MINUTE), "{ages:?}");
    // With the same token it would be refused now.
    let frozen = lab.app.freeze(&["CreateMessage", "GetMessage"]).await;
    // Frozen and cut off, it logs in no more; what it opened after it had answered does not count below.
    lab.store.cut().await;
    lab.ages();
    lab.clock.advance(TOKEN_CONNECTION_AGE + Duration::from_secs(1));
    drop(frozen);
    lab.use_functions().await;
    let ages = lab.ages();
    assert!(!ages.is_empty() && ages.iter().all(|age| *age < MINUTE), "{ages:?}");
}

#[tokio::test]
async fn a_refused_token_costs_a_503_and_shows_in_no_log() {
    for store in [SecureSingle, SecureCluster] {
        let Some(mut lab) = Lab::start(true, store).await else { return };
        lab.use_functions().await;
        lab.ages();
        let role = lab.cache.role.clone();
        lab.check.change(|cache| cache.role.secret_access_key = "another".to_owned());
        lab.store.cut().await;
        let failures = || read_log().lines().filter(|line| says_why(line)).count();
        let before = failures();
        for _ in 0..2 {
            let started = Instant::now();
            let refused = lab.alice.try_post_message(&lab.bob, "refused").await;
            let took = started.elapsed();
            refused.assert_unavailable();
            assert!(took < SOON, "it took {took:?}");
            let seen = lab.check.take_seen();
            assert!(!seen.is_empty() && seen.iter().all(Result::is_err), "{seen:?}");
        }
        // A function that starts like this is none the worse for it.
        lab.app.get("/messages?user=anybody").await.assert_unavailable();
        assert!(lab.check.take_seen().iter().all(Result::is_err));
        wait_until("the reason in the log", async || failures() == before + 3).await;
        let log = read_log();
        let session = role.session_token.as_deref().expect("a role has one");
        for secret in [&role.secret_access_key, session, "X-Amz-Signature", "X-Amz-Security-Token"] {
            assert_eq!(log.lines().find(|line| line.contains(secret)), None, "{secret} shows");
        }
        lab.check.change(|cache| cache.role = role);
        lab.use_functions().await;
        assert_eq!(lab.app.get("/messages?user=anybody").await.json(), json!([]));
        lab.ages();
    }
}

/// Whether a line of the log tells that the store let nobody in.
fn says_why(line: &str) -> bool {
    line.contains(r#""level":"ERROR""#) && line.contains("Password authentication failed")
}

/// Functions that log in to a cache, on one server or a cluster, with tokens of their role.
struct Lab {
    clock: Arc<Clock>,
    cache: Cache,
    check: Arc<TokenCheck>,
    store: TestStore,
    app: App,
    alice: User,
    bob: User,
    phone: Device,
}

impl Lab {
    /// `None` where the functions' clock cannot be moved.
    async fn start(serverless: bool, kind: StoreKind) -> Option<Self> {
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
        let check = TokenCheck::new(cache.clone(), Arc::clone(&clock));
        let store = TestStore::start_with(kind, check.admission()).await;
        let url = format!(
            "rediss://{}@localhost:{}?cluster={}&{}={}",
            cache.user,
            store.port(),
            store.is_clustered(),
            if serverless { "iam" } else { "iam-group" },
            cache.name
        );
        let session = cache.role.session_token.clone().expect("a role has one");
        let app = App::builder()
            .at(url, store.authority())
            .clock(&clock)
            .one_instance()
            .environment("AWS_REGION", &cache.region)
            .environment("AWS_ACCESS_KEY_ID", &cache.role.access_key_id)
            .environment("AWS_SECRET_ACCESS_KEY", &cache.role.secret_access_key)
            .environment("AWS_SESSION_TOKEN", &session)
            .start()
            .await;
        let (alice, bob) = (app.user("alice"), app.user("bob"));
        let phone = bob.connect().await;
        Some(Self { clock, cache, check, store, app, alice, bob, phone })
    }

    /// Sends and reads a message, and gets its notification; all must go well.
    async fn use_functions(&mut self) {
        let message = self.alice.post_message(&self.bob, "hello").await;
        assert_eq!(self.phone.expect("new_message").await["data"], message);
        assert_eq!(self.bob.read_message(&message).await.json(), message);
    }

    /// How old the tokens were that were taken since this was asked before; fails if one was refused.
    #[track_caller]
    fn ages(&self) -> Vec<Duration> {
        let seen: Result<Vec<Duration>, Refusal> = self.check.take_seen().into_iter().collect();
        seen.unwrap_or_else(|refusal| panic!("a token was refused: {refusal}"))
    }
}
