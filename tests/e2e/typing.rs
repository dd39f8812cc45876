//! `typing`: relayed to the target's connections, kept nowhere, never answered.

use rstest::rstest;
use serde_json::json;
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, TestStore};

#[rstest]
#[tokio::test]
async fn it_reaches_every_device_of_the_target_and_nobody_else(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = alice.connect().await;
    let mut targets = [bob.connect().await, bob.connect().await];
    let mut others = [alice.connect().await, app.user("carol").connect().await];
    let frame = json!({
        "type": "typing", "target": bob.key, "userKey": "mallory", "sender": "mallory", "event_id": "1-a",
        "ref": "r", "draft": { "b": 1, "a": [2] },
    });
    phone.send(frame).await;
    for device in &mut targets {
        let relayed = device.expect("typing").await;
        assert_eq!(
            relayed,
            json!({
                "type": "typing", "target": bob.key, "userKey": alice.key, "sender": alice.key, "ref": "r",
                "draft": { "b": 1, "a": [2] },
            })
        );
    }
    phone.settle().await;
    for device in targets.iter_mut().chain(&mut others).chain([&mut phone]) {
        device.expect_silence().await;
    }
}

#[tokio::test]
async fn a_signed_in_user_types_by_the_ticket() {
    let app = App::guarded_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut target = app.sign_in(&bob).register().await;
    let mut phone = app.sign_in(&alice).connect().await;
    phone.send(json!({ "type": "typing", "target": bob.key, "userKey": "mallory" })).await;
    assert_eq!(target.expect("typing").await["sender"], alice.key);
    phone.expect_silence().await;
}

#[tokio::test]
async fn one_that_finds_nobody_is_not_answered_and_not_kept() {
    let store = TestStore::start(Single).await;
    let app = App::builder().on_store(&store).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = alice.connect().await;
    let keys = async || {
        let mut connection = store.connect().await;
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("it lists");
        keys.into_iter().collect::<std::collections::BTreeSet<_>>()
    };
    let before = keys().await;
    phone.send(json!({ "type": "typing", "target": bob.key, "ref": "r" })).await;
    // A frame after it that is answered, so that it has been dealt with.
    phone.send(json!({ "type": "candidate", "target": "" })).await;
    assert_eq!(phone.next().await["code"], "invalid_target");
    support::wait_until("the end of the functions' work", async || {
        app.gateway().lambda().busy("Signaling") == 0 && app.gateway().lambda().started("Signaling") > 0
    })
    .await;
    phone.expect_silence().await;
    assert_eq!(keys().await, before);
    let mut late = bob.connect().await;
    late.expect_silence().await;
}

#[tokio::test]
async fn to_oneself_it_reaches_ones_other_devices() {
    let app = App::open_on(SecureCluster).await;
    let alice = app.user("alice");
    let (mut phone, mut laptop) = (alice.connect().await, alice.connect().await);
    phone.send(json!({ "type": "typing", "target": alice.key })).await;
    assert_eq!(laptop.expect("typing").await["sender"], alice.key);
    phone.settle().await;
    phone.expect_silence().await;
    laptop.expect_silence().await;
}

#[tokio::test]
async fn one_that_says_nothing_usable_is_refused_like_any_frame() {
    let app = App::open().await;
    let bob = app.user("bob");
    let mut target = bob.connect().await;
    let mut device = app.connect().await;
    for (frame, code) in [
        (json!({ "type": "typing" }), "invalid_target"),
        (json!({ "type": "typing", "target": "" }), "invalid_target"),
        (json!({ "type": "typing", "target": bob.key }), "not_registered"),
    ] {
        device.send(frame).await;
        let error = device.next().await;
        assert_eq!((&error["code"], &error["request_type"]), (&json!(code), &json!("typing")));
    }
    // In open mode one that never registered may name itself.
    device.send(json!({ "type": "typing", "target": bob.key, "userKey": "visiting" })).await;
    assert_eq!(target.expect("typing").await["sender"], "visiting");
}
