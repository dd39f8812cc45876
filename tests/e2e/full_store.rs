//! A store whose memory is full: what frees memory or needs none works, the rest is refused whole.

use rstest::rstest;
use serde_json::json;
use support::store::Version::{self, Redis6, Redis7, Valkey};
use support::{App, TestStore, encoded, wait_until};

#[rstest]
#[tokio::test]
async fn a_full_store_refuses_what_grows_and_carries_out_the_rest(
    #[values(Valkey, Redis7, Redis6)] version: Version,
) {
    let Some(store) = TestStore::start_version(version, &["--maxmemory-policy", "noeviction"]).await else {
        return;
    };
    let app = App::builder().on_store(&store).start().await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| app.user(name));
    let (mut phone, mut laptop, tablet) = (alice.connect().await, bob.connect().await, carol.connect().await);
    let [deleted, kept] = [alice.post_message(&bob, "deleted").await, alice.post_message(&bob, "kept").await];
    laptop.expect_many("new_message", 2).await;
    phone.expect_many("new_message", 2).await;
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    laptop.expect("offer").await;
    phone.settle().await;
    let [alices, bobs] = [position(&app, &alice.key).await, position(&app, &bob.key).await];

    store.tell("CONFIG SET maxmemory 1").await;
    for _ in 0..2 {
        alice.try_post_message(&bob, "refused").await.assert_unavailable();
        alice.try_edit_message(&kept, "refused").await.assert_unavailable();
        let named =
            json!({ "sender_id": alice.key, "receiver_id": bob.key, "content": "named", "client_id": "n" });
        app.post("/messages", named.to_string()).await.assert_unavailable();
        phone.send(json!({ "type": "register", "userKey": alice.key, "ref": "r" })).await;
        let refused = phone.expect("error").await;
        assert_eq!((&refused["code"], &refused["ref"]), (&json!("unavailable"), &json!("r")));
    }
    // Reads work, and find nothing of what was refused.
    assert_eq!(bob.read_message(&kept).await.json(), kept);
    assert_eq!(bob.list_conversation(&alice).await, [deleted.clone(), kept.clone()]);
    assert_eq!(events(&app, &bob.key, &bobs).await["events"], json!([]));
    alice.delete_message(&deleted).await;
    for device in [&mut phone, &mut laptop] {
        assert_eq!(device.expect("delete_message").await["data"]["id"], deleted["id"]);
    }
    alice.try_delete_message(&deleted).await.assert_not_found();
    assert_eq!(bob.list_messages().await, std::slice::from_ref(&kept));
    phone.signal("end_call", &alice, &bob, json!(null)).await;
    laptop.expect("end_call").await;
    tablet.close().await;
    wait_until("carol's connection to be forgotten", async || {
        let lambda = app.gateway().lambda();
        lambda.started("Disconnect") > 0 && lambda.busy("Disconnect") == 0
    })
    .await;

    store.tell("CONFIG SET maxmemory 0").await;
    // A call to somebody who is gone is refused, so she was forgotten.
    phone.signal("offer", &alice, &carol, json!("v=0")).await;
    assert_eq!(phone.expect("error").await["code"], "peer_unavailable");
    let named =
        json!({ "sender_id": alice.key, "receiver_id": bob.key, "content": "named", "client_id": "n" });
    let first = app.post("/messages", named.to_string()).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""), "{}", first.text());
    let edited = alice.edit_message(&kept, "edited").await;
    phone.register(&alice.key).await;
    for (user, position) in [(&alice, alices), (&bob, bobs)] {
        assert_eq!(user.list_messages().await, [edited.clone(), first.data()]);
        let told = events(&app, &user.key, &position).await;
        let kinds: Vec<_> =
            told["events"].as_array().expect("events").iter().map(|event| &event["type"]).collect();
        assert_eq!(kinds, ["delete_message", "new_message", "update_message"], "{told}");
    }
    assert_eq!(laptop.expect("new_message").await["data"], first.data());
    assert_eq!(laptop.expect("update_message").await["data"], edited);
    laptop.expect_silence().await;
}

async fn position(app: &App, user: &str) -> String {
    events(app, user, "0-0").await["event_id"].as_str().expect("a position").to_owned()
}

async fn events(app: &App, user: &str, since: &str) -> serde_json::Value {
    let reply = app.get(&format!("/events?user={}&since={since}", encoded(user))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}
