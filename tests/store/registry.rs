//! The connection registry: who is entered for how long, and whom a connection speaks for.

use std::time::{Duration, Instant};

use futures_util::future::join;
use redis::Cmd;
use rstest::rstest;
use shared::ids::{ConnectionId, UserKey};
use shared::store::Registration;
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{LIFETIME, MARGIN, World, connection, ids, keys, now_ms, register_with, user};

/// Most connections of one user.
const MOST: usize = 20;

/// How long an entry lasts that nobody confirmed, and how long an echo is expected, in milliseconds.
const GREETING: i64 = 10_000;
const ECHO: i64 = 5_000;

async fn enter(world: &World, id: &ConnectionId, user: &UserKey) -> Registration {
    world.store.register(id, user).await.expect("the store answers")
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
    let expiry = world.score(&keys::connections(&alice), phone.as_str()).await.expect("it is entered") as i64;
    let life = (LIFETIME + MARGIN) * 1000;
    assert!((before + life..=after + life).contains(&expiry), "{expiry}");
    let left = world.seconds_left(&keys::connection(&phone)).await;
    assert!((LIFETIME + MARGIN - 60..=LIFETIME + MARGIN).contains(&left), "{left}");
    assert_eq!(world.connections(&alice).await, [phone.as_str()]);
    assert_eq!(world.speaker(&phone).await, Some(alice));
}

#[tokio::test]
async fn an_unconfirmed_entry_ends_by_itself() {
    let world = World::open(SecureCluster).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    let before = now_ms();
    let registration = enter(&world, &phone, &alice).await;
    assert!(!registration.known);
    let expiry = world.score(&keys::connections(&alice), phone.as_str()).await.expect("it is entered") as i64;
    assert!((before + GREETING..=now_ms() + GREETING).contains(&expiry), "{expiry}");
}

#[rstest]
#[tokio::test]
async fn an_expired_entry_is_never_returned_and_goes_with_the_next_register(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, phone, old) = (user("alice"), connection("phone"), connection("old"));
    let _: () = world.raw(&Cmd::zadd(keys::connections(&alice), old.as_str(), now_ms() - 1)).await;
    assert_eq!(world.connections(&alice).await, [] as [String; 0]);
    let (_, feeds) = world.send_and_tell(&alice, &alice, "hello").await;
    assert_eq!(feeds[0].connections, []);
    world.register(&phone, &alice).await;
    assert_eq!(world.score(&keys::connections(&alice), old.as_str()).await, None);
    assert_eq!(world.connections(&alice).await, [phone.as_str()]);
}

#[rstest]
#[tokio::test]
async fn registering_again_is_known_and_changes_nothing(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    world.register(&phone, &alice).await;
    let expiry = world.score(&keys::connections(&alice), phone.as_str()).await;
    let again = enter(&world, &phone, &alice).await;
    assert_eq!(again, Registration { moved_from: None, event_id: "0-0".into(), known: true });
    assert_eq!(world.score(&keys::connections(&alice), phone.as_str()).await, expiry);
}

#[rstest]
#[tokio::test]
async fn a_registration_knows_the_latest_event(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    assert_eq!(enter(&world, &connection("phone"), &bob).await.event_id, "0-0");
    for turn in 0..3 {
        let (_, feeds) = world.send_and_tell(&alice, &alice, &turn.to_string()).await;
        assert_eq!(enter(&world, &connection("phone"), &alice).await.event_id, feeds[0].event_id);
    }
}

#[rstest]
#[tokio::test]
async fn a_reader_of_connections_waits_for_the_greeting(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    let registration = enter(&world, &phone, &alice).await;
    let nobody = connection("nobody");
    let mut reading = std::pin::pin!(world.store.connections(&alice, &nobody));
    // Asks first, so what it finds is not confirmed yet.
    tokio::select! {
        biased;
        found = &mut reading => panic!("it did not wait: {found:?}"),
        confirmed = world.store.confirm(&phone, &alice, &registration) => {
            assert_eq!(confirmed.expect("the store answers"), []);
        }
    }
    assert_eq!(ids(&reading.await.expect("the store answers")), [phone.as_str()]);
}

#[rstest]
#[tokio::test]
async fn a_sender_waits_for_the_greeting(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    let registration = enter(&world, &phone, &alice).await;
    let logged = async {
        // The event is logged before the sender waits.
        while world.raw::<u64>(&Cmd::xlen(keys::events(&alice))).await == 0 {}
    };
    let mut sending = std::pin::pin!(world.send_and_tell(&alice, &alice, "hello"));
    tokio::select! {
        (_, feeds) = &mut sending => panic!("it did not wait: {feeds:?}"),
        () = logged => {}
    }
    world.store.confirm(&phone, &alice, &registration).await.expect("the store answers");
    let (_, feeds) = sending.await;
    assert_eq!(ids(&feeds[0].connections), [phone.as_str()]);
}

#[rstest]
#[tokio::test]
async fn a_connection_entered_meanwhile_is_not_waited_for(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone, late) = (user("alice"), connection("phone"), connection("late"));
    let registration = enter(&world, &phone, &alice).await;
    let nobody = connection("nobody");
    let reading = async { ids(&world.store.connections(&alice, &nobody).await.expect("the store answers")) };
    let mut reading = std::pin::pin!(reading);
    let meanwhile = async {
        enter(&world, &late, &alice).await;
        world.store.confirm(&phone, &alice, &registration).await.expect("the store answers");
    };
    // Asks first, so it finds the one only.
    tokio::select! {
        biased;
        found = &mut reading => panic!("it did not wait: {found:?}"),
        () = meanwhile => {}
    }
    assert_eq!(reading.await, [phone.as_str()]);
}

#[tokio::test]
async fn the_wait_for_a_greeting_is_bounded() {
    let world = World::open(SecureCluster).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    enter(&world, &phone, &alice).await;
    // By a clock that runs ahead.
    let ahead = now_ms() + GREETING + 30_000;
    let _: () = world.raw(&Cmd::zadd(keys::connections(&alice), phone.as_str(), ahead)).await;
    let started = Instant::now();
    assert_eq!(world.connections(&alice).await, [phone.as_str()]);
    let waited = started.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(8)).contains(&waited), "{waited:?}");
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
        let _: () = world.raw(&Cmd::zadd(keys::connections(&alice), id.as_str(), expiry)).await;
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
async fn an_entry_under_way_pushes_nobody_out() {
    let world = World::open(SecureCluster).await;
    let alice = user("alice");
    for _ in 0..MOST {
        assert_eq!(world.register(&connection("phone"), &alice).await, []);
    }
    let (late, last) = (connection("late"), connection("last"));
    let registration = enter(&world, &late, &alice).await;
    assert_eq!(world.raw::<usize>(&Cmd::zcard(keys::connections(&alice))).await, MOST + 1);
    assert_eq!(world.register(&last, &alice).await.len(), 1);
    let oldest = world.store.confirm(&late, &alice, &registration).await.expect("the store answers");
    assert_eq!(oldest.len(), 1);
    assert_eq!(world.connections(&alice).await.len(), MOST);
}

#[rstest]
#[tokio::test]
async fn a_connection_moves_to_another_user(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
    world.register(&phone, &alice).await;
    let registration = enter(&world, &phone, &bob).await;
    assert_eq!(registration.moved_from, Some(alice.clone()));
    // Before `registered` is pushed: nothing of hers may follow that.
    assert_eq!(world.score(&keys::connections(&alice), phone.as_str()).await, None);
    world.store.confirm(&phone, &bob, &registration).await.expect("the store answers");
    assert_speaks_for(&world, &phone, &bob, &[&alice]).await;
    world.register(&phone, &alice).await;
    assert_speaks_for(&world, &phone, &alice, &[&bob]).await;
}

#[rstest]
#[tokio::test]
async fn a_move_is_remembered_until_it_is_confirmed(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
    world.register(&phone, &alice).await;
    // The function that got this answer, or should have, died.
    enter(&world, &phone, &bob).await;
    let again = enter(&world, &phone, &bob).await;
    assert_eq!(again.moved_from, Some(alice.clone()));
    world.store.confirm(&phone, &bob, &again).await.expect("the store answers");
    assert_speaks_for(&world, &phone, &bob, &[&alice]).await;
    assert_eq!(enter(&world, &phone, &bob).await.moved_from, None);
}

#[rstest]
#[tokio::test]
async fn a_connection_that_closed_before_its_confirmation_is_not_entered_again(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    let registration = enter(&world, &phone, &alice).await;
    world.store.disconnect(&phone).await.expect("the store answers");
    world.store.confirm(&phone, &alice, &registration).await.expect("the store answers");
    assert_eq!(world.score(&keys::connections(&alice), phone.as_str()).await, None);
    assert_eq!(world.speaker(&phone).await, None);
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
        world.store.disconnect(&phone).await.expect("the store answers");
        assert_eq!(world.connections(&alice).await, [laptop.as_str()]);
        assert!(!world.raw::<bool>(&Cmd::exists(keys::connection(&phone))).await);
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
    world.store.disconnect(&phone).await.expect("the store answers");
    assert_eq!(world.speaker(&phone).await, None);
}

#[rstest]
#[tokio::test]
async fn gone_connections_of_several_users_are_forgotten_together(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let (phone, laptop, kept) = (connection("phone"), connection("laptop"), connection("kept"));
    for (device, owner) in [(&phone, &alice), (&laptop, &bob), (&kept, &bob)] {
        world.register(device, owner).await;
    }
    world
        .store
        .forget(&[(alice.clone(), phone.clone()), (bob.clone(), laptop.clone())])
        .await
        .expect("the store answers");
    assert_eq!(world.connections(&alice).await, [] as [String; 0]);
    assert_eq!(world.connections(&bob).await, [kept.as_str()]);
    for device in [&phone, &laptop] {
        assert_eq!(world.speaker(device).await, None);
    }
}

#[rstest]
#[tokio::test]
async fn an_echo_is_expected_once(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, phone, laptop) = (user("alice"), connection("phone"), connection("laptop"));
    world.register(&phone, &alice).await;
    world.register(&laptop, &alice).await;
    let found = world.store.connections(&alice, &connection("nobody")).await.expect("the store answers");
    world.store.expect_echoes(&found).await.expect("the store answers");
    let ending = async |id| {
        let speaker = world.store.speaker_ending(id).await.expect("the store answers");
        (speaker.user, speaker.echo)
    };
    // Anything but an `end_call` leaves it alone.
    assert!(!world.store.speaker(&phone).await.expect("the store answers").echo);
    for device in [&phone, &laptop] {
        assert_eq!(ending(device).await, (Some(alice.clone()), true));
        assert_eq!(ending(device).await, (Some(alice.clone()), false));
    }
}

#[tokio::test]
async fn an_echo_is_expected_for_five_seconds() {
    let world = World::open(SecureCluster).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    world.register(&phone, &alice).await;
    let found = world.store.connections(&alice, &connection("nobody")).await.expect("the store answers");
    let before = now_ms();
    world.store.expect_echoes(&found).await.expect("the store answers");
    let until: i64 = world.raw(&Cmd::hget(keys::connection(&phone), "echo")).await;
    assert!((before + ECHO..=now_ms() + ECHO).contains(&until), "{until}");
    let _: () = world.raw(&Cmd::hset(keys::connection(&phone), "echo", now_ms() - 1)).await;
    assert!(!world.store.speaker_ending(&phone).await.expect("the store answers").echo);
}

#[rstest]
#[tokio::test]
async fn an_echo_is_not_expected_of_a_forgotten_connection(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, phone) = (user("alice"), connection("phone"));
    world.register(&phone, &alice).await;
    let found = world.store.connections(&alice, &connection("nobody")).await.expect("the store answers");
    world.store.disconnect(&phone).await.expect("the store answers");
    world.store.expect_echoes(&found).await.expect("the store answers");
    assert!(!world.raw::<bool>(&Cmd::exists(keys::connection(&phone))).await);
}

async fn assert_speaks_for(world: &World, id: &ConnectionId, user: &UserKey, not: &[&UserKey]) {
    assert_eq!(world.speaker(id).await.as_ref(), Some(user));
    assert!(world.score(&keys::connections(user), id.as_str()).await.is_some());
    for other in not {
        assert_eq!(world.score(&keys::connections(other), id.as_str()).await, None);
    }
}

async fn assert_speaks_for_one(world: &World, id: &ConnectionId, users: &[&UserKey]) {
    let user = world.speaker(id).await.expect("it is registered");
    let others: Vec<_> = users.iter().copied().filter(|other| **other != user).collect();
    assert_eq!(others.len() + 1, users.len());
    assert_speaks_for(world, id, &user, &others).await;
}
