//! A store that evicts: connections that it does not know any more come back by themselves.

use redis::Value;
use rstest::rstest;
use serde_json::json;
use support::store::Version::{self, Redis6, Redis7, Valkey};
use support::{App, Device, TestStore};

/// How the gateway closes a connection that a function deletes.
const NORMAL: u16 = 1000;

#[rstest]
#[tokio::test]
async fn a_connection_whose_record_was_evicted_is_told_and_closed(
    #[values(Valkey, Redis7, Redis6)] version: Version,
) {
    let Some(store) = TestStore::start_version(version, &["--maxmemory-policy", "volatile-lru"]).await else {
        return;
    };
    let app = App::builder().on_store(&store).guarded().start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (alice_client, bob_client) = (app.sign_in(&alice), app.sign_in(&bob));
    let message = alice_client.post_message(&bob, "kept").await;
    let (registering, calling) = (bob_client.register().await, bob_client.register().await);

    // Everything that expires goes; then nothing is left that could.
    store.tell("CONFIG SET maxmemory 1").await;
    let refused = app.sign_in(&alice).send(hyper::Method::POST, "/tickets", None).await;
    refused.assert_unavailable();
    store.tell("CONFIG SET maxmemory 0").await;

    assert_told_and_closed(registering, json!({ "type": "register", "ref": "r" })).await;
    assert_told_and_closed(calling, json!({ "type": "offer", "target": alice.key, "ref": "r" })).await;
    // Their client comes back.
    let mut phone = bob_client.register().await;
    let again = alice_client.post_message(&bob, "again").await;
    assert_eq!(phone.expect("new_message").await["data"], again);
    let listed = bob_client.get("/messages").await.json();
    assert_eq!(listed, json!([message, again]));
}

#[tokio::test]
async fn the_entry_of_a_connection_whose_record_was_evicted_goes_if_its_user_is_named() {
    let Some(store) = TestStore::start_version(Valkey, &[]).await else { return };
    let app = App::builder().on_store(&store).guarded().start().await;
    let bob = app.user("bob");
    let client = app.sign_in(&bob);
    for frame in ["register", "end_call"] {
        let phone = client.register().await;
        assert_eq!(keys(&store, "zset").await.len(), 1);
        for record in keys(&store, "hash").await {
            store.tell(&format!("DEL {record}")).await;
        }
        let frame = json!({ "type": frame, "target": "carol", "userKey": bob.key, "ref": "r" });
        assert_told_and_closed(phone, frame).await;
        support::wait_until("the entry to go", async || keys(&store, "zset").await.is_empty()).await;
    }
}

async fn assert_told_and_closed(mut device: Device, frame: serde_json::Value) {
    device.send(frame).await;
    let error = device.expect("error").await;
    assert_eq!((&error["code"], &error["ref"]), (&json!("not_registered"), &json!("r")));
    assert_eq!(device.expect_close().await, NORMAL);
}

/// The keys of a type. Connections' records are hashes, and a user's connections a sorted set.
async fn keys(store: &TestStore, kind: &str) -> Vec<String> {
    let told = store.tell(&format!("SCAN 0 COUNT 1000 TYPE {kind}")).await;
    let (_, keys): (Value, Vec<String>) = redis::from_redis_value(told).expect("a page of keys");
    keys
}
