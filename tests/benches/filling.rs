//! Fills a store with messages through the code that functions store them with.

use futures_util::{StreamExt as _, stream};
use lambda_http::Body;
use lambda_http::http::Request;
use shared::access;
use shared::config::Config;
use shared::identity::Principal;
use shared::ids::UserKey;
use shared::message::{ClientId, Content, Draft};
use shared::store::Store;

/// A message's length in figures that are to be compared.
const CONTENT: &str = "What time shall we meet tomorrow? I can be there at nine, or later if that is easier for you and your team.";

/// Creates that run at once.
const CONCURRENCY: usize = 64;

/// The store at this URL as a deployed function opens it: without the index of all messages that open mode keeps.
pub(crate) async fn open(url: &str) -> Store {
    Store::open(&config(url, false)).await.unwrap()
}

/// Stores messages between the two users of each pair, as many for each pair.
pub(crate) async fn fill(store: &Store, pairs: impl IntoIterator<Item = (UserKey, UserKey)>, each: usize) {
    let pairs: Vec<_> = pairs.into_iter().collect();
    send(store, turns(&pairs, each)).await;
}

/// The two users of each pair write in turns, and conversations fill up beside each other.
pub(crate) fn turns(pairs: &[(UserKey, UserKey)], each: usize) -> impl Iterator<Item = (&UserKey, &UserKey)> {
    (0..each).flat_map(move |turn| {
        pairs.iter().map(move |(one, other)| if turn % 2 == 0 { (one, other) } else { (other, one) })
    })
}

/// Stores a message for each of these senders and receivers.
pub(crate) async fn send<'a>(store: &Store, sends: impl IntoIterator<Item = (&'a UserKey, &'a UserKey)>) {
    send_named(store, sends, || None).await;
}

/// The same under names by which the sends can be repeated.
pub(crate) async fn send_named<'a>(
    store: &Store,
    sends: impl IntoIterator<Item = (&'a UserKey, &'a UserKey)>,
    name: impl Fn() -> Option<ClientId>,
) {
    assert_eq!(CONTENT.len(), 107);
    let anybody = anybody();
    let creates = stream::iter(sends).map(|(sender, receiver)| {
        let content = Content::parse(Some(CONTENT.to_owned()), "required").unwrap();
        let draft = Draft { content, client_id: name(), metadata: None };
        let permit = access::may_send(&anybody, Some(sender.clone()), receiver.clone(), draft).unwrap();
        store.create(permit)
    });
    creates.buffer_unordered(CONCURRENCY).for_each(async |sent| assert!(!sent.unwrap().replayed)).await;
}

/// Somebody who may send and list in any name.
pub(crate) fn anybody() -> Principal {
    Principal::from_request(&Request::new(Body::Empty), &config("redis://localhost", true)).unwrap()
}

pub(crate) fn user(name: impl Into<String>) -> UserKey {
    UserKey::try_from(name.into()).unwrap()
}

/// The settings of a function on the store at this URL.
pub(crate) fn config(url: &str, open: bool) -> Config {
    let setting = |name: &str| {
        let value = match name {
            "REDIS_URL" => url,
            "MANAGEMENT_ENDPOINT" => "http://localhost",
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "bench",
            "ALLOW_ANONYMOUS" if open => "true",
            // A filler goes as fast as it can.
            "MESSAGES_PER_SECOND" | "REGISTERS_PER_MINUTE" | "FRAMES_PER_SECOND" => "0",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Config::read(setting).unwrap()
}
