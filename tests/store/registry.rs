//! The connection registry: who is entered for how long, and whom a connection speaks for.

use futures_util::future::{join, join_all};
use redis::Cmd;
use rstest::rstest;
use shared::ids::{ConnectionId, UserKey};
use shared::store::{Connection, Registration};
use support::StoreKind::{self, SecureCluster, Single};
use support::proxy::{CountingProxy, Interruption, Order};
use support::{TestStore, wait_until};

use crate::secure::open;
use crate::world::{
    LIFETIME, MARGIN, World, connection, ids, keys, now_ms, register_at, register_with, user,
};

/// Most connections of one user.
const MOST: usize = 20;

/// How long a move is remembered, in seconds.
const MOVED: i64 = 600;

/// Registers by a request of this time.
async fn enter(world: &World, id: &ConnectionId, user: &UserKey, at_ms: i64) -> Registration {
    register_at(&world.store, id, user, at_ms).await
}

#[rstest]
#[tokio::test]
async fn a_registration_lasts_as_long_as_a_connection_may_live(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    let before = now_ms();
    assert_eq!(world.register(&phone, &alice).await, []);
    let after = now_ms();
    let expiry = expiry(&world, &phone, &alice).await.expect("it is entered");
    let life = (LIFETIME + MARGIN) * 1000;
    assert!((before + life..=after + life).contains(&expiry), "{expiry}");
    let left = world.seconds_left(&keys::connection(&phone)).await;
    assert!((LIFETIME + MARGIN - 60..=LIFETIME + MARGIN).contains(&left), "{left}");
    assert_eq!(world.connections(&alice).await, [phone.as_str()]);
    assert_eq!(world.speaker(&phone).await, Some(alice));
}

#[rstest]
#[tokio::test]
async fn an_expired_entry_is_never_returned_and_goes_with_the_next_register(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, phone, old) = (user("alice"), connection("phone"), connection("old"));
    let [entry, _] = keys::members(&old);
    let _: () = world.raw(&Cmd::zadd(keys::connections(&alice), entry, now_ms() - 1)).await;
    assert_eq!(world.connections(&alice).await, [] as [String; 0]);
    let (_, feeds) = world.send_and_tell(&alice, &alice, "hello").await;
    assert_eq!(feeds[0].connections, []);
    world.register(&phone, &alice).await;
    assert_eq!(expiry(&world, &old, &alice).await, None);
    assert_eq!(world.connections(&alice).await, [phone.as_str()]);
}

#[rstest]
#[tokio::test]
async fn registering_again_changes_nothing(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    world.register(&phone, &alice).await;
    let before = world.score(&keys::connections(&alice), &keys::members(&phone)[0]).await;
    assert!(before.is_some());
    let again = enter(&world, &phone, &alice, now_ms()).await;
    let nothing = Registration {
        event_id: "0-0".into(),
        oldest: Vec::new(),
        calls: Vec::new(),
        is_new: false,
        left_calls: Vec::new(),
    };
    assert_eq!(again, nothing);
    assert_eq!(world.score(&keys::connections(&alice), &keys::members(&phone)[0]).await, before);
    assert_eq!(world.connections(&alice).await, [phone.as_str()]);
}

/// Or the connection would be pushed to for longer than it may live.
#[rstest]
#[tokio::test]
async fn an_entry_that_is_past_begins_anew(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    let [entry, _] = keys::members(&phone);
    let _: () = world.raw(&Cmd::zadd(keys::connections(&alice), entry, now_ms() - 1)).await;
    let before = now_ms();
    world.register(&phone, &alice).await;
    let expiry = expiry(&world, &phone, &alice).await.expect("it is entered");
    assert!(expiry >= before + LIFETIME * 1000, "{expiry}");
}

#[rstest]
#[tokio::test]
async fn whether_a_connection_recovers_is_kept_in_its_entry(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    let mut first = None;
    for recovers in [false, true, true, false] {
        world.store.register(&phone, &alice, recovers, now_ms()).await.expect("the store answers");
        let expected = [Connection { id: phone.clone(), recovers }];
        let found = world.store.connections(&alice, &connection("nobody")).await.expect("the store answers");
        assert_eq!(found, expected);
        let (_, feeds) = world.send_and_tell(&alice, &alice, "hello").await;
        assert_eq!(feeds[0].connections, expected);
        // The other entry has taken over its time.
        let expiry = expiry(&world, &phone, &alice).await;
        assert_eq!(expiry, *first.get_or_insert(expiry));
    }
    for recovers in [true, false] {
        world.store.register(&phone, &alice, recovers, now_ms()).await.expect("the store answers");
        world.disconnect(&phone).await;
        assert_eq!(world.connections(&alice).await, [] as [String; 0]);
    }
}

#[rstest]
#[tokio::test]
async fn a_registration_knows_the_latest_event(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    assert_eq!(enter(&world, &connection("phone"), &bob, now_ms()).await.event_id, "0-0");
    for turn in 0..3 {
        let (_, feeds) = world.send_and_tell(&alice, &alice, &turn.to_string()).await;
        let registration = enter(&world, &connection("phone"), &alice, now_ms()).await;
        assert_eq!(registration.event_id, feeds[0].event_id);
    }
}

#[tokio::test]
async fn the_oldest_beyond_twenty_are_returned_and_left_out() {
    let world = World::open(SecureCluster).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    let now = now_ms();
    let mut older = Vec::new();
    for age in 0..MOST + 1 {
        let id = connection(&format!("{}", 9 - age % 10));
        let expiry = now + 600_000 + i64::try_from(MOST - age).expect("a small number");
        // The beginning of an entry must not count.
        let entry = keys::members(&id)[age % 2].clone();
        let _: () = world.raw(&Cmd::zadd(keys::connections(&alice), entry, expiry)).await;
        older.push(id);
    }
    older.reverse();
    assert_eq!(world.register(&phone, &alice).await, older[..2]);
    let mut expected: Vec<_> = older[2..].iter().map(|id| id.as_str().to_owned()).collect();
    expected.push(phone.as_str().to_owned());
    assert_eq!(world.connections(&alice).await, expected);
    assert_eq!(expected.len(), MOST);
}

#[tokio::test]
async fn twenty_registers_at_once_all_stay_and_one_more_closes_one() {
    let world = World::open(SecureCluster).await;
    let alice = user("alice");
    let devices: Vec<_> = (0..=MOST).map(|_| connection("phone")).collect();
    let closed = join_all(devices.iter().map(|device| register_with(&world.store, device, &alice))).await;
    let closed: Vec<_> = closed.into_iter().flatten().collect();
    assert_eq!(closed.len(), 1);
    let mut left = world.connections(&alice).await;
    left.sort();
    let mut expected: Vec<_> =
        devices.iter().filter(|device| !closed.contains(device)).map(|id| id.as_str().to_owned()).collect();
    expected.sort();
    assert_eq!(left, expected);
}

#[rstest]
#[tokio::test]
async fn a_connection_moves_to_another_user(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
    let now = now_ms();
    enter(&world, &phone, &alice, now).await;
    enter(&world, &phone, &bob, now + 1).await;
    assert_speaks_for(&world, &phone, &bob, &[&alice]).await;
    for user in [&alice, &bob] {
        let left = world.seconds_left(&keys::moved(user, &phone)).await;
        assert!((MOVED - 60..=MOVED).contains(&left), "{left}");
    }
    // There and back.
    enter(&world, &phone, &alice, now + 2).await;
    assert_speaks_for(&world, &phone, &alice, &[&bob]).await;
    enter(&world, &phone, &bob, now + 3).await;
    assert_speaks_for(&world, &phone, &bob, &[&alice]).await;
}

#[rstest]
#[tokio::test]
async fn a_connection_that_recovers_moves_too(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
    world.store.register(&phone, &alice, true, now_ms()).await.expect("the store answers");
    enter(&world, &phone, &bob, now_ms() + 1).await;
    assert_speaks_for(&world, &phone, &bob, &[&alice]).await;
}

/// Frames of one connection may be dealt with in any order; their request times tell which was the last.
#[rstest]
#[tokio::test]
async fn of_registers_that_cross_the_later_request_counts(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob, carol, phone) = (user("alice"), user("bob"), user("carol"), connection("phone"));
    let now = now_ms();
    enter(&world, &phone, &alice, now + 2).await;
    enter(&world, &phone, &bob, now + 1).await;
    assert_speaks_for(&world, &phone, &alice, &[&bob]).await;
    enter(&world, &phone, &carol, now + 4).await;
    enter(&world, &phone, &alice, now + 3).await;
    enter(&world, &phone, &bob, now).await;
    assert_speaks_for(&world, &phone, &carol, &[&alice, &bob]).await;
    // A late repetition of the last one's own does not make it older.
    enter(&world, &phone, &carol, now).await;
    enter(&world, &phone, &bob, now + 3).await;
    assert_speaks_for(&world, &phone, &carol, &[&alice, &bob]).await;
    enter(&world, &phone, &bob, now + 5).await;
    assert_speaks_for(&world, &phone, &bob, &[&alice, &carol]).await;
}

/// Equal times are no proof: the one that is dealt with last counts.
#[rstest]
#[tokio::test]
async fn of_registers_of_one_time_one_counts(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
    let now = now_ms();
    for (user, other) in [(&alice, &bob), (&bob, &alice), (&alice, &bob), (&bob, &alice)] {
        enter(&world, &phone, user, now).await;
        assert_speaks_for(&world, &phone, user, &[other]).await;
    }
}

/// The function that was to take it out for its former user died.
#[rstest]
#[tokio::test]
async fn a_move_is_remembered_until_it_is_complete(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
    let now = now_ms();
    enter(&world, &phone, &alice, now).await;
    let record = keys::connection(&phone);
    let fields: &[(&str, &str)] = &[("user", bob.as_str()), ("left", alice.as_str())];
    let _: () = world.raw(&Cmd::hset_multiple(&record, fields)).await;
    enter(&world, &phone, &bob, now + 1).await;
    assert_speaks_for(&world, &phone, &bob, &[&alice]).await;
    assert_eq!(world.raw::<Option<String>>(&Cmd::hget(&record, "left")).await, None);
}

/// A register was held up between its two scripts, while a later one moved the connection to another user.
#[tokio::test]
async fn a_register_that_was_overtaken_halfway_enters_nothing() {
    let servers = TestStore::start(Single).await;
    let proxy = CountingProxy::start(servers.port());
    let (direct, held) = (open(servers.url(), None).await, open(&proxy.url(), None).await);
    for order in [Order::Sent, Order::Reversed] {
        for apart in [0, 1] {
            let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
            let now = now_ms();
            proxy.interrupt_after(1, order, Interruption::Hold);
            let registering = register_at(&held, &phone, &alice, now);
            let overtaking = async {
                wait_until("the interruption", async || proxy.held() == 1).await;
                register_at(&direct, &phone, &bob, now + apart).await;
                proxy.resume();
            };
            join(registering, overtaking).await;
            let speaker = direct.speaker(&phone).await.expect("the store answers");
            for user in [&alice, &bob] {
                let found = direct.connections(user, &connection("nobody")).await.expect("the store answers");
                let expected: &[&str] = if speaker.as_ref() == Some(user) { &[phone.as_str()] } else { &[] };
                assert_eq!(ids(&found), expected, "{order:?}, {apart} ms apart");
            }
            assert!(apart == 0 || speaker == Some(bob), "the later request counts");
        }
    }
}

#[tokio::test]
async fn two_registers_at_once_leave_one_user() {
    let world = World::open(SecureCluster).await;
    let other = world.another_store().await;
    for _ in 0..50 {
        let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
        join(register_with(&world.store, &phone, &alice), register_with(&other, &phone, &bob)).await;
        assert_speaks_for_one(&world, &phone, &[&alice, &bob]).await;
    }
}

#[tokio::test]
async fn registers_there_and_back_leave_one_user() {
    let world = World::open(SecureCluster).await;
    let other = world.another_store().await;
    for _ in 0..50 {
        let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
        register_with(&world.store, &phone, &alice).await;
        join(register_with(&other, &phone, &bob), register_with(&world.store, &phone, &alice)).await;
        assert_speaks_for_one(&world, &phone, &[&alice, &bob]).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_connection_is_left_out_of_its_own_reads(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone, laptop) = (user("alice"), connection("phone"), connection("laptop"));
    world.register(&phone, &alice).await;
    world.register(&laptop, &alice).await;
    let found = world.store.connections(&alice, &phone).await.expect("the store answers");
    assert_eq!(ids(&found), [laptop.as_str()]);
}

#[rstest]
#[tokio::test]
async fn a_closed_connection_is_forgotten(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone, laptop) = (user("alice"), connection("phone"), connection("laptop"));
    world.register(&phone, &alice).await;
    world.register(&laptop, &alice).await;
    for _ in 0..2 {
        world.disconnect(&phone).await;
        assert_eq!(world.connections(&alice).await, [laptop.as_str()]);
        // What is left says that it has closed, for a minute.
        let fields: Vec<String> = world.raw(&redis::cmd("HKEYS").arg(keys::connection(&phone)).take()).await;
        let seconds: u64 = world.raw(&redis::cmd("TTL").arg(keys::connection(&phone)).take()).await;
        assert_eq!((fields, seconds <= 60), (vec!["gone".to_owned()], true));
    }
    assert_eq!(world.speaker(&laptop).await, Some(alice));
}

#[rstest]
#[tokio::test]
async fn a_closed_connection_that_never_registered_is_nothing(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let phone = connection("phone");
    world.disconnect(&phone).await;
    assert_eq!(world.speaker(&phone).await, None);
}

#[rstest]
#[tokio::test]
async fn gone_connections_are_forgotten(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let (phone, laptop, kept) = (connection("phone"), connection("laptop"), connection("kept"));
    for (device, owner) in [(&phone, &alice), (&laptop, &bob), (&kept, &bob)] {
        world.register(device, owner).await;
    }
    for (owner, device) in [(&alice, &phone), (&bob, &laptop)] {
        let calls = world.store.forget(Some(owner), device).await.expect("the store answers");
        assert!(calls.is_empty());
    }
    assert_eq!(world.connections(&alice).await, [] as [String; 0]);
    assert_eq!(world.connections(&bob).await, [kept.as_str()]);
    for device in [&phone, &laptop] {
        assert_eq!(world.speaker(device).await, None);
    }
}

/// When a connection's entry among a user's ends.
async fn expiry(world: &World, id: &ConnectionId, user: &UserKey) -> Option<i64> {
    let mut found = Vec::new();
    for entry in keys::members(id) {
        found.extend(world.score(&keys::connections(user), &entry).await.map(|expiry| expiry as i64));
    }
    assert!(found.len() <= 1, "it is entered once");
    found.pop()
}

async fn assert_speaks_for(world: &World, id: &ConnectionId, user: &UserKey, not: &[&UserKey]) {
    assert_eq!(world.speaker(id).await.as_ref(), Some(user));
    assert!(expiry(world, id, user).await.is_some());
    for other in not {
        assert_eq!(expiry(world, id, other).await, None);
    }
}

async fn assert_speaks_for_one(world: &World, id: &ConnectionId, users: &[&UserKey]) {
    let user = world.speaker(id).await.expect("it is registered");
    let others: Vec<_> = users.iter().copied().filter(|other| **other != user).collect();
    assert_eq!(others.len() + 1, users.len());
    assert_speaks_for(world, id, &user, &others).await;
}
