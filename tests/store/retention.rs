//! Where messages are kept for some days only: what is older is gone from every view.

use redis::Cmd;
use rstest::rstest;
use shared::access::{self, MayList};
use shared::ids::{MessageId, UserKey};
use shared::message::Message;
use shared::store::{Follow, Page, Paging};
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, content, draft, id, id_at, keys, now_ms, user};

const DAYS: u16 = 3;
const DAY_MS: i64 = 24 * 3600 * 1000;
const SECONDS: i64 = 3 * 24 * 3600;

/// Two users and their messages.
struct Scene {
    world: World,
    alice: UserKey,
    bob: UserKey,
}

impl Scene {
    async fn of(store: StoreKind) -> Self {
        Self { world: World::keeping(store, DAYS).await, alice: user("alice"), bob: user("bob") }
    }

    /// Enters a message of so many days ago, as it would have been at the time; it is stored for an hour longer.
    async fn enter_old(&self, days: i64) -> Message {
        let id = id_at(&self.alice, &self.bob, now_ms() - days * DAY_MS);
        let message = Message::compose(id, self.alice.clone(), self.bob.clone(), draft("old"));
        let _: () = self.world.raw(&Cmd::set_ex(keys::key_of(id), message.to_json(), 3600)).await;
        let _: () = self.world.raw(&Cmd::zadd(keys::ALL, id.short(), 0)).await;
        for (user, peer, index) in [
            (&self.alice, &self.bob, keys::to(&self.alice, &self.bob)),
            (&self.bob, &self.alice, keys::from(&self.bob, &self.alice)),
        ] {
            for index in [keys::all(user), index] {
                let _: () = self.world.raw(&Cmd::zadd(index, id.short(), 0)).await;
            }
            let head = format!("{}{}", id.short(), peer.as_str());
            let _: () = self.world.raw(&Cmd::zadd(keys::conversations(user), head, 0)).await;
        }
        message
    }

    fn listings(&self) -> [MayList; 4] {
        let (alice, bob) = (&self.alice, &self.bob);
        [
            MayList::User(alice.clone()),
            MayList::User(bob.clone()),
            MayList::Conversation(alice.clone(), bob.clone()),
            MayList::Conversation(bob.clone(), alice.clone()),
        ]
    }
}

fn assert_about(seconds: i64, expected: i64) {
    assert!((expected - 60..=expected).contains(&seconds), "{seconds}");
}

#[rstest]
#[tokio::test]
async fn whatever_a_message_leaves_ends_by_itself(#[values(Single, SecureCluster)] store: StoreKind) {
    let scene = Scene::of(store).await;
    let (world, alice, bob) = (&scene.world, &scene.alice, &scene.bob);
    let message = world.send(alice, bob, "hello").await;
    assert_about(world.seconds_left(&keys::message(&message)).await, SECONDS + 3600);
    let (indexes, logs) = (
        [
            keys::all(alice),
            keys::all(bob),
            keys::to(alice, bob),
            keys::from(bob, alice),
            keys::conversations(alice),
            keys::conversations(bob),
        ],
        [keys::events(alice), keys::events(bob)],
    );
    for key in indexes.iter().chain(&logs) {
        assert_about(world.seconds_left(key).await, SECONDS);
        let _: () = world.raw(&Cmd::expire(key, 1000)).await;
    }
    // An edit is not a message: it lives no longer than before.
    let _: () = world.raw(&Cmd::expire(keys::message(&message), 1000)).await;
    world.edit(&message, "bye").await.expect("it exists");
    assert_about(world.seconds_left(&keys::message(&message)).await, 1000);
    for log in &logs {
        assert_about(world.seconds_left(log).await, SECONDS);
    }
    // The next message gives them the days anew.
    world.send(alice, bob, "hello").await;
    for key in indexes.iter().chain(&logs) {
        assert_about(world.seconds_left(key).await, SECONDS);
    }
}

#[rstest]
#[tokio::test]
async fn no_listing_has_what_is_past(#[values(Single, SecureCluster)] store: StoreKind) {
    let scene = Scene::of(store).await;
    let old = scene.enter_old(4).await;
    let older = scene.enter_old(5).await;
    let young = scene.enter_old(2).await;
    for permit in scene.listings() {
        let all = Page { messages: vec![young.to_json()], more: None };
        assert_eq!(scene.world.page(&permit, Paging::Before(None), 1000).await, all);
        // No page leads to them, and no position does.
        for paging in [Paging::Before(None), Paging::After(id(&older)), Paging::After(id(&old))] {
            assert_eq!(scene.world.page(&permit, paging, 1).await, all);
        }
        let before = scene.world.page(&permit, Paging::Before(Some(id(&young))), 1).await;
        assert_eq!(before, Page { messages: Vec::new(), more: None });
        let after = scene.world.page(&permit, Paging::After(id(&young)), 1).await;
        assert_eq!(after, Page { messages: Vec::new(), more: None });
    }
    let everything = scene.world.page(&MayList::Everything, Paging::After(lowest()), 1000).await;
    assert!(!everything.messages.contains(&old.to_json()));
}

fn lowest() -> MessageId {
    MessageId::parse("00000000-0000-0000-0000-000000000000").expect("a UUID")
}

#[rstest]
#[tokio::test]
async fn a_new_message_takes_out_what_is_past(#[values(Single, SecureCluster)] store: StoreKind) {
    let scene = Scene::of(store).await;
    let (world, alice, bob) = (&scene.world, &scene.alice, &scene.bob);
    scene.enter_old(4).await;
    let young = scene.enter_old(2).await;
    let message = world.send(alice, bob, "hello").await;
    let ids = [&young, &message].map(|message| id(message).short());
    for index in [keys::all(alice), keys::all(bob), keys::to(alice, bob), keys::from(bob, alice)] {
        assert_eq!(world.members(&index).await, ids, "{index}");
    }
    for (user, peer) in [(alice, bob), (bob, alice)] {
        let head = format!("{}{}", id(&message).short(), peer.as_str());
        assert_eq!(world.members(&keys::conversations(user)).await, [head]);
    }
}

#[rstest]
#[tokio::test]
async fn a_conversation_that_is_past_goes_with_the_next_message_of_another(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let scene = Scene::of(store).await;
    let (world, alice, carol) = (&scene.world, &scene.alice, user("carol"));
    scene.enter_old(4).await;
    let message = world.send(alice, &carol, "hello").await;
    let head = format!("{}{}", id(&message).short(), carol.as_str());
    assert_eq!(world.members(&keys::conversations(alice)).await, [head]);
}

#[rstest]
#[tokio::test]
async fn an_event_about_a_message_that_is_past_tells_that_it_is_gone(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let scene = Scene::of(store).await;
    let world = &scene.world;
    let message = world.send(&scene.alice, &scene.bob, "hello").await;
    let _: () = world.raw(&Cmd::del(keys::message(&message))).await;
    let permit = access::own(&world.anybody(), Some(scene.bob.clone())).expect("open mode");
    let followed = world.store.follow(&permit, shared::store::EventId::parse("0-0").as_ref(), 10).await;
    let Follow::Events(events) = followed.expect("the store answers") else { panic!("nothing was trimmed") };
    assert!(matches!(events.events[0].change, shared::store::Change::Deleted), "{events:?}");
}

#[rstest]
#[tokio::test]
async fn without_days_everything_stays(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let message = world.send(&alice, &bob, "hello").await;
    let permit = world.permit(&message).await;
    let edited = world.store.update(permit, content("bye"), shared::message::MetadataChange::Keep).await;
    edited.expect("the store answers").expect("it exists");
    for key in [
        keys::message(&message),
        keys::all(&alice),
        keys::to(&alice, &bob),
        keys::from(&bob, &alice),
        keys::conversations(&bob),
        keys::events(&bob),
    ] {
        assert_eq!(world.seconds_left(&key).await, -1, "{key}");
    }
}
