//! Sending, editing, deleting: what is stored, and that nothing is lost or comes back.

use std::convert::Infallible;

use futures_util::future::{join, join_all};
use redis::Cmd;
use rstest::rstest;
use shared::message::{Draft, Message, MetadataChange, Record, Tombstone};
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{
    World, assert_indexed, content, draft, id, keys, metadata, now_ms, send_with, sorted, told_users, user,
};

#[rstest]
#[tokio::test]
async fn a_message_is_stored_as_the_exact_json_that_clients_get(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "\0 \"quoted\" é 😀").await;
    let stored = world.stored(&message).await.expect("it is stored");
    let expected = format!(
        r#"{{"id":"{}","sender_id":"{}","receiver_id":"{}","content":"\u0000 \"quoted\" é 😀","created_at":"{}","updated_at":null}}"#,
        message.id,
        alice.as_str(),
        bob.as_str(),
        message.created_at
    );
    assert_eq!(stored, expected);
    assert_eq!(stored, message.to_json());
}

#[rstest]
#[tokio::test]
async fn a_message_and_its_edits_stay(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    assert_eq!(world.seconds_left(&keys::message(&message)).await, -1);
    let (edited, _) = world.edit(&message, "bye").await.expect("it exists");
    assert_eq!(world.stored(&message).await, Some(edited.to_json()));
    assert_eq!(world.seconds_left(&keys::message(&message)).await, -1);
    assert!(edited.updated_at.as_ref() > Some(&message.created_at));
    assert_eq!(Message { content: content("hello"), updated_at: None, ..edited }, message);
}

#[rstest]
#[tokio::test]
async fn a_message_to_oneself_is_one_event(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let alice = user("alice");
    let (message, feeds) = world.send_and_tell(&alice, &alice, "remember").await;
    assert_eq!(told_users(&feeds), [&alice]);
    assert_eq!(world.changes(&alice).await, "c");
    assert_indexed(&world, &message, true).await;
    let (_, feeds) = world.delete(&message).await;
    assert_eq!(told_users(&feeds), [&alice]);
    assert_eq!(world.changes(&alice).await, "cd");
    assert_indexed(&world, &message, false).await;
}

#[rstest]
#[tokio::test]
async fn a_conversations_messages_share_a_slot(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let there = world.send(&alice, &bob, "there").await;
    let back = world.send(&bob, &alice, "back").await;
    // A cluster refuses a script whose keys are in several slots.
    let mut read = redis::cmd("EVAL");
    read.arg("return redis.call('MGET', KEYS[1], KEYS[2])").arg(2);
    read.arg(keys::message(&there)).arg(keys::message(&back));
    assert_eq!(world.raw::<Vec<String>>(&read).await, [there.to_json(), back.to_json()]);
}

#[rstest]
#[tokio::test]
async fn an_edit_keeps_removes_or_replaces_metadata(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let [first, second] = [r#"{"v" : 1.0}"#, r#"{"v":2}"#].map(metadata);
    let sent = world.try_send(&alice, &bob, Draft { metadata: Some(first.clone()), ..draft("hello") });
    let message = sent.await.expect("the store answers").message;
    for (change, after) in [
        (MetadataChange::Keep, Some(first)),
        (MetadataChange::Replace(second.clone()), Some(second)),
        (MetadataChange::Remove, None),
    ] {
        let permit = world.permit(&message).await;
        let edited = world.store.update(permit, content("bye"), change).await.expect("the store answers");
        let (edited, _) = edited.expect("it exists");
        assert_eq!(edited.metadata, after);
        assert_eq!(world.stored(&message).await, Some(edited.to_json()));
    }
}

#[rstest]
#[tokio::test]
async fn a_deleted_message_leaves_a_tombstone_for_25_hours(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "secret").await;
    assert_indexed(&world, &message, true).await;
    let (before, feeds) = world.delete(&message).await;
    assert!(!before);
    assert_eq!(told_users(&feeds), sorted(vec![&alice, &bob]));

    let stored = world.stored(&message).await.expect("a tombstone");
    assert!(stored.starts_with("{\"deleted_at\"") && !stored.contains("secret"), "{stored}");
    let record = serde_json::from_str::<Tombstone>(&stored).expect("a tombstone");
    assert_eq!((&record.id, &record.sender_id, &record.receiver_id), (&message.id, &alice, &bob));
    let left = world.seconds_left(&keys::message(&message)).await;
    assert!((25 * 3600 - 60..=25 * 3600).contains(&left), "{left}");
    assert_indexed(&world, &message, false).await;
}

#[rstest]
#[tokio::test]
async fn nothing_edits_or_deletes_a_tombstone(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    world.delete(&message).await;
    let tombstone = world.stored(&message).await;
    assert!(world.edit(&message, "again").await.is_none());
    let (before, feeds) = world.delete(&message).await;
    assert!(before && feeds.is_empty());
    assert_eq!(world.stored(&message).await, tombstone);
    assert!(world.seconds_left(&keys::message(&message)).await > 0);
    assert_indexed(&world, &message, false).await;
    assert_eq!(world.changes(&bob).await, "cd");
}

#[tokio::test]
async fn a_message_that_expired_is_not_written_again() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    let (edit, delete) = (world.permit(&message).await, world.permit(&message).await);
    let _: () = world.raw(&Cmd::del(keys::message(&message))).await;
    assert!(
        world
            .store
            .update(edit, content("again"), MetadataChange::Keep)
            .await
            .expect("the store answers")
            .is_none()
    );
    let deletion = world.store.delete(delete).await.expect("the store answers");
    assert!(deletion.before && deletion.feeds.is_empty());
    assert_eq!(world.stored(&message).await, None);
}

#[tokio::test]
async fn concurrent_edits_all_count_and_time_moves_forward() {
    let world = World::open(SecureCluster).await;
    const EDITS: usize = 40;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "0").await;
    let others = [world.another_store().await, world.another_store().await];
    let mut permits = Vec::new();
    for _ in 0..EDITS {
        permits.push(world.permit(&message).await);
    }
    let editing = join_all(permits.into_iter().enumerate().map(|(number, permit)| {
        let store = &others[number % 2];
        async move {
            let text = content(&format!("edit {number}"));
            let edited = store.update(permit, text, MetadataChange::Keep).await;
            edited.expect("the store answers").expect("it exists").0
        }
    }));
    let mut edits = tokio::select! {
        edits = editing => edits,
        never = watch_time_move_forward(&world, &message) => match never {},
    };
    edits.sort_by(|one, other| one.updated_at.cmp(&other.updated_at));
    assert!(edits.windows(2).all(|pair| pair[0].updated_at < pair[1].updated_at), "{edits:?}");
    assert_eq!(world.stored(&message).await, edits.last().map(Message::to_json));
    assert_eq!(world.changes(&bob).await, format!("c{}", "u".repeat(EDITS)));
}

/// Reads a message again and again; fails where what is stored is older than what was.
async fn watch_time_move_forward(world: &World, message: &Message) -> Infallible {
    let mut last = message.clone();
    loop {
        let stored = world.stored(message).await.expect("it is stored");
        let stored = serde_json::from_str::<Message>(&stored).expect("a message");
        assert!(stored == last || stored.updated_at > last.updated_at, "{stored:?} after {last:?}");
        last = stored;
    }
}

#[rstest]
#[tokio::test]
async fn an_edit_that_read_an_older_text_is_stored_over_the_newer_one(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "one").await;
    let late = world.permit(&message).await;
    let (second, _) = world.edit(&message, "two").await.expect("it exists");
    let third = world.store.update(late, content("three"), MetadataChange::Keep).await;
    let (third, feeds) = third.expect("the store answers").expect("it exists");
    assert!(third.updated_at > second.updated_at);
    assert_eq!(told_users(&feeds), sorted(vec![&alice, &bob]));
    assert_eq!(world.stored(&message).await, Some(third.to_json()));
}

#[rstest]
#[tokio::test]
async fn an_edit_that_read_before_the_delete_resurrects_nothing(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    let late = world.permit(&message).await;
    world.delete(&message).await;
    let edited = world.store.update(late, content("back"), MetadataChange::Keep).await;
    assert!(edited.expect("the store answers").is_none());
    assert_gone(&world, &message).await;
}

#[rstest]
#[tokio::test]
async fn a_delete_that_read_before_an_edit_deletes(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    let late = world.permit(&message).await;
    world.edit(&message, "bye").await.expect("it exists");
    let deletion = world.store.delete(late).await.expect("the store answers");
    assert!(!deletion.before);
    assert_eq!(told_users(&deletion.feeds), sorted(vec![&alice, &bob]));
    assert_gone(&world, &message).await;
}

#[tokio::test]
async fn edits_racing_deletes_resurrect_nothing() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let (one, other) = (world.another_store().await, world.another_store().await);
    let anybody = world.anybody();
    for turn in 0..200 {
        let (message, _) = send_with(&one, &anybody, &alice, &bob, "hello").await;
        let (edit, delete) = (world.permit(&message).await, world.permit(&message).await);
        // The first of the two alternates, and so does whether they share a connection.
        let editor = if turn % 4 < 2 { &one } else { &other };
        let editing = editor.update(edit, content("bye"), MetadataChange::Keep);
        let (edited, deletion) = if turn % 2 == 0 {
            join(editing, one.delete(delete)).await
        } else {
            let (deletion, edited) = join(one.delete(delete), editing).await;
            (edited, deletion)
        };
        edited.expect("the store answers");
        assert!(!deletion.expect("the store answers").before);
        assert_gone(&world, &message).await;
    }
}

#[tokio::test]
async fn of_two_deletes_at_once_one_deleted() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let other = world.another_store().await;
    for _ in 0..50 {
        let message = world.send(&alice, &bob, "hello").await;
        let (one, two) = (world.permit(&message).await, world.permit(&message).await);
        let (one, two) = join(world.store.delete(one), other.delete(two)).await;
        let (one, two) = (one.expect("the store answers"), two.expect("the store answers"));
        assert!(one.before != two.before);
        let told = one.feeds.iter().chain(&two.feeds).map(|feed| feed.user.clone());
        assert_eq!(sorted(told.collect()), sorted(vec![alice.clone(), bob.clone()]), "each is told once");
        assert_gone(&world, &message).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_delete_that_died_before_its_tombstone_is_finished_by_the_next(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    world.delete(&message).await;
    dig_out(&world, &message).await;

    for (was_gone, told) in [(false, sorted(vec![&alice, &bob])), (true, Vec::new())] {
        let (before, feeds) = world.delete(&message).await;
        assert_eq!(before, was_gone);
        assert_eq!(told_users(&feeds), told);
        assert_gone(&world, &message).await;
        for user in [&alice, &bob] {
            assert_eq!(world.changes(user).await, "cd");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_delete_that_died_between_two_users_tells_both_once_it_is_repeated(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    world.delete(&message).await;
    dig_out(&world, &message).await;
    let id = id(&message).short();
    let _: () = world.raw(&Cmd::zrem(keys::gone(&bob), &id)).await;
    let _: () = world.raw(&Cmd::rpop(keys::events(&bob), None)).await;
    for index in [keys::all(&bob), keys::from(&bob, &alice)] {
        let _: () = world.raw(&Cmd::zadd(index, &id, 0)).await;
    }

    let (before, feeds) = world.delete(&message).await;
    assert!(!before);
    assert_eq!(told_users(&feeds), sorted(vec![&alice, &bob]));
    assert_gone(&world, &message).await;
    for user in [&alice, &bob] {
        assert_eq!(world.changes(user).await, "cd");
    }
}

#[rstest]
#[tokio::test]
async fn a_delete_is_remembered_for_ten_minutes(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let old = world.send(&alice, &bob, "old").await;
    let _: () = world.raw(&Cmd::zadd(keys::gone(&bob), id(&old).short(), now_ms() - 600_001)).await;
    let message = world.send(&alice, &bob, "hello").await;
    world.delete(&message).await;
    assert_eq!(world.members(&keys::gone(&bob)).await, [id(&message).short()]);
    let told_at = world.score(&keys::gone(&bob), &id(&message).short()).await.expect("it is remembered");
    assert!((now_ms() - 60_000..=now_ms()).contains(&(told_at as i64)), "{told_at}");
    let left = world.seconds_left(&keys::gone(&bob)).await;
    assert!((540..=600).contains(&left), "{left}");
}

/// Logs have forgotten a delete by then, so they must not be told of it again.
#[rstest]
#[tokio::test]
async fn a_delete_repeated_after_ten_minutes_only_answers(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    world.delete(&message).await;
    for user in [&alice, &bob] {
        let _: () = world.raw(&Cmd::del(keys::gone(user))).await;
    }
    let _: () = world.raw(&Cmd::expire(keys::message(&message), 25 * 3600 - 601)).await;
    let (before, feeds) = world.delete(&message).await;
    assert!(before && feeds.is_empty());
    for user in [&alice, &bob] {
        assert_eq!(world.changes(user).await, "cd");
    }
}

/// Undoes the last step of a delete, as if its function had died before it.
async fn dig_out(world: &World, message: &Message) {
    let _: () = world.raw(&Cmd::set(keys::message(message), message.to_json())).await;
}

async fn assert_gone(world: &World, message: &Message) {
    let stored = world.store.message(id(message)).await.expect("the store answers").expect("a tombstone");
    assert!(matches!(stored.record, Record::Tombstone(_)), "{}", stored.json);
    assert_indexed(world, message, false).await;
}
