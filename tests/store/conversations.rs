//! Each user's list of conversations: the last message of each.

use redis::Cmd;
use rstest::rstest;
use shared::access::{self, MayList};
use shared::ids::UserKey;
use shared::message::{Message, Tombstone};
use shared::store::Paging;
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, id, id_at, keys, now_ms, user};

/// The conversation of two users whose last message is this one, as it stands in the list of each.
async fn assert_head(world: &World, one: &UserKey, other: &UserKey, last: Option<&Message>) {
    for (user, peer) in [(one, other), (other, one)] {
        let heads = world.members(&keys::conversations(user)).await;
        let heads: Vec<_> = heads.into_iter().filter(|head| head.ends_with(peer.as_str())).collect();
        let expected: Vec<_> =
            last.map(|last| format!("{}{}", id(last).short(), peer.as_str())).into_iter().collect();
        assert_eq!(heads, expected);
    }
}

#[rstest]
#[tokio::test]
async fn a_conversation_is_listed_by_its_last_message(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let start = now_ms();
    for (turn, (sender, receiver)) in [(&alice, &bob), (&bob, &alice), (&bob, &alice)].into_iter().enumerate()
    {
        let id = id_at(sender, receiver, start + i64::try_from(turn).expect("a small number"));
        let message = world.send_under(sender, receiver, id).await;
        assert_head(&world, &alice, &bob, Some(&message)).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_message_that_comes_out_of_order_is_not_the_last(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let start = now_ms();
    let last = world.send_under(&alice, &bob, id_at(&alice, &bob, start)).await;
    for earlier in [2, 1, 3] {
        for (sender, receiver) in [(&alice, &bob), (&bob, &alice)] {
            world.send_under(sender, receiver, id_at(sender, receiver, start - earlier)).await;
            assert_head(&world, &alice, &bob, Some(&last)).await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_delete_of_the_last_message_shows_the_one_before(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let start = now_ms();
    let mut messages = Vec::new();
    for (turn, (sender, receiver)) in
        [(&alice, &bob), (&bob, &alice), (&alice, &bob), (&bob, &alice)].into_iter().enumerate()
    {
        let id = id_at(sender, receiver, start + i64::try_from(turn).expect("a small number"));
        messages.push(world.send_under(sender, receiver, id).await);
    }
    // One that is not the last leaves the head alone.
    world.delete(&messages[1]).await;
    assert_head(&world, &alice, &bob, Some(&messages[3])).await;
    for (deleted, head) in [(3, Some(2)), (2, Some(0)), (0, None)] {
        world.delete(&messages[deleted]).await;
        assert_head(&world, &alice, &bob, head.map(|head| &messages[head])).await;
    }
    assert!(!world.exists(&keys::conversations(&alice)).await);
}

#[rstest]
#[tokio::test]
async fn messages_to_oneself_are_a_conversation(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let alice = user("alice");
    let start = now_ms();
    let first = world.send_under(&alice, &alice, id_at(&alice, &alice, start)).await;
    let second = world.send_under(&alice, &alice, id_at(&alice, &alice, start + 1)).await;
    assert_head(&world, &alice, &alice, Some(&second)).await;
    world.delete(&second).await;
    assert_head(&world, &alice, &alice, Some(&first)).await;
    world.delete(&first).await;
    assert_head(&world, &alice, &alice, None).await;
}

#[rstest]
#[tokio::test]
async fn conversations_are_in_the_order_of_their_last_messages(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let start = now_ms();
    let mut listed = Vec::new();
    for (turn, peer) in [&bob, &carol, &bob].into_iter().enumerate() {
        let id = id_at(&alice, peer, start + i64::try_from(turn).expect("a small number"));
        let message = world.send_under(&alice, peer, id).await;
        let head = format!("{}{}", id.short(), peer.as_str());
        listed.retain(|(with, _)| with != peer);
        listed.push((peer.clone(), head));
        let heads: Vec<_> = listed.iter().map(|(_, head)| head.clone()).collect();
        assert_eq!(world.members(&keys::conversations(&alice)).await, heads);
        assert_head(&world, &alice, peer, Some(&message)).await;
    }
}

/// As after a failover that lost what a delete did in the slots of its users.
#[rstest]
#[tokio::test]
async fn a_head_that_is_deleted_goes_when_it_is_met(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let start = now_ms();
    let first = world.send_under(&alice, &bob, id_at(&alice, &bob, start)).await;
    let second = world.send_under(&alice, &bob, id_at(&alice, &bob, start + 1)).await;
    bury(&world, &second).await;
    assert_head(&world, &alice, &bob, Some(&second)).await;
    unread(&world, &bob, &alice).await;
    assert_head(&world, &alice, &bob, Some(&first)).await;
}

#[rstest]
#[tokio::test]
async fn a_list_takes_out_what_is_deleted(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let start = now_ms();
    let first = world.send_under(&alice, &bob, id_at(&alice, &bob, start)).await;
    world.send_under(&alice, &bob, id_at(&alice, &bob, start + 1)).await;
    bury(&world, &first).await;
    assert_eq!(unread(&world, &bob, &alice).await, 2);
    let permit = MayList::Conversation(bob.clone(), alice.clone());
    let page = world.store.list(&permit, Paging::Before(None), 10).await.expect("the store answers");
    assert_eq!(page.messages.len(), 1);
    assert_eq!(unread(&world, &bob, &alice).await, 1);
    for user in [&alice, &bob] {
        assert_eq!(world.changes(user).await, "ccd");
    }
}

async fn bury(world: &World, message: &Message) {
    let tombstone = Tombstone::of(message, std::time::SystemTime::now().into()).to_json();
    let _: () = world.raw(&Cmd::set_ex(keys::message(message), tombstone, 90_000)).await;
}

/// As `GET /conversations` counts it.
async fn unread(world: &World, user: &UserKey, peer: &UserKey) -> u64 {
    let permit = access::own(&world.anybody(), Some(user.clone())).expect("open mode");
    let page = world.store.conversations(&permit, None, 10).await.expect("the store answers");
    page.conversations.iter().find(|conversation| conversation.with == *peer).map_or(0, |found| found.unread)
}
