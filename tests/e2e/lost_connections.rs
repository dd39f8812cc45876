//! Connections, pushes, functions and stores that fail: what clients still get.

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, TestStore, wait_until};

#[rstest]
#[tokio::test]
async fn a_connection_that_was_cut_harms_nothing(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (bob.connect().await, bob.connect().await);
    for _ in 0..5 {
        bob.connect().await.cut().await;
        bob.connect().await.reset();
        let message = alice.post_message(&bob, "hello").await;
        for device in [&mut phone, &mut laptop] {
            assert_eq!(device.next().await["data"], message);
        }
    }
    phone.expect_silence().await;
    laptop.expect_silence().await;
}

#[tokio::test]
async fn a_user_who_was_cut_off_is_unavailable() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = alice.connect().await;
    bob.connect().await.cut().await;
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    assert_eq!(phone.next().await["code"], "peer_unavailable");
}

#[tokio::test]
async fn a_connection_whose_end_nobody_was_told_of_is_forgotten_by_the_first_push() {
    let app = App::builder().on(SecureCluster).faults(&["disconnect:lost=1"]).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut oldest = bob.connect().await;
    for _ in 0..19 {
        bob.connect().await.cut().await;
    }
    let message = alice.post_message(&bob, "hello").await;
    assert_eq!(oldest.next().await["data"], message);
    // Were the gone ones still entered, each of these would push out an older one, the first included.
    let mut devices = Vec::new();
    for _ in 0..19 {
        devices.push(bob.connect().await);
    }
    oldest.expect_silence().await;
    let message = alice.post_message(&bob, "hello again").await;
    assert_eq!(oldest.next().await["data"], message);
    for device in &mut devices {
        assert_eq!(device.next().await["data"], message);
    }
}

#[tokio::test]
async fn an_offer_to_a_connection_whose_end_nobody_was_told_of_is_answered() {
    let app = App::builder().on(SecureCluster).faults(&["disconnect:lost=1"]).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = alice.connect().await;
    for _ in 0..3 {
        bob.connect().await.cut().await;
    }
    for _ in 0..2 {
        phone.signal("offer", &alice, &bob, json!("v=0")).await;
        assert_eq!(phone.next().await["code"], "peer_unavailable");
    }
    let mut laptop = bob.connect().await;
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    laptop.expect("offer").await;
    phone.settle().await;
    phone.expect_silence().await;
}

#[tokio::test]
async fn a_request_never_fails_because_a_push_did() {
    for fault in ["push:500=1", "push:403=1", "push:429=1", "push:410=1"] {
        let app = App::builder().on(SecureCluster).faults(&[fault]).start().await;
        let (alice, bob) = (app.user("alice"), app.user("bob"));
        let shared = App::open_on(SecureCluster).await;
        // Registered through another gateway, as here not even `registered` could be pushed.
        let _phone = shared.user_called(&bob.key).connect().await;
        let message = alice.post_message(&bob, "hello").await;
        let edited = alice.edit_message(&message, "bye").await;
        alice.delete_message(&edited).await;
        assert!(bob.list_messages().await.is_empty(), "{fault}");
    }
}

#[tokio::test]
async fn all_pushes_of_a_request_together_have_two_seconds() {
    let app = App::builder().faults(&["push:delay=20s"]).start().await;
    // Registered through another gateway: here not even `registered` would come in time.
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let shared = App::open().await;
    let _phones =
        [shared.user_called(&bob.key).connect().await, shared.user_called(&alice.key).connect().await];
    let started = Instant::now();
    alice.post_message(&bob, "hello").await;
    let took = started.elapsed();
    assert!(took > Duration::from_secs(1), "the push was not delayed: {took:?}");
    assert!(took < Duration::from_secs(10), "the pushes took {took:?}");
}

#[tokio::test]
async fn a_push_that_is_throttled_now_and_then_arrives() {
    let app = App::builder().faults(&["push:429=0.5"]).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    for turn in 0..10 {
        let message = alice.post_message(&bob, &turn.to_string()).await;
        assert_eq!(phone.next().await["data"], message);
    }
}

#[tokio::test]
async fn a_function_killed_in_the_middle_fails_one_request_only() {
    let app = App::builder().faults(&["push:delay=1500ms"]).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let shared = App::open().await;
    let _phone = shared.user_called(&bob.key).connect().await;
    let posting = alice.try_post_message(&bob, "hello");
    let killing = async {
        // Once the message is stored, its function is pushing.
        wait_until("the message is stored", async || !alice.list_messages().await.is_empty()).await;
        assert!(app.try_kill("CreateMessage"));
    };
    let (reply, ()) = futures_util::future::join(posting, killing).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert!(reply.json()["message"].is_string(), "{}", reply.text());
    alice.post_message(&bob, "again").await;
}

#[tokio::test]
async fn a_function_killed_in_the_middle_of_a_frame_is_told_by_the_platform() {
    let app = App::builder().faults(&["push:delay=1500ms"]).start().await;
    let mut phone = app.connect().await;
    phone.send(json!({ "type": "offer", "userKey": "u", "target": "", "ref": "r" })).await;
    // It is this gateway's first signal, and its refusal takes a while to push.
    wait_until("the function runs", async || app.try_kill("Signaling")).await;
    let text = phone.next_text().await;
    let frame: Value = serde_json::from_str(&text).expect("JSON");
    let (connection, request) = (&frame["connectionId"], &frame["requestId"]);
    assert_eq!(
        text,
        format!(
            r#"{{"message": "Internal server error", "connectionId":{connection}, "requestId":{request}}}"#
        )
    );
    phone.expect_silence().await;
    phone.send(json!({ "type": "offer", "userKey": "u", "target": "", "ref": "r" })).await;
    assert_eq!(phone.next().await["code"], "invalid_target");
}

#[tokio::test]
async fn a_store_that_restarts_fails_requests_cleanly_and_then_serves_again() {
    let mut store = TestStore::start_durable().await;
    let app = App::builder().on_store(&store).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    let before = alice.post_message(&bob, "before").await;
    phone.expect("new_message").await;

    store.stop_node().await;
    let replies = [
        alice.try_post_message(&bob, "lost").await,
        alice.read_message(&before).await,
        app.get("/messages").await,
        alice.try_edit_message(&before, "lost").await,
        alice.try_delete_message(&before).await,
    ];
    for reply in &replies {
        reply.assert_unavailable();
    }
    for kind in ["register", "offer", "answer", "candidate", "end_call"] {
        phone.send(json!({ "type": kind, "userKey": "u", "target": "t", "ref": "r" })).await;
        assert_eq!(
            phone.next_text().await,
            format!(
                r#"{{"type":"error","error":"The store is unavailable, try again","code":"unavailable","request_type":"{kind}","target":"t","ref":"r"}}"#
            )
        );
    }

    store.restart_node().await;
    assert_eq!(alice.read_message(&before).await.json(), before);
    let after = alice.post_message(&bob, "after").await;
    let edited = alice.edit_message(&before, "edited").await;
    assert_eq!(alice.list_messages().await, [edited, after.clone()]);
    // The registry was kept: nobody had to register again.
    assert_eq!(phone.expect("new_message").await["data"], after);
}

#[tokio::test]
async fn a_store_that_restarts_in_mid_traffic_loses_nothing_that_was_acknowledged() {
    let mut store = TestStore::start_durable().await;
    let app = App::builder().on_store(&store).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let posting = async {
        let mut acknowledged: Vec<Value> = Vec::new();
        for turn in 0..150 {
            let reply = alice.try_post_message(&bob, &turn.to_string()).await;
            match reply.status {
                201 => acknowledged.push(reply.data()),
                _ => reply.assert_unavailable(),
            }
        }
        acknowledged
    };
    let restarting = async {
        wait_until("posts are under way", async || alice.list_messages().await.len() > 20).await;
        store.restart_node().await;
    };
    let (acknowledged, ()) = futures_util::future::join(posting, restarting).await;
    alice.post_message(&bob, "after").await;
    let listed = bob.list_messages().await;
    for message in &acknowledged {
        assert!(listed.contains(message), "{message} was lost");
    }
}
