//! Listings: which messages, in which order, page by page.

use futures_util::future::join_all;
use redis::Cmd;
use rstest::rstest;
use shared::access::{self, MayList};
use shared::ids::MessageId;
use shared::message::{CONTENT_BYTES, Message};
use shared::store::{Page, Paging};
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, id, keys, send_with, user, vouched_for};

/// Most bytes of a page, as escaped into a function's answer.
const PAGE_BYTES: usize = 5_000_000;

async fn send_several(world: &World, count: usize) -> (MayList, Vec<Message>) {
    let (alice, bob) = (user("alice"), user("bob"));
    let mut sent = Vec::new();
    for turn in 0..count {
        sent.push(world.send(&alice, &bob, &turn.to_string()).await);
    }
    (MayList::User(alice), sent)
}

fn json(messages: &[Message]) -> Vec<String> {
    messages.iter().map(Message::to_json).collect()
}

fn cursor(page: &Page) -> Option<MessageId> {
    page.more.as_deref().map(|id| MessageId::parse(id).expect("a message's id"))
}

#[rstest]
#[tokio::test]
async fn the_newest_come_in_ascending_order(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (hers, sent) = send_several(&world, 7).await;
    assert_eq!(world.list(&hers).await, json(&sent));
    let page = world.page(&hers, Paging::Before(None), 3).await;
    assert_eq!(page, Page { messages: json(&sent[4..]), more: Some(sent[4].id.clone()) });
    for all in [7, 8, 1000] {
        let page = world.page(&hers, Paging::Before(None), all).await;
        assert_eq!(page, Page { messages: json(&sent), more: None });
    }
    let nobody = MayList::User(user("nobody"));
    assert_eq!(world.page(&nobody, Paging::Before(None), 5).await, Page { messages: Vec::new(), more: None });
}

#[rstest]
#[tokio::test]
async fn pages_backward_meet_without_gap_or_overlap(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (hers, sent) = send_several(&world, 7).await;
    let mut read = Vec::new();
    let mut sizes = Vec::new();
    let mut paging = Paging::Before(None);
    loop {
        let page = world.page(&hers, paging, 3).await;
        sizes.push(page.messages.len());
        let next = cursor(&page);
        read.splice(..0, page.messages);
        match next {
            Some(id) => paging = Paging::Before(Some(id)),
            None => break,
        }
    }
    assert_eq!((read, sizes), (json(&sent), vec![3, 3, 1]));
}

#[rstest]
#[tokio::test]
async fn pages_forward_meet_without_gap_or_overlap(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (hers, sent) = send_several(&world, 8).await;
    let mut read = Vec::new();
    let mut sizes = Vec::new();
    let mut after = id(&sent[0]);
    loop {
        let page = world.page(&hers, Paging::After(after), 3).await;
        sizes.push(page.messages.len());
        let next = cursor(&page);
        read.extend(page.messages);
        match next {
            Some(id) => after = id,
            None => break,
        }
    }
    assert_eq!((read, sizes), (json(&sent[1..]), vec![3, 3, 1]));
    let end = world.page(&hers, Paging::After(id(&sent[7])), 3).await;
    assert_eq!(end, Page { messages: Vec::new(), more: None });
}

#[rstest]
#[tokio::test]
async fn a_cursor_need_not_exist(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (hers, sent) = send_several(&world, 5).await;
    world.delete(&sent[2]).await;
    let deleted = id(&sent[2]);
    let before = world.page(&hers, Paging::Before(Some(deleted)), 10).await;
    assert_eq!(before.messages, json(&sent[..2]));
    let after = world.page(&hers, Paging::After(deleted), 10).await;
    assert_eq!(after.messages, json(&sent[3..]));
    let lowest = MessageId::parse("00000000-0000-0000-0000-000000000000").expect("a UUID");
    let highest = MessageId::parse("ffffffff-ffff-ffff-ffff-ffffffffffff").expect("a UUID");
    assert_eq!(world.page(&hers, Paging::After(lowest), 10).await.messages.len(), 4);
    assert_eq!(world.page(&hers, Paging::Before(Some(lowest)), 10).await.messages.len(), 0);
    assert_eq!(world.page(&hers, Paging::After(highest), 10).await.messages.len(), 0);
    assert_eq!(world.page(&hers, Paging::Before(Some(highest)), 10).await.messages.len(), 4);
}

#[rstest]
#[tokio::test]
async fn a_listing_is_of_a_user_a_conversation_or_everything(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let one = world.send(&alice, &bob, "one").await;
    let two = world.send(&bob, &alice, "two").await;
    let three = world.send(&carol, &alice, "three").await;
    let own = world.send(&alice, &alice, "own").await;

    let list = async |user: &_, with: Option<&_>| {
        let permit = access::may_list(&world.anybody(), Some(Clone::clone(user)), with.cloned());
        world.list(&permit.expect("open mode")).await
    };
    assert_eq!(list(&alice, None).await, json(&[one.clone(), two.clone(), three.clone(), own.clone()]));
    assert_eq!(list(&bob, None).await, json(&[one.clone(), two.clone()]));
    assert_eq!(list(&alice, Some(&bob)).await, json(&[one.clone(), two.clone()]));
    assert_eq!(list(&bob, Some(&alice)).await, json(&[one, two]));
    assert_eq!(list(&carol, Some(&alice)).await, json(std::slice::from_ref(&three)));
    assert_eq!(list(&alice, Some(&alice)).await, json(&[own]));
    assert_eq!(list(&bob, Some(&carol)).await, [] as [String; 0]);

    let everything = access::may_list(&world.anybody(), None, None).expect("open mode");
    let after = Paging::After(id(&three));
    let newer = world.page(&everything, after, 1000).await.messages;
    assert!(newer.iter().any(|json| json.contains(alice.as_str())), "{newer:?}");
    // A user that the platform has authenticated gets that user's own, whatever open mode would allow.
    let hers = access::may_list(&vouched_for(&carol), None, None).expect("one's own");
    assert_eq!(world.list(&hers).await, json(&[three]));
}

#[rstest]
#[tokio::test]
async fn everything_is_indexed_in_open_mode_only(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let closed = world.closed_store().await;
    let (message, _) = send_with(&closed, &vouched_for(&alice), &alice, &bob, "hello").await;
    assert_eq!(world.score(keys::TIMELINE, &message.id).await, None);
    assert_eq!(world.score(&keys::timeline(&bob), &message.id).await, Some(0.0));
    let open = world.send(&alice, &bob, "hello").await;
    assert_eq!(world.score(keys::TIMELINE, &open.id).await, Some(0.0));
}

#[tokio::test]
async fn an_index_entry_without_a_message_is_skipped() {
    let world = World::open(SecureCluster).await;
    let (hers, sent) = send_several(&world, 3).await;
    let MayList::User(alice) = &hers else { unreachable!() };
    // A send that died after its first step leaves none; a failover may.
    let lost = MessageId::generate().to_string();
    let _: () = world.raw(&Cmd::zadd(keys::timeline(alice), &lost, 0)).await;
    assert_eq!(world.list(&hers).await, json(&sent));
    // A delete that died after its first step leaves its entries.
    let tombstone = shared::message::Tombstone::of(&sent[1], std::time::SystemTime::now().into());
    let _: () = world.raw(&Cmd::set(keys::message(&sent[1]), tombstone.to_json())).await;
    assert_eq!(world.list(&hers).await, json(&[sent[0].clone(), sent[2].clone()]));
}

#[tokio::test]
async fn a_page_without_any_message_still_leads_on() {
    let world = World::open(SecureCluster).await;
    let (hers, sent) = send_several(&world, 2).await;
    let MayList::User(alice) = &hers else { unreachable!() };
    for _ in 0..3 {
        let lost = MessageId::generate().to_string();
        let _: () = world.raw(&Cmd::zadd(keys::timeline(alice), &lost, 0)).await;
    }
    let newest = world.page(&hers, Paging::Before(None), 3).await;
    assert_eq!(newest.messages, [] as [String; 0]);
    let older = world.page(&hers, Paging::Before(cursor(&newest)), 3).await;
    assert!(newest.more.is_some());
    assert_eq!(older, Page { messages: json(&sent), more: None });
}

#[tokio::test]
async fn a_page_stays_below_five_megabytes_as_escaped() {
    let world = World::open(SecureCluster).await;
    let (alice, bob) = (user("alice"), user("bob"));
    // One byte of content each, that grow to four and to seven when escaped twice.
    let contents = ["\"".repeat(CONTENT_BYTES), "\u{1}".repeat(CONTENT_BYTES)];
    let anybody = world.anybody();
    let mut sent = Vec::new();
    for _ in 0..7 {
        let sending =
            (0..10).map(|turn| send_with(&world.store, &anybody, &alice, &bob, &contents[turn % 2]));
        sent.extend(join_all(sending).await.into_iter().map(|(message, _)| message));
    }
    sent.sort_by(|one, other| one.id.cmp(&other.id));
    let hers = MayList::User(alice);

    let newest = world.page(&hers, Paging::Before(None), 1000).await;
    let size =
        |page: &Page| serde_json::to_string(&format!("[{}]", page.messages.join(","))).map(|text| text.len());
    let bytes = size(&newest).expect("a string");
    assert!((PAGE_BYTES - 200_000..=PAGE_BYTES + 4).contains(&bytes), "{bytes}");
    let older = world.page(&hers, Paging::Before(cursor(&newest)), 1000).await;
    assert_eq!([older.messages, newest.messages].concat(), json(&sent));
    assert_eq!(older.more, None);

    let oldest = world
        .page(
            &hers,
            Paging::After(MessageId::parse("00000000-0000-0000-0000-000000000000").expect("a UUID")),
            1000,
        )
        .await;
    assert!(size(&oldest).expect("a string") <= PAGE_BYTES + 4);
    let rest = world.page(&hers, Paging::After(cursor(&oldest).expect("there is more")), 1000).await;
    assert_eq!([oldest.messages, rest.messages].concat(), json(&sent));
}
