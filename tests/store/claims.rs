//! Sends under a sender's own name, which may be repeated.

use futures_util::future::{join, join_all};
use redis::Cmd;
use rstest::rstest;
use shared::ids::UserKey;
use shared::message::{Draft, Message};
use shared::store::Sent;
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{
    World, assert_indexed, draft, draft_as, id, id_at, keys, metadata, now_ms, told_users, try_send_with,
    user,
};

const CLAIM_SECONDS: i64 = 24 * 3600;

/// Two users, and a message that the one sent to the other under a name.
struct Scene {
    world: World,
    alice: UserKey,
    bob: UserKey,
    message: Message,
}

impl Scene {
    async fn of(store: StoreKind) -> Self {
        let world = World::open(store).await;
        let (alice, bob) = (user("alice"), user("bob"));
        let sent = world.try_send(&alice, &bob, draft_as("name", "hello")).await.expect("the store answers");
        assert!(!sent.replayed);
        assert_eq!(told_users(&sent.feeds).len(), 2);
        Self { world, alice, bob, message: sent.message }
    }

    /// Sends it again; the answer must be the first one.
    async fn repeat(&self) -> Sent {
        let sent = self.world.try_send(&self.alice, &self.bob, draft_as("name", "hello")).await;
        let sent = sent.expect("the store answers");
        assert!(sent.replayed);
        assert_eq!(sent.message, self.message);
        sent
    }

    /// Undoes what completing a send does in a user's slot.
    async fn undo(&self, user: &UserKey) {
        let peer = if *user == self.alice { &self.bob } else { &self.alice };
        let index = if *user == self.alice { keys::to(user, peer) } else { keys::from(user, peer) };
        for key in [keys::all(user), index, keys::conversations(user), keys::events(user)] {
            let _: () = self.world.raw(&Cmd::del(key)).await;
        }
    }

    async fn set_completed(&self, completed: bool) {
        let key = keys::claim(&self.alice, "name");
        let claim: String = self.world.raw(&Cmd::get(&key)).await;
        let claim = claim.strip_suffix(" completed").unwrap_or(&claim).to_owned();
        let claim = if completed { format!("{claim} completed") } else { claim };
        let _: () = self.world.raw(redis::cmd("SET").arg(key).arg(claim).arg("KEEPTTL")).await;
    }

    async fn assert_changes(&self, changes: &str) {
        for user in [&self.alice, &self.bob] {
            assert_eq!(self.world.changes(user).await, changes);
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_repeated_send_answers_the_same_and_stores_nothing(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let scene = Scene::of(store).await;
    for _ in 0..3 {
        let sent = scene.repeat().await;
        assert_eq!(sent.present, scene.message.to_json());
        assert!(sent.feeds.is_empty());
    }
    scene.assert_changes("c").await;
    for user in [&scene.alice, &scene.bob] {
        assert_eq!(scene.world.members(&keys::all(user)).await, [id(&scene.message).short()]);
    }
}

#[rstest]
#[tokio::test]
async fn ten_repeats_at_once_are_one_message_and_one_event(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let stores = [world.another_store().await, world.another_store().await, world.another_store().await];
    let anybody = world.anybody();
    for _ in 0..20 {
        let (alice, bob) = (user("alice"), user("bob"));
        let sending = (0..10)
            .map(|turn| try_send_with(&stores[turn % 3], &anybody, &alice, &bob, draft_as("name", "hello")));
        let sent: Vec<_> =
            join_all(sending).await.into_iter().map(|sent| sent.expect("it is sent")).collect();
        let message = &sent[0].message;
        assert!(sent.iter().all(|sent| sent.message == *message), "{sent:?}");
        assert_eq!(sent.iter().filter(|sent| !sent.replayed).count(), 1);
        for user in [&alice, &bob] {
            let told = sent.iter().flat_map(|sent| &sent.feeds).filter(|feed| feed.user == *user).count();
            assert_eq!(told, 1);
            assert_eq!(world.changes(user).await, "c");
            assert_eq!(world.members(&keys::all(user)).await, [id(message).short()]);
        }
        assert_eq!(world.stored(message).await, Some(message.to_json()));
    }
}

#[rstest]
#[tokio::test]
async fn a_refused_or_repeated_send_leaves_no_message_without_a_name(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let alice = user("alice");
    let count = async || {
        // Messages to oneself are the only ones with these 12 bits, but for one user in 4,096.
        let keys = keys::key_of(id_at(&alice, &alice, now_ms()));
        let (slot, _) = keys.rsplit_once(':').expect("a key");
        let mut scan = redis::cmd("EVAL");
        scan.arg("local found, at = 0, '0' repeat local page = redis.call('SCAN', at, 'MATCH', ARGV[1], 'COUNT', 1000) \
                  at = page[1] for _, key in ipairs(page[2]) do if string.find(redis.call('GET', key), ARGV[2], 1, true) \
                  then found = found + 1 end end until at == '0' return found");
        scan.arg(1).arg(&keys).arg(format!("{slot}:*")).arg(alice.as_str());
        world.raw::<usize>(&scan).await
    };
    for _ in 0..3 {
        world.try_send(&alice, &alice, draft_as("name", "hello")).await.expect("the store answers");
        assert_eq!(count().await, 1);
    }
    world.try_send(&alice, &alice, draft_as("name", "bye")).await.expect_err("another text");
    assert_eq!(count().await, 1);
}

#[rstest]
#[tokio::test]
async fn a_name_is_for_one_message(#[values(Single, SecureCluster)] store: StoreKind) {
    let scene = Scene::of(store).await;
    let (alice, bob, carol) = (&scene.alice, &scene.bob, user("carol"));
    let own = draft_as("name", "hello");
    let others = [
        (bob, draft_as("name", "bye")),
        (&carol, own.clone()),
        (bob, Draft { metadata: Some(metadata("{}")), ..own.clone() }),
    ];
    for (receiver, other) in others {
        let refused = scene.world.try_send(alice, receiver, other).await.expect_err("the name is taken");
        assert_eq!(refused.answer().0, 422);
        assert_eq!(refused.answer().1, "key_reused");
    }
    assert_eq!(scene.world.stored(&scene.message).await, Some(scene.message.to_json()));
    assert_eq!(scene.world.changes(&carol).await, "");
    scene.assert_changes("c").await;
    // It is the sender's own: others may have the same one, and other names are free.
    for (sender, receiver, draft) in [(bob, alice, own), (alice, bob, draft_as("another", "hello"))] {
        assert!(!scene.world.try_send(sender, receiver, draft).await.expect("it is free").replayed);
    }
}

#[rstest]
#[tokio::test]
async fn sends_without_a_name_are_never_repeats(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let sent = world.try_send(&alice, &bob, draft("hello")).await.expect("the store answers");
        assert!(!sent.replayed);
        ids.push(sent.message.id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(world.changes(&bob).await, "ccc");
}

#[rstest]
#[tokio::test]
async fn the_same_metadata_is_the_same_send(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let own = Draft { metadata: Some(metadata(r#"{"v": 1}"#)), ..draft_as("name", "hello") };
    let first = world.try_send(&alice, &bob, own.clone()).await.expect("the store answers");
    let again = world.try_send(&alice, &bob, own).await.expect("the store answers");
    assert!(again.replayed);
    assert_eq!(again.message, first.message);
}

#[rstest]
#[tokio::test]
async fn a_repeat_after_an_edit_answers_what_was_sent_and_tells_what_is(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let scene = Scene::of(store).await;
    let (edited, _) = scene.world.edit(&scene.message, "bye").await.expect("it exists");
    let sent = scene.repeat().await;
    assert_eq!(sent.present, edited.to_json());
    assert!(sent.feeds.is_empty());
    // Somebody whom the first attempt did not reach is told the present state.
    scene.undo(&scene.bob).await;
    let sent = scene.repeat().await;
    assert_eq!(sent.present, edited.to_json());
    assert_eq!(told_users(&sent.feeds), [&scene.bob]);
    assert_eq!(scene.world.stored(&scene.message).await, Some(edited.to_json()));
}

#[rstest]
#[tokio::test]
async fn a_repeat_completes_what_was_left_undone(#[values(Single, SecureCluster)] store: StoreKind) {
    let scene = Scene::of(store).await;
    let (alice, bob) = (&scene.alice, &scene.bob);
    for (undone, completed) in [(vec![bob], true), (vec![alice, bob], false), (vec![alice], false)] {
        for user in &undone {
            scene.undo(user).await;
        }
        scene.set_completed(completed).await;
        let sent = scene.repeat().await;
        let mut told = undone.clone();
        told.sort();
        assert_eq!(told_users(&sent.feeds), told);
        assert_indexed(&scene.world, &scene.message, true).await;
        scene.assert_changes("c").await;
        let claim: String = scene.world.raw(&Cmd::get(keys::claim(alice, "name"))).await;
        assert!(claim.ends_with(" completed"), "{claim}");
    }
}

#[rstest]
#[tokio::test]
async fn a_message_that_is_missing_was_never_stored_unless_its_send_was_completed(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let scene = Scene::of(store).await;
    let world = &scene.world;
    let _: () = world.raw(&Cmd::del(keys::message(&scene.message))).await;
    let sent = scene.repeat().await;
    assert!(sent.feeds.is_empty());
    assert_eq!(world.stored(&scene.message).await, None);

    for user in [&scene.alice, &scene.bob] {
        scene.undo(user).await;
    }
    scene.set_completed(false).await;
    let sent = scene.repeat().await;
    assert_eq!(told_users(&sent.feeds).len(), 2);
    assert_eq!(world.stored(&scene.message).await, Some(scene.message.to_json()));
    assert_eq!(world.seconds_left(&keys::message(&scene.message)).await, -1);
    scene.assert_changes("c").await;
}

#[rstest]
#[tokio::test]
async fn a_repeat_after_a_delete_answers_the_same_and_brings_nothing_back(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let scene = Scene::of(store).await;
    let world = &scene.world;
    world.delete(&scene.message).await;
    let tombstone = world.stored(&scene.message).await;
    for completed in [true, false] {
        scene.set_completed(completed).await;
        assert!(scene.repeat().await.feeds.is_empty());
        assert_eq!(world.stored(&scene.message).await, tombstone);
        assert_indexed(world, &scene.message, false).await;
        scene.assert_changes("cd").await;
    }
}

#[rstest]
#[tokio::test]
async fn a_repeat_amid_a_delete_brings_nothing_back(#[values(Single, SecureCluster)] store: StoreKind) {
    let scene = Scene::of(store).await;
    let world = &scene.world;
    world.delete(&scene.message).await;
    // The message is swapped for its tombstone last.
    let _: () = world.raw(&Cmd::set(keys::message(&scene.message), scene.message.to_json())).await;
    assert!(scene.repeat().await.feeds.is_empty());
    assert_eq!(world.stored(&scene.message).await, Some(scene.message.to_json()));
    scene.assert_changes("cd").await;
    let (before, feeds) = world.delete(&scene.message).await;
    assert!(!before);
    assert_eq!(feeds.len(), 2);
    scene.assert_changes("cd").await;
    assert_indexed(world, &scene.message, false).await;
}

/// The first attempt, or a repeat, may have read the message before it was deleted.
#[rstest]
#[tokio::test]
async fn a_create_that_comes_after_the_delete_does_nothing(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let scene = Scene::of(store).await;
    let world = &scene.world;
    world.delete(&scene.message).await;
    let _: () = world.raw(&Cmd::set(keys::message(&scene.message), scene.message.to_json())).await;
    assert!(scene.repeat().await.feeds.is_empty());
    scene.assert_changes("cd").await;
    for user in [&scene.alice, &scene.bob] {
        for index in [keys::all(user), keys::conversations(user)] {
            assert_eq!(world.members(&index).await, [] as [String; 0], "{index}");
        }
    }
}

#[tokio::test]
async fn repeats_racing_a_delete_bring_nothing_back_and_double_no_event() {
    let scene = Scene::of(SecureCluster).await;
    let (world, alice, bob) = (&scene.world, &scene.alice, &scene.bob);
    let (one, other) = (world.another_store().await, world.another_store().await);
    let anybody = world.anybody();
    for turn in 0..100 {
        let (alice, bob) = match turn % 2 {
            0 => (alice.clone(), bob.clone()),
            _ => (user("alice"), user("bob")),
        };
        let name = format!("name {turn}");
        let own = || draft_as(&name, "hello");
        let first = world.try_send(&alice, &bob, own()).await.expect("the store answers").message;
        if turn % 4 < 2 {
            // As if the first attempt had died before it reached the receiver.
            for index in [keys::all(&bob), keys::from(&bob, &alice)] {
                let _: () = world.raw(&Cmd::zrem(index, id(&first).short())).await;
            }
        }
        let before = [world.log(&alice).await.len(), world.log(&bob).await.len()];
        let delete = world.permit(&first).await;
        let repeat = try_send_with(&one, &anybody, &alice, &bob, own());
        let (repeated, deletion) = match turn % 3 {
            0 => join(repeat, other.delete(delete)).await,
            1 => {
                let (deletion, repeated) = join(other.delete(delete), repeat).await;
                (repeated, deletion)
            }
            _ => join(repeat, one.delete(delete)).await,
        };
        let repeated = repeated.expect("the store answers");
        assert_eq!(repeated.message, first);
        assert_eq!(deletion.expect("the store answers").feeds.len(), 2);
        assert_indexed(world, &first, false).await;
        for (user, before) in [&alice, &bob].into_iter().zip(before) {
            let changes: String =
                world.log(user).await.into_iter().skip(before).map(|one| one.change).collect();
            assert!(["d", "cd"].contains(&changes.as_str()), "{changes}");
            assert!(changes == "d" || (*user == bob && turn % 4 < 2), "{changes}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_send_may_be_repeated_for_24_hours(#[values(Single, SecureCluster)] store: StoreKind) {
    let scene = Scene::of(store).await;
    let claim = keys::claim(&scene.alice, "name");
    let left = scene.world.seconds_left(&claim).await;
    assert!((CLAIM_SECONDS - 60..=CLAIM_SECONDS).contains(&left), "{left}");
    // A repetition does not prolong that: the tombstone must outlive the claim.
    let _: () = scene.world.raw(&Cmd::expire(&claim, 1000)).await;
    scene.repeat().await;
    let left = scene.world.seconds_left(&claim).await;
    assert!((900..=1000).contains(&left), "{left}");
    // Nor does it make a claim again that has ended meanwhile.
    let _: () = scene.world.raw(&Cmd::del(&claim)).await;
    let late = scene.world.try_send(&scene.alice, &scene.bob, draft_as("name", "hello")).await;
    assert!(!late.expect("the store answers").replayed);
}
