//! Sending, editing, deleting: what is stored, and that nothing is lost or comes back.

use std::convert::Infallible;

use futures_util::future::{join, join_all};
use redis::Cmd;
use rstest::rstest;
use shared::message::{Message, Record, Tombstone};
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, content, id, keys, send_with, told_users, user};

#[rstest]
#[tokio::test]
async fn a_message_is_stored_as_the_exact_json_that_clients_get(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "\0 \"quoted\" é 😀").await;
    let stored: String = world.raw(&Cmd::get(keys::message(&message))).await;
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
    assert_eq!(world.raw::<String>(&Cmd::get(keys::message(&message))).await, edited.to_json());
    assert_eq!(world.seconds_left(&keys::message(&message)).await, -1);
    assert!(edited.updated_at.as_ref() > Some(&message.created_at));
    assert_eq!(Message { content: "hello".into(), updated_at: None, ..edited }, message);
}

#[rstest]
#[tokio::test]
async fn a_message_to_oneself_is_one_event(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let alice = user("alice");
    let (message, feeds) = world.send_and_tell(&alice, &alice, "remember").await;
    assert_eq!(told_users(&feeds), [&alice]);
    assert_eq!(world.raw::<u64>(&Cmd::xlen(keys::events(&alice))).await, 1);
    let (_, feeds) = world.delete(&message).await;
    assert_eq!(told_users(&feeds), [&alice]);
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
    assert_eq!(told_users(&feeds), sorted([&alice, &bob]));

    let stored: String = world.raw(&Cmd::get(keys::message(&message))).await;
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
    let tombstone: String = world.raw(&Cmd::get(keys::message(&message))).await;
    assert!(world.edit(&message, "again").await.is_none());
    let (before, feeds) = world.delete(&message).await;
    assert!(before && feeds.is_empty());
    assert_eq!(world.raw::<String>(&Cmd::get(keys::message(&message))).await, tombstone);
    assert!(world.seconds_left(&keys::message(&message)).await > 0);
    assert_indexed(&world, &message, false).await;
    assert_eq!(world.raw::<u64>(&Cmd::xlen(keys::events(&bob))).await, 2);
}

#[tokio::test]
async fn a_message_that_expired_is_not_written_again() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    let (edit, delete) = (world.permit(&message).await, world.permit(&message).await);
    let _: () = world.raw(&Cmd::del(keys::message(&message))).await;
    assert!(world.store.update(edit, content("again")).await.expect("the store answers").is_none());
    let deletion = world.store.delete(delete).await.expect("the store answers");
    assert!(deletion.before && deletion.feeds.is_empty());
    assert!(!world.raw::<bool>(&Cmd::exists(keys::message(&message))).await);
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
            let edited = store.update(permit, content(&format!("edit {number}"))).await;
            edited.expect("the store answers").expect("it exists").0
        }
    }));
    let mut edits = tokio::select! {
        edits = editing => edits,
        never = watch_time_move_forward(&world, &message) => match never {},
    };
    edits.sort_by(|one, other| one.updated_at.cmp(&other.updated_at));
    assert!(edits.windows(2).all(|pair| pair[0].updated_at < pair[1].updated_at), "{edits:?}");
    let last: String = world.raw(&Cmd::get(keys::message(&message))).await;
    assert_eq!(Some(last), edits.last().map(Message::to_json));
    let events: u64 = world.raw(&Cmd::xlen(keys::events(&bob))).await;
    assert_eq!(events, 1 + EDITS as u64);
}

/// Reads a message again and again; fails where what is stored is older than what was.
async fn watch_time_move_forward(world: &World, message: &Message) -> Infallible {
    let mut last = message.clone();
    loop {
        let stored: String = world.raw(&Cmd::get(keys::message(message))).await;
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
    let (third, feeds) =
        world.store.update(late, content("three")).await.expect("the store answers").expect("it exists");
    assert!(third.updated_at > second.updated_at);
    assert_eq!(told_users(&feeds), sorted([&alice, &bob]));
    assert_eq!(world.raw::<String>(&Cmd::get(keys::message(&message))).await, third.to_json());
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
    assert!(world.store.update(late, content("back")).await.expect("the store answers").is_none());
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
    assert_eq!(told_users(&deletion.feeds), sorted([&alice, &bob]));
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
        let (edited, deletion) = if turn % 2 == 0 {
            join(editor.update(edit, content("bye")), one.delete(delete)).await
        } else {
            let (deletion, edited) = join(one.delete(delete), editor.update(edit, content("bye"))).await;
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
        let told = one.feeds.len() + two.feeds.len();
        // The delete that finds the tombstone may notify a user before the one that made it, but no user is left out.
        assert!((2..=4).contains(&told), "{told}");
        assert_gone(&world, &message).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_delete_that_died_after_its_tombstone_is_finished_by_the_next(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    bury(&world, &message).await;
    assert_indexed(&world, &message, true).await;

    let (before, feeds) = world.delete(&message).await;
    assert!(before);
    assert_eq!(told_users(&feeds), sorted([&alice, &bob]));
    assert_indexed(&world, &message, false).await;
    assert_eq!(world.raw::<u64>(&Cmd::xlen(keys::events(&alice))).await, 2);

    let (before, feeds) = world.delete(&message).await;
    assert!(before && feeds.is_empty());
    assert_eq!(world.raw::<u64>(&Cmd::xlen(keys::events(&alice))).await, 2);
}

#[rstest]
#[tokio::test]
async fn a_delete_that_died_between_two_users_tells_the_other(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    bury(&world, &message).await;
    let _: () = world.raw(&Cmd::zrem(keys::timeline(&alice), &message.id)).await;

    let (before, feeds) = world.delete(&message).await;
    assert!(before);
    assert_eq!(told_users(&feeds), [&bob]);
    assert_indexed(&world, &message, false).await;
}

/// Does the first step of a delete.
async fn bury(world: &World, message: &Message) {
    let tombstone = Tombstone::of(message, std::time::SystemTime::now().into()).to_json();
    let _: () = world.raw(&Cmd::set_ex(keys::message(message), tombstone, 90_000)).await;
}

async fn assert_gone(world: &World, message: &Message) {
    let stored = world.store.message(id(message)).await.expect("the store answers").expect("a tombstone");
    assert!(matches!(stored.record, Record::Tombstone(_)), "{}", stored.json);
    assert_indexed(world, message, false).await;
}

async fn assert_indexed(world: &World, message: &Message, expected: bool) {
    let (sender, receiver) = (&message.sender_id, &message.receiver_id);
    let indexes = [
        keys::timeline(sender),
        keys::timeline(receiver),
        keys::conversation(sender, receiver),
        keys::TIMELINE.to_owned(),
    ];
    for index in indexes {
        let score = world.score(&index, &message.id).await;
        assert_eq!(score, expected.then_some(0.0), "{index}");
    }
}

fn sorted<T: Ord, const N: usize>(mut list: [T; N]) -> [T; N] {
    list.sort();
    list
}
