//! `DELETE /messages/{id}`, and that nothing deleted comes back.

use futures_util::future::{join, join_all};
use rstest::rstest;
use support::App;
use support::StoreKind::{self, SecureCluster, Single};

#[rstest]
#[tokio::test]
async fn a_deleted_message_is_gone_for_good(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (kept, message) = (alice.post_message(&bob, "stay").await, alice.post_message(&bob, "go").await);
    let reply = alice.try_delete_message(&message).await;
    assert_eq!((reply.status, reply.text()), (200, r#"{"message":"Message deleted"}"#));
    assert_eq!(reply.header("content-type"), "application/json");

    alice.try_delete_message(&message).await.assert_not_found();
    alice.try_edit_message(&message, "again").await.assert_not_found();
    alice.read_message(&message).await.assert_not_found();
    let kept = [kept];
    assert_eq!(bob.list_messages().await, kept);
    assert_eq!(bob.list_conversation(&alice).await, kept);
    assert!(app.list("").await.iter().all(|listed| listed["id"] != message["id"]));
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_deleted() {
    let app = App::open().await;
    for id in [uuid::Uuid::now_v7().to_string(), "1".to_owned(), "%00".to_owned()] {
        app.delete(&format!("/messages/{id}")).await.assert_not_found();
    }
}

#[tokio::test]
async fn of_concurrent_deletes_one_succeeds() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "hello").await;
    let replies = join_all((0..8).map(|_| alice.try_delete_message(&message))).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404, 404, 404, 404, 404, 404, 404]);
}

#[tokio::test]
async fn an_edit_racing_a_delete_resurrects_nothing() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut edited, mut late) = (0, 0);
    for _ in 0..200 {
        let message = alice.post_message(&bob, "hello").await;
        let (edit, deletion) =
            join(alice.try_edit_message(&message, "bye"), alice.try_delete_message(&message)).await;
        assert_eq!(deletion.status, 200, "{}", deletion.text());
        match edit.status {
            200 => edited += 1,
            404 => late += 1,
            other => panic!("{other} {}", edit.text()),
        }
        alice.read_message(&message).await.assert_not_found();
    }
    assert_eq!(alice.list_messages().await, [] as [serde_json::Value; 0], "{edited} edited, {late} late");
}
