//! How far both have read, and so what is unread.

use std::time::Duration;

use futures_util::future::join;
use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Clock, TestStore};

use super::Mode::{Guarded, Open};
use super::{Mode, Person, app, entry, frame_of, id, unreads};

#[rstest]
#[case(Open, Single)]
#[case(Guarded, SecureCluster)]
#[tokio::test]
async fn unread_counts_what_others_sent_after_the_marker_and_did_not_delete(
    #[case] mode: Mode,
    #[case] store: StoreKind,
) {
    let app = app(mode, store).await;
    let (alice, bob) = (Person::new(&app, mode, "alice"), Person::new(&app, mode, "bob"));
    let mut sent = Vec::new();
    for turn in 0..6 {
        sent.push(bob.post(&alice, &turn.to_string()).await);
        alice.post(&bob, "an answer").await;
    }
    assert_eq!(unreads(&alice.conversations().await), [6]);
    assert_eq!(alice.mark(&bob, id(&sent[1])).await, 4);
    bob.edit(&sent[0], "edited").await;
    bob.edit(&sent[3], "edited").await;
    assert_eq!(unreads(&alice.conversations().await), [4]);
    bob.delete(&sent[0]).await;
    assert_eq!(unreads(&alice.conversations().await), [4], "it was read");
    bob.delete(&sent[3]).await;
    assert_eq!(unreads(&alice.conversations().await), [3]);
    assert_eq!(alice.mark(&bob, id(&sent[5])).await, 0);
    bob.post(&alice, "one more").await;
    assert_eq!(unreads(&alice.conversations().await), [1]);
    assert_eq!(unreads(&bob.conversations().await), [6], "markers are each user's own");
}

#[rstest]
#[case(Open, Single)]
#[case(Open, SecureCluster)]
#[case(Guarded, SecureCluster)]
#[tokio::test]
async fn a_marker_that_moves_is_told_to_both_users_and_to_nobody_else(
    #[case] mode: Mode,
    #[case] store: StoreKind,
) {
    let app = app(mode, store).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| Person::new(&app, mode, name));
    let (first, second) = (bob.post(&alice, "1").await, bob.post(&alice, "2").await);
    carol.post(&alice, "3").await;
    let mut told = [alice.connect().await, alice.connect().await, bob.connect().await, bob.connect().await];
    let mut other = carol.connect().await;

    assert_eq!(alice.mark(&bob, id(&first)).await, 1);
    for device in &mut told {
        assert_eq!(device.next_text().await, frame_of(&alice, &bob, id(&first)));
    }
    assert_eq!(alice.mark(&bob, id(&second)).await, 0);
    for device in &mut told {
        assert_eq!(device.next_text().await, frame_of(&alice, &bob, id(&second)));
    }
    // Neither the same nor an earlier one moves it.
    assert_eq!(alice.mark(&bob, id(&second)).await, 0);
    assert_eq!(alice.mark(&bob, id(&first)).await, 0);
    for device in told.iter_mut().chain([&mut other]) {
        device.expect_silence().await;
    }
    assert_eq!(alice.conversations().await[1], entry(&bob, &second, 0, Some(&second), None));
    assert_eq!(bob.conversations().await, [entry(&alice, &second, 0, None, Some(&second))]);
}

#[tokio::test]
async fn a_marker_is_never_above_the_newest_message() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (Person::new(&app, Open, "alice"), Person::new(&app, Open, "bob"));
    bob.post(&alice, "1").await;
    let newest = alice.post(&bob, "2").await;
    let mut phone = bob.connect().await;
    let beyond = "ffffffff-ffff-7fff-bfff-ffffffffffff";
    assert_eq!(alice.mark(&bob, beyond).await, 0);
    assert_eq!(phone.next_text().await, frame_of(&alice, &bob, id(&newest)));
    let next = bob.post(&alice, "3").await;
    assert_eq!(alice.conversations().await, [entry(&bob, &next, 1, Some(&newest), None)]);
}

#[tokio::test]
async fn an_id_is_a_position_and_may_be_written_in_capitals() {
    let app = App::open().await;
    let (alice, bob) = (Person::new(&app, Open, "alice"), Person::new(&app, Open, "bob"));
    let (first, _) = (bob.post(&alice, "1").await, bob.post(&alice, "2").await);
    assert_eq!(alice.mark(&bob, "00000000-0000-0000-0000-000000000000").await, 2);
    assert_eq!(alice.conversations().await[0]["read"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(alice.mark(&bob, &id(&first).to_uppercase()).await, 1);
    assert_eq!(alice.conversations().await[0]["read"], id(&first));
}

#[rstest]
#[case(Open)]
#[case(Guarded)]
#[tokio::test]
async fn what_is_no_message_id_is_refused(#[case] mode: Mode) {
    let app = app(mode, Single).await;
    let (alice, bob) = (Person::new(&app, mode, "alice"), Person::new(&app, mode, "bob"));
    let message = bob.post(&alice, "1").await;
    let mut phone = alice.connect().await;
    let sentence = "message_id must be a message id";
    for body in
        [json!({}), json!({ "message_id": "" }), json!({ "message_id": "1" }), json!({ "message_id": null })]
    {
        alice.try_mark(&bob, body).await.assert_refused(400, "invalid_request", sentence);
    }
    for body in [json!({ "message_id": 5 }), json!([]), json!("x")] {
        let reply = alice.try_mark(&bob, body).await;
        assert_eq!(
            (reply.status, &reply.json()["code"]),
            (400, &json!("invalid_request")),
            "{}",
            reply.text()
        );
    }
    phone.expect_silence().await;
    assert_eq!(alice.conversations().await, [entry(&bob, &message, 1, None, None)]);
}

#[rstest]
#[case(Open)]
#[case(Guarded)]
#[tokio::test]
async fn a_conversation_that_does_not_exist_has_nothing_unread(#[case] mode: Mode) {
    let app = app(mode, SecureCluster).await;
    let (alice, bob) = (Person::new(&app, mode, "alice"), Person::new(&app, mode, "bob"));
    let mut devices = [alice.connect().await, bob.connect().await];
    assert_eq!(alice.mark(&bob, &uuid::Uuid::now_v7().to_string()).await, 0);
    assert_eq!(alice.mark(&alice, &uuid::Uuid::now_v7().to_string()).await, 0);
    for device in &mut devices {
        device.expect_silence().await;
    }
    assert_eq!(alice.conversations().await, [] as [Value; 0]);
    let message = bob.post(&alice, "the first").await;
    assert_eq!(
        alice.conversations().await,
        [entry(&bob, &message, 1, None, None)],
        "no marker was left behind"
    );
}

#[rstest]
#[case(Open)]
#[case(Guarded)]
#[tokio::test]
async fn a_conversation_with_oneself_has_nothing_unread(#[case] mode: Mode) {
    let app = app(mode, SecureCluster).await;
    let alice = Person::new(&app, mode, "alice");
    let note = alice.post(&alice, "remember").await;
    assert_eq!(alice.conversations().await, [entry(&alice, &note, 0, None, None)]);
    let mut devices = [alice.connect().await, alice.connect().await];
    assert_eq!(alice.mark(&alice, id(&note)).await, 0);
    for device in &mut devices {
        assert_eq!(device.next_text().await, frame_of(&alice, &alice, id(&note)));
        device.expect_silence().await;
    }
    // The peer that has read is oneself.
    assert_eq!(alice.conversations().await, [entry(&alice, &note, 0, Some(&note), Some(&note))]);
}

#[tokio::test]
async fn a_marker_may_name_a_deleted_message() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (Person::new(&app, Open, "alice"), Person::new(&app, Open, "bob"));
    let (_, second, third) =
        (bob.post(&alice, "1").await, bob.post(&alice, "2").await, bob.post(&alice, "3").await);
    bob.delete(&second).await;
    assert_eq!(alice.mark(&bob, id(&second)).await, 1);
    bob.delete(&third).await;
    assert_eq!(unreads(&alice.conversations().await), [0]);
}

#[rstest]
#[tokio::test]
async fn of_devices_that_read_at_the_same_time_the_furthest_counts(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::open_on(store).await;
    let (alice, bob) = (Person::new(&app, Open, "alice"), Person::new(&app, Open, "bob"));
    let mut phone = bob.connect().await;
    for _ in 0..5 {
        let mut sent = Vec::new();
        for turn in 0..4 {
            sent.push(bob.post(&alice, &turn.to_string()).await);
        }
        let (one, other) = join(alice.mark(&bob, id(&sent[1])), alice.mark(&bob, id(&sent[3]))).await;
        assert!([0, 2].contains(&one), "{one}");
        assert_eq!(other, 0);
        let listed = alice.conversations().await;
        assert_eq!((unreads(&listed), &listed[0]["read"]), (vec![0], &sent[3]["id"]));
        assert_eq!(bob.conversations().await[0]["read_by_peer"], sent[3]["id"]);
        let last = |frame: &Value| frame["type"] == "read" && frame["data"]["message_id"] == sent[3]["id"];
        phone.expect_where("the furthest marker", last).await;
    }
}

/// Ids come from the clocks of functions, which may be off by more than their last message is old.
#[tokio::test]
async fn a_message_that_a_slower_clock_puts_below_the_marker_counts_as_read() {
    let Some(clock) = Clock::start() else { return };
    let store = TestStore::start(Single).await;
    let right = App::builder().on_store(&store).start().await;
    let ahead = App::builder().on_store(&store).clock(&clock).one_instance().start().await;
    let [alice, bob] = ["alice", "bob"].map(|name| Person::new(&right, Open, name));
    let future = Person::called(&ahead, Open, ahead.user_called(bob.key()));

    // An instance compares its clock with the store's with each message, so the clock jumps after one.
    future.post(&bob, "a note").await;
    clock.advance(Duration::from_secs(600));
    let late = future.post(&alice, "from a clock that is ahead").await;
    assert_eq!(alice.mark(&bob, id(&late)).await, 0);
    let early = bob.post(&alice, "sent later, listed earlier").await;
    assert!(id(&early) < id(&late));
    let listed = bob.user.list_conversation(&alice.user).await;
    assert_eq!(listed, [early.clone(), late.clone()]);
    // A recount from that list gives the same: nothing of the other user is after the marker.
    assert_eq!(alice.conversations().await, [entry(&bob, &late, 0, Some(&late), None)]);
    bob.delete(&late).await;
    assert_eq!(alice.conversations().await, [entry(&bob, &early, 0, Some(&late), None)]);
}
