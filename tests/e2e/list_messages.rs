//! `GET /messages`: what is listed, and page by page.

use rstest::rstest;
use serde_json::Value;
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Message, User, encoded};

async fn post_several(from: &User, to: &User, count: usize) -> Vec<Message> {
    let mut posted = Vec::with_capacity(count);
    for turn in 0..count {
        posted.push(from.post_message(to, &turn.to_string()).await);
    }
    posted
}

fn id(message: &Message) -> &str {
    message["id"].as_str().expect("a message has an id")
}

#[rstest]
#[tokio::test]
async fn everything_is_listed_in_a_bare_array_ascending(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let message = app.user("alice").post_message(&app.user("bob"), "hello").await;
    let reply = app.get("/messages").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    let Value::Array(listed) = reply.json() else { panic!("not an array: {}", reply.text()) };
    assert!(listed.contains(&message));
    assert!(listed.iter().map(id).is_sorted());
}

#[tokio::test]
async fn a_user_without_messages_gets_an_empty_array() {
    let app = App::open().await;
    let reply = app.get(&format!("/messages?user={}", encoded(&app.user("nobody").key))).await;
    assert_eq!((reply.status, reply.text(), reply.header("link")), (200, "[]", ""));
}

#[rstest]
#[tokio::test]
async fn a_users_messages_are_those_sent_and_received(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let first = alice.post_message(&bob, "to bob").await;
    let second = bob.post_message(&alice, "to alice").await;
    let third = carol.post_message(&alice, "from carol").await;
    let fourth = bob.post_message(&carol, "not for alice").await;
    assert_eq!(alice.list_messages().await, [first.clone(), second.clone(), third.clone()]);
    assert_eq!(carol.list_messages().await, [third, fourth]);
    assert_eq!(alice.list_conversation(&bob).await, [first.clone(), second.clone()]);
    assert_eq!(bob.list_conversation(&alice).await, [first, second]);
}

#[tokio::test]
async fn a_conversation_with_oneself_is_one() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let note = alice.post_message(&alice, "note").await;
    alice.post_message(&bob, "hello").await;
    assert_eq!(alice.list_conversation(&alice).await, [note]);
}

#[tokio::test]
async fn a_bad_query_is_refused() {
    let app = App::open().await;
    let id = uuid::Uuid::now_v7();
    let limit = "limit must be a number from 1 to 1000";
    let cursor = "before and after must be message ids";
    let user = "user must be a user key: 1 to 128 bytes, no control characters";
    let with = "with must be a user key: 1 to 128 bytes, no control characters";
    let both = format!("before={id}&after={id}");
    let too_long = format!("user={}", "x".repeat(129));
    let queries = [
        ("limit=0", limit),
        ("limit=1001", limit),
        ("limit=-1", limit),
        ("limit=1.5", limit),
        ("limit=", limit),
        ("limit=ten", limit),
        ("limit=%00", limit),
        ("before=1", cursor),
        ("after=", cursor),
        ("after=undefined", cursor),
        (&both, "before and after exclude each other"),
        ("with=bob", "with needs user"),
        ("user=", user),
        ("user=a%00b", user),
        ("user=a&with=%0A", with),
        (&too_long, user),
    ];
    for (query, sentence) in queries {
        let reply = app.get(&format!("/messages?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        reply.assert_refused(400, "invalid_request", sentence);
    }
}

#[rstest]
#[tokio::test]
async fn going_back_page_by_page_shows_everything_once(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("al&ice>"), app.user("b😀b"));
    let posted = post_several(&alice, &bob, 7).await;
    let query = format!("user={}&with={}&limit=3", encoded(&alice.key), encoded(&bob.key));
    let mut path = format!("/messages?{query}");
    let (mut pages, mut relations) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let reply = app.get(&path).await;
        let Value::Array(page) = reply.json() else { panic!("{}", reply.text()) };
        pages.push(page);
        let Some((target, relation)) = parse_link(reply.header("link")) else { break };
        relations.push(relation);
        path = target;
    }
    assert_eq!(pages, [&posted[4..7], &posted[1..4], &posted[..1]]);
    assert_eq!(relations, ["prev", "prev"]);
}

#[tokio::test]
async fn going_forward_page_by_page_shows_everything_once() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let posted = post_several(&alice, &bob, 5).await;
    let before_all = "00000000-0000-0000-0000-000000000000";
    let mut path = format!("/messages?user={}&limit=2&after={before_all}", encoded(&alice.key));
    let mut pages = Vec::new();
    for _ in 0..5 {
        let reply = app.get(&path).await;
        pages.push(reply.json());
        let Some((target, relation)) = parse_link(reply.header("link")) else { break };
        assert_eq!(relation, "next");
        path = target;
    }
    let expected = [&posted[..2], &posted[2..4], &posted[4..]].map(|page| Value::from(page.to_vec()));
    assert_eq!(pages, expected);
}

#[tokio::test]
async fn a_cursor_is_a_position_and_need_not_exist() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let posted = post_several(&alice, &bob, 3).await;
    let user = encoded(&alice.key);
    alice.delete_message(&posted[1]).await;
    let before = app.list(&format!("user={user}&before={}", id(&posted[1]))).await;
    let after = app.list(&format!("user={user}&after={}", id(&posted[1]))).await;
    assert_eq!((before.as_slice(), after.as_slice()), (&posted[..1], &posted[2..]));
}

#[tokio::test]
async fn a_page_is_never_larger_than_a_function_may_answer() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let posted = alice.post_largest_messages(&bob, 60).await;
    let mut path = format!("/messages?user={}", encoded(&alice.key));
    let mut seen = Vec::new();
    for _ in 0..10 {
        let reply = app.get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let Value::Array(page) = reply.json() else { panic!("not an array") };
        assert!(!page.is_empty());
        seen.splice(0..0, page);
        let Some((target, _)) = parse_link(reply.header("link")) else { break };
        path = target;
    }
    assert_eq!(seen.len(), posted.len());
    assert!(seen == posted, "pages overlap or miss something");
}

/// The target and relation of a `Link` header, relative to this server.
fn parse_link(header: &str) -> Option<(String, String)> {
    let (target, relation) = header.strip_prefix('<')?.split_once(">; rel=\"")?;
    Some((target.to_owned(), relation.strip_suffix('"')?.to_owned()))
}
