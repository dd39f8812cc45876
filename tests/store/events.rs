//! Each user's event log, as changes write it.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::join_all;
use redis::Cmd;
use rstest::rstest;
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, connection, id, id_at, ids, keys, now_ms, register_with, send_with, user};

const LOG_LENGTH: usize = 1000;

#[rstest]
#[tokio::test]
async fn events_count_up_by_one_and_carry_a_random_tag(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let mut told = Vec::new();
    for turn in 0..20 {
        let (_, feeds) = world.send_and_tell(&alice, &bob, &turn.to_string()).await;
        let feed = feeds.into_iter().find(|feed| feed.user == bob).expect("bob is told of it");
        told.push(feed.event_id);
    }
    let log = world.log(&bob).await;
    assert_eq!(log.iter().map(|logged| logged.event_id.clone()).collect::<Vec<_>>(), told);
    assert_eq!(log.iter().map(|logged| logged.number).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    let tags: HashSet<_> = log.into_iter().map(|logged| logged.tag).collect();
    assert_eq!(tags.len(), 20);
    assert!(tags.iter().all(|tag| tag.len() >= 8), "{tags:?}");
    let others: HashSet<_> = world.log(&alice).await.into_iter().map(|logged| logged.tag).collect();
    assert!(others.is_disjoint(&tags));
}

#[rstest]
#[tokio::test]
async fn an_event_holds_its_kind_and_the_message_id_only(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    world.edit(&message, "bye").await.expect("it exists");
    world.delete(&message).await;
    for reader in [&alice, &bob] {
        assert_eq!(world.changes(reader).await, "cud");
        assert!(world.log(reader).await.iter().all(|logged| logged.message == id(&message)));
    }
}

#[tokio::test]
async fn concurrent_events_leave_no_gap() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let stores = [world.another_store().await, world.another_store().await, world.another_store().await];
    let anybody = world.anybody();
    let sending = (0..60).map(|turn: usize| send_with(&stores[turn % 3], &anybody, &alice, &bob, "hello"));
    let told: BTreeSet<_> = join_all(sending)
        .await
        .iter()
        .flat_map(|(_, feeds)| feeds)
        .filter(|feed| feed.user == bob)
        .map(|feed| feed.event_id.clone())
        .collect();
    let log = world.log(&bob).await;
    assert_eq!(log.iter().map(|logged| logged.number).collect::<Vec<_>>(), (1..=60).collect::<Vec<_>>());
    assert_eq!(log.into_iter().map(|logged| logged.event_id).collect::<BTreeSet<_>>(), told);
}

#[tokio::test]
async fn the_log_keeps_the_newest_thousand() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let old = id_at(&alice, &bob, now_ms()).short();
    let entries: Vec<_> = (1..=1500).map(|number| format!("{number}-7 c {old}")).collect();
    let _: () = world.raw(&Cmd::rpush(keys::events(&bob), entries)).await;
    world.send(&alice, &bob, "hello").await;
    let kept: Vec<_> = world.log(&bob).await.into_iter().map(|logged| logged.number).collect();
    assert_eq!(kept.len(), LOG_LENGTH);
    assert_eq!(kept, (502..=1501).collect::<Vec<_>>());
}

#[tokio::test]
async fn large_numbers_stay_exact() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let old = id_at(&alice, &bob, now_ms()).short();
    let _: () =
        world.raw(&Cmd::rpush(keys::events(&bob), format!("9007199254740990-ffffffffff c {old}"))).await;
    let (_, feeds) = world.send_and_tell(&alice, &bob, "hello").await;
    let feed = feeds.iter().find(|feed| feed.user == bob).expect("bob is told of it");
    assert!(feed.event_id.starts_with("9007199254740991-"), "{}", feed.event_id);
}

#[rstest]
#[tokio::test]
async fn a_feed_names_the_connections_of_its_user(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let (phone, laptop, hers) = (connection("phone"), connection("laptop"), connection("hers"));
    for (device, owner) in [(&phone, &bob), (&laptop, &bob), (&hers, &alice)] {
        world.register(device, owner).await;
    }
    let message = world.send(&alice, &bob, "hello").await;
    let (_, edits) = world.edit(&message, "bye").await.expect("it exists");
    let (_, deletes) = world.delete(&message).await;
    for feeds in [edits, deletes, world.send_and_tell(&bob, &alice, "hello").await.1] {
        for feed in &feeds {
            let found: HashSet<_> = ids(&feed.connections).into_iter().collect();
            let expected: HashSet<_> =
                if feed.user == bob { [&phone, &laptop].into() } else { [&hers].into() };
            assert_eq!(found, expected.into_iter().map(|id| id.as_str().to_owned()).collect());
        }
        assert_eq!(feeds.len(), 2);
    }
}

/// Both write before they read, in the same slot.
#[tokio::test]
async fn a_connection_that_registers_meanwhile_is_told_or_reads_the_event_itself() {
    let world = World::open(SecureCluster).await;
    let other = world.another_store().await;
    let anybody = world.anybody();
    for _ in 0..100 {
        let (alice, phone) = (user("alice"), connection("phone"));
        let sending = send_with(&other, &anybody, &alice, &alice, "hello");
        let registering = world.store.register(&phone, &alice, false, now_ms());
        let ((_, feeds), registration) = futures_util::future::join(sending, registering).await;
        let event_id = registration.expect("the store answers").event_id;
        let told = !feeds[0].connections.is_empty();
        assert!(told || event_id == feeds[0].event_id, "told: {told}, registered at {event_id}");
    }
    // Nor does a sender wait for it.
    let (alice, phone) = (user("alice"), connection("phone"));
    register_with(&world.store, &phone, &alice).await;
    assert_eq!(world.send_and_tell(&alice, &alice, "hello").await.1[0].connections.len(), 1);
}
