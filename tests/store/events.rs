//! Each user's event log.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::join_all;
use redis::Cmd;
use rstest::rstest;
use shared::ids::UserKey;
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, connection, ids, keys, send_with, user};

type Entry = (String, Vec<(String, String)>);

async fn log(world: &World, user: &UserKey) -> Vec<Entry> {
    world.raw(&Cmd::xrange_all(keys::events(user))).await
}

fn split(event_id: &str) -> (u64, u64) {
    let (number, tag) = event_id.split_once('-').expect("<n>-<tag>");
    (number.parse().expect("a number"), tag.parse().expect("a number"))
}

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
    let logged: Vec<_> = log(&world, &bob).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(logged, told);
    let (numbers, tags): (Vec<_>, HashSet<_>) = told.iter().map(|id| split(id)).unzip();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    assert_eq!(tags.len(), 20);
    let others: HashSet<_> = log(&world, &alice).await.iter().map(|(id, _)| split(id).1).collect();
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
        let fields: Vec<_> = log(&world, reader).await.into_iter().map(|(_, fields)| fields).collect();
        let expected = ["created", "updated", "deleted"].map(|change| {
            vec![("change".to_owned(), change.to_owned()), ("id".to_owned(), message.id.clone())]
        });
        assert_eq!(fields, expected);
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
        .map(|feed| split(&feed.event_id).0)
        .collect();
    assert_eq!(told, (1..=60).collect());
    assert_eq!(log(&world, &bob).await.len(), 60);
}

#[tokio::test]
async fn the_log_is_kept_near_a_thousand_entries() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let mut fill = redis::cmd("EVAL");
    fill.arg("for n = 1, ARGV[1] do redis.call('XADD', KEYS[1], n .. '-7', 'type', 'x', 'id', 'x') end");
    let _: () = world.raw(fill.arg(1).arg(keys::events(&bob)).arg(1500)).await;
    world.send(&alice, &bob, "hello").await;
    let kept = log(&world, &bob).await;
    assert!((1000..=1200).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().map(|(id, _)| split(id).0), Some(1501));
}

#[tokio::test]
async fn large_numbers_stay_exact() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let _: () = world
        .raw(&Cmd::xadd(keys::events(&bob), "900719925474099-18446744073709551615", &[("type", "x")]))
        .await;
    let (_, feeds) = world.send_and_tell(&alice, &bob, "hello").await;
    let feed = feeds.iter().find(|feed| feed.user == bob).expect("bob is told of it");
    assert_eq!(split(&feed.event_id).0, 900_719_925_474_100);
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
    let (_, feeds) = world.send_and_tell(&alice, &bob, "hello").await;
    for feed in &feeds {
        let found: HashSet<_> = ids(&feed.connections).into_iter().collect();
        let expected: HashSet<_> = if feed.user == bob { [&phone, &laptop].into() } else { [&hers].into() };
        assert_eq!(found, expected.into_iter().map(|id| id.as_str().to_owned()).collect());
    }
    assert_eq!(feeds.len(), 2);
}
