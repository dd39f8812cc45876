//! `GET /messages/{id}`.

use rstest::rstest;
use support::App;
use support::StoreKind::{self, SecureCluster, Single};

#[rstest]
#[tokio::test]
async fn a_message_is_read_as_it_was_created(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let message = app.user("alice").post_message(&app.user("bob"), "hello").await;
    let reply = app.get(&format!("/messages/{}?x=1", message["id"].as_str().expect("an id"))).await;
    assert_eq!((reply.status, reply.json()), (200, message));
    assert_eq!(reply.header("content-type"), "application/json");
    let fields = ["id", "sender_id", "receiver_id", "content", "created_at", "updated_at"];
    let places: Vec<_> = fields.iter().map(|name| reply.text().find(&format!("\"{name}\":"))).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{}", reply.text());
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let app = App::open().await;
    let nothing = uuid::Uuid::now_v7();
    let ids = [
        nothing.to_string(),
        nothing.simple().to_string(),
        nothing.urn().to_string(),
        "1".to_owned(),
        "%00".to_owned(),
        "%F0%9F%98%80".to_owned(),
        "%7B%7D:timeline".to_owned(),
        "undefined".to_owned(),
        "x".repeat(2000),
    ];
    for id in ids {
        app.get(&format!("/messages/{id}")).await.assert_not_found();
    }
}

#[tokio::test]
async fn a_deleted_message_does_not_exist() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "hello").await;
    alice.delete_message(&message).await;
    alice.read_message(&message).await.assert_not_found();
}
