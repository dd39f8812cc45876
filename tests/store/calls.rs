//! The records of calls: candidates that come before their description are held for it.

use redis::Cmd;
use rstest::rstest;
use shared::ids::{ConnectionId, UserKey};
use shared::store::{Candidates, Description};
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, connection, ids, keys, now_ms, user};

const HELD_MS: i64 = 10_000;
const HELD_FRAMES: usize = 64;

/// Two users and the first one's connection.
struct Pair {
    world: World,
    alice: UserKey,
    bob: UserKey,
    phone: ConnectionId,
}

impl Pair {
    fn of(world: World) -> Self {
        Self { world, alice: user("alice"), bob: user("bob"), phone: connection("phone") }
    }

    async fn describe(&self, description: Description) -> Vec<String> {
        let found = self.world.store.describe(description, &self.phone, &self.alice, &self.bob).await;
        ids(&found.expect("the store answers"))
    }

    async fn described(&self) -> Vec<String> {
        self.world.store.described(&self.phone, &self.alice, &self.bob).await.expect("the store answers")
    }

    async fn candidate(&self, frame: &str) -> Candidates {
        let taken = self.world.store.candidate(frame, &self.phone, &self.alice, &self.bob).await;
        taken.expect("the store answers").0
    }
}

fn deliver(frames: &[&str]) -> Candidates {
    Candidates::Deliver(frames.iter().map(|&frame| frame.to_owned()).collect())
}

#[rstest]
#[tokio::test]
async fn a_description_finds_the_targets_connections(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let pair = Pair::of(world);
    assert_eq!(pair.describe(Description::Offer).await, [] as [String; 0]);
    let laptop = connection("laptop");
    pair.world.register(&laptop, &pair.bob).await;
    assert_eq!(pair.describe(Description::Offer).await, [laptop.as_str()]);
    let (_, found) = pair
        .world
        .store
        .candidate("c", &pair.phone, &pair.alice, &pair.bob)
        .await
        .expect("the store answers");
    assert_eq!(ids(&found), [laptop.as_str()]);
    // A signal to oneself goes to one's other connections.
    pair.world.register(&pair.phone, &pair.bob).await;
    assert_eq!(pair.describe(Description::Offer).await, [laptop.as_str()]);
}

#[rstest]
#[tokio::test]
async fn candidates_are_held_until_their_description_was_delivered(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let pair = Pair::of(world);
    pair.describe(Description::Offer).await;
    for frame in ["one", "two", "three"] {
        assert_eq!(pair.candidate(frame).await, Candidates::Held);
    }
    assert_eq!(pair.described().await, ["one", "two", "three"]);
    assert_eq!(pair.candidate("four").await, deliver(&["four"]));
    assert_eq!(pair.described().await, [] as [String; 0]);
}

#[rstest]
#[tokio::test]
async fn candidates_wait_for_their_own_connections_description(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let pair = Pair::of(world);
    pair.describe(Description::Offer).await;
    pair.described().await;
    let laptop = connection("laptop");
    let (taken, _) = pair
        .world
        .store
        .candidate("early", &laptop, &pair.bob, &pair.alice)
        .await
        .expect("the store answers");
    assert_eq!(taken, Candidates::Held);
    assert_eq!(pair.candidate("mine").await, deliver(&["mine"]));
}

#[rstest]
#[tokio::test]
async fn an_answers_candidates_wait_for_the_answer(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let pair = Pair::of(world);
    let store = &pair.world.store;
    pair.describe(Description::Offer).await;
    pair.described().await;
    let laptop = connection("laptop");
    let early = store.candidate("early", &laptop, &pair.bob, &pair.alice).await.expect("the store answers");
    assert_eq!(early.0, Candidates::Held);
    store.describe(Description::Answer, &laptop, &pair.bob, &pair.alice).await.expect("the store answers");
    let held = store.described(&laptop, &pair.bob, &pair.alice).await.expect("the store answers");
    assert_eq!(held, ["early"]);
    let late = store.candidate("late", &laptop, &pair.bob, &pair.alice).await.expect("the store answers");
    assert_eq!(late.0, deliver(&["late"]));
}

#[rstest]
#[tokio::test]
async fn a_candidate_without_a_call_waits_for_one(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let pair = Pair::of(world);
    assert_eq!(pair.candidate("one").await, Candidates::Held);
    pair.describe(Description::Offer).await;
    assert_eq!(pair.candidate("two").await, Candidates::Held);
    assert_eq!(pair.described().await, ["one", "two"]);
}

#[tokio::test]
async fn held_candidates_are_bounded_in_number() {
    let world = World::open(SecureCluster).await;
    let pair = Pair::of(world);
    pair.describe(Description::Offer).await;
    let frames: Vec<_> = (0..HELD_FRAMES + 2).map(|number| format!("candidate {number}")).collect();
    for frame in &frames {
        assert_eq!(pair.candidate(frame).await, Candidates::Held);
    }
    assert_eq!(pair.described().await, frames[..HELD_FRAMES]);
}

#[tokio::test]
async fn held_candidates_are_bounded_in_size() {
    let world = World::open(SecureCluster).await;
    let pair = Pair::of(world);
    pair.describe(Description::Offer).await;
    let frames = ["a", "b", "c"].map(|letter| letter.repeat(100_000));
    for frame in &frames {
        pair.candidate(frame).await;
    }
    pair.candidate("small").await;
    assert_eq!(pair.described().await, [&frames[0], &frames[1], "small"]);
}

#[tokio::test]
async fn held_candidates_and_calls_expire() {
    let world = World::open(SecureCluster).await;
    let pair = Pair::of(world);
    pair.describe(Description::Offer).await;
    pair.candidate("one").await;
    let held = keys::held(&pair.alice, &pair.bob, &pair.phone);
    let left: i64 = pair.world.raw(&Cmd::pttl(held)).await;
    assert!((1..=HELD_MS).contains(&left), "{left}");
    let left = pair.world.seconds_left(&keys::call(&pair.alice, &pair.bob)).await;
    assert!((24 * 3600 - 60..=24 * 3600).contains(&left), "{left}");
}

#[tokio::test]
async fn a_description_whose_function_died_holds_nothing_for_long() {
    let world = World::open(SecureCluster).await;
    let pair = Pair::of(world);
    pair.describe(Description::Offer).await;
    assert_eq!(pair.candidate("one").await, Candidates::Held);
    let (call, field) = (keys::call(&pair.alice, &pair.bob), format!("described:{}", pair.phone.as_str()));
    let delivered_by: i64 = pair.world.raw(&Cmd::hget(&call, &field)).await;
    assert!((now_ms()..=now_ms() + 3_000).contains(&delivered_by), "{delivered_by}");
    let _: () = pair.world.raw(&Cmd::hset(&call, &field, now_ms() - 1)).await;
    assert_eq!(pair.candidate("two").await, deliver(&["one", "two"]));
}

#[rstest]
#[tokio::test]
async fn an_ended_call_is_forgotten(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let pair = Pair::of(world);
    let laptop = connection("laptop");
    pair.world.register(&laptop, &pair.bob).await;
    pair.describe(Description::Offer).await;
    pair.described().await;
    let found =
        pair.world.store.end_call(&pair.phone, &pair.alice, &pair.bob).await.expect("the store answers");
    assert_eq!(ids(&found), [laptop.as_str()]);
    assert!(!pair.world.raw::<bool>(&Cmd::exists(keys::call(&pair.alice, &pair.bob))).await);
    assert_eq!(pair.candidate("late").await, Candidates::Held);
}
