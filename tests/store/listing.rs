//! Listings: which messages, in which order, page by page.

use futures_util::future::join_all;
use redis::Cmd;
use rstest::rstest;
use shared::access::{self, MayList};
use shared::ids::{MessageId, UserKey};
use shared::message::{CONTENT_BYTES, Message};
use shared::store::{Page, Paging};
use support::StoreKind::{self, Cluster, SecureCluster, Single};

use crate::world::{World, draft, id, id_at, keys, now_ms, send_with, user, user_called, vouched_for};

/// Most bytes of a page, as escaped into a function's answer.
const PAGE_BYTES: usize = 5_000_000;

/// Bytes of the largest message of control characters, as escaped into an answer, at least.
const LARGEST_ESCAPED: usize = 7 * CONTENT_BYTES;

async fn send_several(world: &World, count: usize) -> (MayList, Vec<Message>) {
    let (alice, bob) = (user("alice"), user("bob"));
    let mut sent = Vec::new();
    for turn in 0..count {
        sent.push(world.send(&alice, &bob, &turn.to_string()).await);
    }
    sent.sort_by(|one, other| one.id.cmp(&other.id));
    (MayList::User(alice), sent)
}

/// In the order of ids, which within a millisecond is any.
fn json(messages: &[Message]) -> Vec<String> {
    let mut messages: Vec<_> = messages.iter().collect();
    messages.sort_by(|one, other| one.id.cmp(&other.id));
    messages.into_iter().map(Message::to_json).collect()
}

/// The whole listing, read in pages of so many from the newest on; also returns the pages' sizes.
async fn backward(world: &World, permit: &MayList, limit: usize) -> (Vec<String>, Vec<usize>) {
    let (mut read, mut sizes, mut paging) = (Vec::new(), Vec::new(), Paging::Before(None));
    loop {
        let page = world.page(permit, paging, limit).await;
        sizes.push(page.messages.len());
        read.splice(..0, page.messages);
        let Some(id) = page.more else { return (read, sizes) };
        paging = Paging::Before(Some(id));
    }
}

/// The same from an id on.
async fn forward(
    world: &World,
    permit: &MayList,
    mut after: MessageId,
    limit: usize,
) -> (Vec<String>, Vec<usize>) {
    let (mut read, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = world.page(permit, Paging::After(after), limit).await;
        sizes.push(page.messages.len());
        read.extend(page.messages);
        let Some(id) = page.more else { return (read, sizes) };
        after = id;
    }
}

fn lowest() -> MessageId {
    MessageId::parse("00000000-0000-0000-0000-000000000000").expect("a UUID")
}

#[rstest]
#[tokio::test]
async fn the_newest_come_in_ascending_order(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (hers, sent) = send_several(&world, 7).await;
    assert_eq!(world.list(&hers).await, json(&sent));
    let page = world.page(&hers, Paging::Before(None), 3).await;
    assert_eq!(page, Page { messages: json(&sent[4..]), more: Some(id(&sent[4])) });
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
    assert_eq!(backward(&world, &hers, 3).await, (json(&sent), vec![3, 3, 1]));
}

#[rstest]
#[tokio::test]
async fn pages_forward_meet_without_gap_or_overlap(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (hers, sent) = send_several(&world, 8).await;
    assert_eq!(forward(&world, &hers, id(&sent[0]), 3).await, (json(&sent[1..]), vec![3, 3, 1]));
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
    let lowest = lowest();
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
    let start = MessageId::lowest_at(id(&one).created_at().expect("a time"));
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
    let newer = world.page(&everything, Paging::After(start), 1000).await.messages;
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
    assert_eq!(world.score(keys::ALL, &id(&message).short()).await, None);
    assert_eq!(world.score(&keys::all(&bob), &id(&message).short()).await, Some(0.0));
    let open = world.send(&alice, &bob, "hello").await;
    assert_eq!(world.score(keys::ALL, &id(&open).short()).await, Some(0.0));
}

/// Leaves entries behind at both ends of a user's index and between its messages, `each` at every place, as deletes and
/// sends do that died, or a failover.
async fn leave_behind(world: &World, hers: &MayList, sent: &[Message], each: usize) {
    let MayList::User(alice) = hers else { unreachable!() };
    let bob = &sent[0].receiver_id;
    let mut times: Vec<_> = sent.iter().map(|message| id(message).created_at().expect("a time")).collect();
    times.insert(0, times[0]);
    for (place, time) in times.iter().enumerate() {
        for turn in 0..each {
            let id = id_at(alice, bob, time.timestamp_millis() + i64::from(place > 0) * 2 - 1);
            for index in [keys::all(alice), keys::to(alice, bob), keys::from(bob, alice)] {
                let _: () = world.raw(&Cmd::zadd(index, id.short(), 0)).await;
            }
            if turn % 2 == 1 {
                let tombstone = r#"{"deleted_at":"2026-01-02T03:04:05.678Z"}"#;
                let _: () = world.raw(&Cmd::set_ex(keys::key_of(id), tombstone, 60)).await;
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn no_page_is_short_because_of_what_is_left_over(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let mut sent = Vec::new();
    for age in (1..=7).rev() {
        sent.push(world.send_under(&alice, &bob, id_at(&alice, &bob, now_ms() - age * 10)).await);
    }
    let hers = MayList::User(alice.clone());
    leave_behind(&world, &hers, &sent, 5).await;
    for permit in
        [&hers, &MayList::Conversation(alice.clone(), bob.clone()), &MayList::Conversation(bob, alice)]
    {
        for limit in [1, 2, 3, 7, 8] {
            for (read, sizes) in
                [backward(&world, permit, limit).await, forward(&world, permit, lowest(), limit).await]
            {
                assert_eq!(read, json(&sent), "by {limit}");
                let (last, whole) = sizes.split_last().expect("a page");
                assert!(whole.iter().all(|size| *size == limit) && *last <= limit, "{sizes:?} by {limit}");
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_listing_of_nothing_but_what_is_left_over_is_empty(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (hers, sent) = send_several(&world, 1).await;
    leave_behind(&world, &hers, &sent, 20).await;
    world.delete(&sent[0]).await;
    for paging in [Paging::Before(None), Paging::After(lowest())] {
        assert_eq!(world.page(&hers, paging, 3).await, Page { messages: Vec::new(), more: None });
    }
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
    let older = world.page(&hers, Paging::Before(newest.more), 1000).await;
    assert_eq!([older.messages, newest.messages].concat(), json(&sent));
    assert_eq!(older.more, None);

    let oldest = world.page(&hers, Paging::After(lowest()), 1000).await;
    assert!(size(&oldest).expect("a string") <= PAGE_BYTES + 4);
    let rest = world.page(&hers, Paging::After(oldest.more.expect("there is more")), 1000).await;
    assert_eq!([oldest.messages, rest.messages].concat(), json(&sent));
}

/// Fills a conversation with messages as large as can be, each from a peer of its own if it is to be many
/// conversations, and returns them.
async fn fill_with_the_largest(world: &World, alice: &UserKey, count: usize, peers: bool) -> Vec<MessageId> {
    let text = "\u{1}".repeat(CONTENT_BYTES);
    let mut ids = Vec::new();
    for turn in 0..count {
        let bob = if peers { user(&format!("peer-{turn}")) } else { user_called("peer") };
        let id = id_at(&bob, alice, now_ms() - i64::try_from(turn).expect("a small number"));
        let message = Message::compose(id, bob, alice.clone(), draft(&text));
        let _: () = world.raw(&Cmd::set_ex(keys::key_of(id), message.to_json(), 60)).await;
        ids.push(id);
    }
    let members: Vec<_> = ids.iter().map(|id| (0, id.short())).collect();
    let _: () = world.raw(&Cmd::zadd_multiple(keys::all(alice), &members)).await;
    ids.sort();
    ids
}

/// A victim's inbox of a thousand messages of 98 KB: all of it must not be fetched for the few that fit a page.
#[rstest]
#[tokio::test]
async fn the_worst_page_is_read_in_parts(
    #[values(Single, Cluster)] kind: StoreKind,
    #[values(false, true)] peers: bool,
) {
    let (world, servers) = World::apart(kind).await;
    let alice = user("alice");
    let ids = fill_with_the_largest(&world, &alice, 300, peers).await;
    let before = servers.sent_bytes().await;
    let page = world.page(&MayList::User(alice), Paging::Before(None), 1000).await;
    let bytes = servers.sent_bytes().await - before;
    assert_eq!(page.messages.len(), PAGE_BYTES / LARGEST_ESCAPED);
    assert_eq!(page.more, Some(ids[ids.len() - page.messages.len()]));
    assert!(bytes < 17_000_000, "{bytes}");
}
