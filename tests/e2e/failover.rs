//! A primary that becomes a replica while functions are connected to it, behind one name that leads to the new one.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::join;
use rstest::rstest;
use serde_json::json;
use support::proxy::SwitchProxy;
use support::store::Version::{self, Redis6, Redis7, Valkey};
use support::{App, Clock, TestStore, wait_until};

/// How long after a failover an instance that only reads may read from the old primary.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

#[rstest]
#[tokio::test]
async fn a_primary_that_became_a_replica_costs_no_request(
    #[values(Valkey, Redis7, Redis6)] version: Version,
) {
    let Some(pair) = Pair::start(version).await else { return };
    let app = App::builder().at(pair.proxy.url(), None).one_instance().start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    let mut laptop = alice.connect().await;
    let [kept, edited, deleted] =
        ["kept", "edited", "deleted"].map(|content| alice.post_message(&bob, content));
    let (kept, edited, deleted) = (kept.await, edited.await, deleted.await);
    phone.expect_many("new_message", 3).await;
    laptop.expect_many("new_message", 3).await;
    // Every function has a connection to the old primary.
    alice.edit_message(&kept, "kept as edited").await;
    alice.delete_message(&alice.post_message(&alice, "note").await).await;
    laptop.signal("offer", &alice, &bob, json!("before")).await;
    phone.expect("offer").await;
    laptop.signal("end_call", &alice, &bob, json!(null)).await;
    phone.expect("end_call").await;

    pair.fail_over().await;
    let created = alice.post_message(&bob, "after").await;
    let edited = alice.edit_message(&edited, "edited after").await;
    alice.delete_message(&deleted).await;
    assert_eq!(phone.expect("new_message").await["data"], created);
    assert_eq!(
        phone.expect_where("the edit", |frame| frame["data"] == edited).await["type"],
        "update_message"
    );
    assert_eq!(phone.expect("delete_message").await["data"]["id"], deleted["id"]);
    phone.register(&bob.key).await;
    phone.signal("offer", &bob, &alice, json!("after")).await;
    laptop.expect_where("the offer", |frame| frame["data"] == "after").await;
    laptop.signal("answer", &alice, &bob, json!("v=0")).await;
    phone.expect("answer").await;
    assert_eq!(pair.new.tell("PING").await, redis::Value::SimpleString("PONG".into()));
    for function in ["CreateMessage", "UpdateMessage", "DeleteMessage", "Register", "Signaling"] {
        assert_eq!(app.ended(function), Some(0), "{function}");
    }
}

#[tokio::test]
async fn an_instance_that_only_reads_finds_the_new_primary_within_a_minute() {
    let Some(clock) = Clock::start() else { return };
    let Some(pair) = Pair::start(Valkey).await else { return };
    let app = App::builder().at(pair.proxy.url(), None).clock(&clock).one_instance().start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let before = alice.post_message(&bob, "before").await;
    assert_eq!(bob.read_message(&before).await.json(), before);
    pair.fail_over().await;
    // The data of the old primary is old from now on.
    pair.old.tell("REPLICAOF 127.0.0.1 1").await;
    let after = alice.post_message(&bob, "after").await;
    bob.read_message(&after).await.assert_not_found();
    // Never idle for a minute.
    clock.advance(CHECK_INTERVAL / 2);
    assert_eq!(bob.read_message(&before).await.json(), before);
    clock.advance(CHECK_INTERVAL / 2);
    assert_eq!(bob.read_message(&after).await.json(), after);
}

#[tokio::test]
async fn a_failover_under_load_costs_requests_only_while_there_is_no_primary() {
    let Some(pair) = Pair::start(Valkey).await else { return };
    let app = App::builder().at(pair.proxy.url(), None).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    alice.post_message(&bob, "first").await;

    let over = Cell::new(false);
    let done = Cell::new(false);
    let acknowledged = Cell::new(Vec::new());
    let (total, refused) = (Cell::new(0), Cell::new(0));
    let sending = async |name: &str| {
        let mut number = 0;
        while !done.get() {
            number += 1;
            let content = format!("{name} {number}");
            let safe = over.get();
            let reply = alice.try_post_message(&bob, &content).await;
            total.set(total.get() + 1);
            match reply.status {
                201 => {
                    let mut messages = acknowledged.take();
                    messages.push(content);
                    acknowledged.set(messages);
                }
                _ => {
                    reply.assert_unavailable();
                    assert!(!safe, "refused though there is a primary");
                    refused.set(refused.get() + 1);
                }
            }
        }
    };
    let failing = async {
        wait_until("the load", async || total.get() > 50).await;
        let started = Instant::now();
        pair.fail_over().await;
        let took = started.elapsed();
        over.set(true);
        let so_far = total.get();
        wait_until("the load", async || total.get() > so_far + 100).await;
        done.set(true);
        took
    };
    let (_, took) = join(join(sending("one"), sending("another")), failing).await;
    println!("{} of {} requests were refused; the failover took {took:?}", refused.get(), total.get());
    let stored: Vec<_> = bob.list_messages().await;
    for content in acknowledged.take() {
        assert!(stored.iter().any(|message| message["content"] == content.as_str()), "{content} is lost");
    }
    assert_eq!(app.ended("CreateMessage"), Some(0));
}

/// A primary and its replica behind one name.
struct Pair {
    old: TestStore,
    new: TestStore,
    proxy: SwitchProxy,
}

impl Pair {
    /// `None` where the machine has no such server.
    async fn start(version: Version) -> Option<Self> {
        let old = TestStore::start_version(version, &[]).await?;
        let new = TestStore::start_version(version, &[]).await?;
        new.tell(&format!("REPLICAOF 127.0.0.1 {}", old.port())).await;
        wait_until("the replica", async || new.info("master_link_status").await == "up").await;
        let proxy = SwitchProxy::start(old.port());
        Some(Self { old, new, proxy })
    }

    /// Makes the replica the primary and the primary its replica, without a loss, and leads new connections to it.
    async fn fail_over(&self) {
        self.old.tell(&format!("FAILOVER TO 127.0.0.1 {}", self.new.port())).await;
        wait_until("the new primary", async || self.new.info("role").await == "master").await;
        self.proxy.lead_to(self.new.port());
        wait_until("the old primary's fall", async || self.old.info("role").await == "slave").await;
    }
}
