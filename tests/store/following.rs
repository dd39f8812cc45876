//! Reading what changed since a position.

use std::collections::HashSet;

use redis::Cmd;
use rstest::rstest;
use shared::access::{self, Own};
use shared::ids::UserKey;
use shared::message::{CONTENT_BYTES, Message};
use shared::store::{Change, Event, EventId, Events, Follow};
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, content, id, id_at, keys, now_ms, user};

const START: &str = "0-0";

/// A user whose log is read.
struct Reader {
    world: World,
    permit: Own,
    bob: UserKey,
    alice: UserKey,
}

impl Reader {
    async fn on(store: StoreKind) -> Self {
        let world = World::open(store).await;
        let (alice, bob) = (user("alice"), user("bob"));
        let permit = access::own(&world.anybody(), Some(bob.clone())).expect("open mode");
        Self { world, permit, bob, alice }
    }

    async fn try_follow(&self, since: Option<&str>, limit: usize) -> Follow {
        let since = since.map(|since| EventId::parse(since).expect("an event's id"));
        self.world.store.follow(&self.permit, since.as_ref(), limit).await.expect("the store answers")
    }

    async fn follow(&self, since: &str, limit: usize) -> Events {
        match self.try_follow(Some(since), limit).await {
            Follow::Events(events) => events,
            Follow::Resync(position) => panic!("{since} is not held at {position}"),
        }
    }

    async fn assert_resync(&self, since: &str) {
        let position = self.position().await;
        match self.try_follow(Some(since), 1000).await {
            Follow::Events(events) => panic!("{since} is held: {events:?}"),
            Follow::Resync(told) => assert_eq!(told, position),
        }
    }

    /// The latest event of the log.
    async fn position(&self) -> String {
        self.world.log(&self.bob).await.pop().map_or_else(|| START.to_owned(), |logged| logged.event_id)
    }

    async fn send(&self, text: &str) -> Message {
        self.world.send(&self.alice, &self.bob, text).await
    }

    /// Puts entries into the log past the store, all about messages that do not exist.
    async fn fill(&self, numbers: std::ops::RangeInclusive<usize>) {
        let entry =
            |number| format!("{number}-{number:x} c {}", id_at(&self.alice, &self.bob, now_ms()).short());
        let entries: Vec<_> = numbers.map(entry).collect();
        let _: () = self.world.raw(&Cmd::rpush(keys::events(&self.bob), entries)).await;
    }
}

/// A change as it is told: a letter for the kind, and the JSON.
fn told(event: &Event) -> (char, Option<&str>) {
    match &event.change {
        Change::Created(json) => ('c', Some(json)),
        Change::Updated(json) => ('u', Some(json)),
        Change::Deleted => ('d', None),
    }
}

fn kinds(events: &Events) -> String {
    events.events.iter().map(|event| told(event).0).collect()
}

#[rstest]
#[tokio::test]
async fn everything_since_the_start_is_told_in_the_order_of_the_log(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let reader = Reader::on(store).await;
    let nothing = reader.follow(START, 10).await;
    assert_eq!((nothing.events.len(), nothing.position.as_str(), nothing.more), (0, START, false));

    let mut sent = Vec::new();
    for turn in 0..5 {
        sent.push(reader.send(&turn.to_string()).await);
    }
    let all = reader.follow(START, 10).await;
    let log = reader.world.log(&reader.bob).await;
    for ((event, message), logged) in all.events.iter().zip(&sent).zip(&log) {
        assert_eq!(told(event), ('c', Some(message.to_json().as_str())));
        assert_eq!((event.message, &event.id), (id(message), &logged.event_id));
    }
    assert_eq!((all.events.len(), all.more), (5, false));
    assert_eq!(all.position, log[4].event_id);

    for (place, logged) in log.iter().enumerate() {
        let rest = reader.follow(&logged.event_id, 10).await;
        assert_eq!(rest.events.len(), 4 - place);
        assert_eq!(rest.position, log[4].event_id);
    }
}

#[rstest]
#[tokio::test]
async fn without_a_position_only_the_present_one_is_told(#[values(Single, SecureCluster)] store: StoreKind) {
    let reader = Reader::on(store).await;
    for _ in 0..2 {
        let expected = reader.position().await;
        let Follow::Events(present) = reader.try_follow(None, 10).await else {
            panic!("nothing is asked of the log")
        };
        assert_eq!((present.events.len(), present.position, present.more), (0, expected, false));
        reader.send("hello").await;
    }
}

#[rstest]
#[tokio::test]
async fn a_message_is_told_once_as_its_last_event_in_its_present_state(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let reader = Reader::on(store).await;
    let (edited, deleted, plain) =
        (reader.send("one").await, reader.send("two").await, reader.send("three").await);
    reader.world.delete(&deleted).await;
    let (after, _) = reader.world.edit(&edited, "bye").await.expect("it exists");
    let all = reader.follow(START, 10).await;
    assert_eq!(kinds(&all), "cdu");
    let messages: Vec<_> = all.events.iter().map(|event| event.message).collect();
    assert_eq!(messages, [id(&plain), id(&deleted), id(&edited)]);
    assert_eq!(told(&all.events[2]).1, Some(after.to_json().as_str()));
    assert_eq!(all.events[2].id, all.position);
}

/// A message that was new when it was logged, and is told when it has been edited, is still new to the reader.
#[rstest]
#[tokio::test]
async fn an_event_tells_the_present_state(#[values(Single, SecureCluster)] store: StoreKind) {
    let reader = Reader::on(store).await;
    let message = reader.send("one").await;
    let permit = reader.world.permit(&message).await;
    let Some((edited, _)) = reader
        .world
        .store
        .update(permit, content("two"), shared::message::MetadataChange::Keep)
        .await
        .expect("the store answers")
    else {
        panic!("it exists")
    };
    // As if the edit's event were still under way.
    let _: () = reader.world.raw(&Cmd::rpop(keys::events(&reader.bob), None)).await;
    let all = reader.follow(START, 10).await;
    assert_eq!(told(&all.events[0]), ('c', Some(edited.to_json().as_str())));
}

#[rstest]
#[tokio::test]
async fn an_edit_that_is_logged_after_the_delete_is_told_as_a_delete(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let reader = Reader::on(store).await;
    let message = reader.send("hello").await;
    reader.world.delete(&message).await;
    let late = format!("3-abcdef u {}", id(&message).short());
    let _: () = reader.world.raw(&Cmd::rpush(keys::events(&reader.bob), late)).await;
    let all = reader.follow(START, 10).await;
    assert_eq!(kinds(&all), "d");
    assert_eq!(all.position, "3-abcdef");
}

/// The log is told of a delete before the message is gone.
#[rstest]
#[tokio::test]
async fn a_message_that_is_about_to_be_deleted_is_told_as_a_delete(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let reader = Reader::on(store).await;
    let message = reader.send("hello").await;
    reader.world.delete(&message).await;
    let _: () = reader.world.raw(&Cmd::set(keys::message(&message), message.to_json())).await;
    let all = reader.follow(START, 10).await;
    assert_eq!(kinds(&all), "d");
}

/// A function that swapped an edit and then slept while the message was deleted logs nothing.
#[rstest]
#[tokio::test]
async fn an_edit_is_not_logged_after_the_delete_was_told(#[values(Single, SecureCluster)] store: StoreKind) {
    let reader = Reader::on(store).await;
    let message = reader.send("hello").await;
    let permit = reader.world.permit(&message).await;
    let json = message.to_json();
    reader.world.delete(&message).await;
    // Its swap succeeds, as if it had come before the delete.
    let _: () = reader.world.raw(&Cmd::set(keys::message(&message), json)).await;
    let edited =
        reader.world.store.update(permit, content("late"), shared::message::MetadataChange::Keep).await;
    let (_, feeds) = edited.expect("the store answers").expect("it was swapped");
    assert!(feeds.is_empty(), "{feeds:?}");
    assert_eq!(reader.world.changes(&reader.bob).await, "cd");
}

#[rstest]
#[tokio::test]
async fn pages_tell_each_message_once_and_lead_to_the_end(#[values(Single, SecureCluster)] store: StoreKind) {
    let reader = Reader::on(store).await;
    let mut sent = Vec::new();
    for turn in 0..6 {
        sent.push(reader.send(&turn.to_string()).await);
        if turn % 2 == 1 {
            reader.world.edit(&sent[turn - 1], "bye").await.expect("it exists");
        }
    }
    reader.world.delete(&sent[0]).await;
    for limit in 1..8 {
        let (mut since, mut messages, mut pages) = (START.to_owned(), Vec::new(), 0);
        loop {
            let page = reader.follow(&since, limit).await;
            assert!(page.events.len() == limit || !page.more, "a page that leads on is full");
            messages.extend(page.events.iter().map(|event| event.message));
            assert!(!page.more || page.position != since, "it leads on");
            since = page.position;
            pages += 1;
            if !page.more {
                break;
            }
        }
        assert_eq!(messages.iter().collect::<HashSet<_>>().len(), messages.len());
        assert_eq!(messages.len(), 6);
        assert_eq!(pages, 6_usize.div_ceil(limit), "no page more than it takes");
        assert_eq!(since, reader.position().await);
    }
}

#[rstest]
#[tokio::test]
async fn a_position_that_the_log_does_not_hold_is_answered_by_the_present_one(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let reader = Reader::on(store).await;
    reader.assert_resync("1-ab").await;
    reader.send("hello").await;
    reader.send("hello").await;
    let log = reader.world.log(&reader.bob).await;
    let tags: Vec<_> = log.iter().map(|logged| &logged.tag).collect();
    for wrong in [
        format!("2-{}", tags[0]),
        format!("1-{}", tags[1]),
        format!("3-{}", tags[1]),
        format!("0-{}", tags[0]),
        format!("1-{}", &tags[0][1..]),
        "1-0".to_owned(),
        "9999999999999999-0".to_owned(),
    ] {
        reader.assert_resync(&wrong).await;
    }
    assert_eq!(reader.follow(&log[0].event_id, 10).await.events.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_trimmed_log_holds_what_it_has(#[values(Single, SecureCluster)] store: StoreKind) {
    let reader = Reader::on(store).await;
    reader.fill(1..=1000).await;
    // Nothing was trimmed yet.
    assert_eq!(reader.follow(START, 1).await.events[0].id, "1-1");
    let message = reader.send("hello").await;
    reader.assert_resync(START).await;
    reader.assert_resync("1-1").await;
    let oldest = reader.follow("2-2", 1000).await;
    assert_eq!((oldest.events.len(), oldest.more), (999, false));
    assert_eq!(told(&oldest.events[998]).1, Some(message.to_json().as_str()));
    assert_eq!(reader.follow("1000-3e8", 10).await.events.len(), 1);
}

/// As after a failover: a replica had not got the last entry, and another took its number.
#[rstest]
#[tokio::test]
async fn an_entry_that_was_lost_is_not_mistaken_for_its_successor(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let reader = Reader::on(store).await;
    reader.send("hello").await;
    reader.send("lost").await;
    let lost = reader.position().await;
    let _: () = reader.world.raw(&Cmd::rpop(keys::events(&reader.bob), None)).await;
    reader.assert_resync(&lost).await;
    reader.send("successor").await;
    reader.assert_resync(&lost).await;
}

#[rstest]
#[tokio::test]
async fn a_page_of_events_stays_below_five_megabytes(#[values(Single, SecureCluster)] store: StoreKind) {
    let reader = Reader::on(store).await;
    let text = "\u{1}".repeat(CONTENT_BYTES);
    let mut sent = Vec::new();
    for _ in 0..50 {
        sent.push(reader.send(&text).await);
    }
    let first = reader.follow(START, 1000).await;
    assert!(first.more);
    let json = |events: &Events| {
        events.events.iter().filter_map(|event| told(event).1).collect::<Vec<_>>().join(",")
    };
    let bytes = serde_json::to_string(&json(&first)).expect("a string").len();
    assert!((4_800_000..=5_100_000).contains(&bytes), "{bytes}");
    let rest = reader.follow(&first.position, 1000).await;
    assert!(!rest.more);
    let messages: Vec<_> = first.events.iter().chain(&rest.events).map(|event| event.message).collect();
    assert_eq!(messages, sent.iter().map(id).collect::<Vec<_>>());
}
