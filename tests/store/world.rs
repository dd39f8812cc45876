//! A store as a function opens it, its users, and raw access to the servers behind it.

pub(crate) mod keys;
mod settings;

use chrono::DateTime;
use lambda_http::http::Request;
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, FromRedisValue};
use shared::access::{self, MayChange, MayList};
use shared::config::Config;
use shared::error::Error;
use shared::identity::Principal;
use shared::ids::{ConnectionId, MessageId, UserKey};
use shared::message::{ClientId, Content, Draft, Message, Metadata, MetadataChange};
use shared::store::{Connection, Deletion, Feed, Page, Paging, Registration, Sent, Store};
use support::{StoreKind, TestStore};
use uuid::Uuid;

use settings::config_keeping;
pub(crate) use settings::{config, vouched_for};

/// How long a connection may live in these tests, and how much longer its records may stay, in seconds.
pub(crate) const LIFETIME: i64 = 7200;
pub(crate) const MARGIN: i64 = 600;

/// A store and a raw client of the test's own, on servers that all tests share.
pub(crate) struct World {
    pub(crate) store: Store,
    config: Config,
    /// The same without open mode.
    closed: Config,
    raw: Raw,
}

#[derive(Clone)]
enum Raw {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl World {
    /// As a function is that runs in open mode.
    pub(crate) async fn open(kind: StoreKind) -> Self {
        Self::keeping(kind, 0).await
    }

    /// The same where messages are kept for so many days; for ever with 0.
    pub(crate) async fn keeping(kind: StoreKind, days: u16) -> Self {
        Self::on(TestStore::shared(kind), days).await
    }

    /// On servers of the test's own.
    pub(crate) async fn apart(kind: StoreKind) -> (Self, TestStore) {
        let servers = TestStore::start(kind).await;
        (Self::on(&servers, 0).await, servers)
    }

    async fn on(servers: &TestStore, days: u16) -> Self {
        let config = config_keeping(servers.url(), servers.authority(), true, days);
        let store = Store::open(&config).await.expect("a good URL");
        let raw = if servers.is_clustered() {
            let mut client = redis::cluster::ClusterClientBuilder::new([servers.admin_url()]);
            if servers.authority().is_some() {
                client = client.certs(servers.certificates());
            }
            let client = client.build().expect("a good URL");
            Raw::Cluster(client.get_async_connection().await.expect("the cluster answers"))
        } else {
            let client = redis::Client::open(servers.admin_url()).expect("a good URL");
            Raw::Single(client.get_multiplexed_async_connection().await.expect("the server answers"))
        };
        let closed = config_keeping(servers.url(), servers.authority(), false, days);
        Self { store, config, closed, raw }
    }

    /// Another function's store, with a connection of its own.
    pub(crate) async fn another_store(&self) -> Store {
        Store::open(&self.config).await.expect("a good URL")
    }

    /// The store of a function that is not in open mode.
    pub(crate) async fn closed_store(&self) -> Store {
        Store::open(&self.closed).await.expect("a good URL")
    }

    /// Asks the servers past the store. The command must have one key.
    pub(crate) async fn raw<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let result = match self.raw.clone() {
            Raw::Single(mut connection) => command.query_async(&mut connection).await,
            Raw::Cluster(mut connection) => command.query_async(&mut connection).await,
        };
        result.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Everything in a sorted set, in its order.
    pub(crate) async fn members(&self, key: &str) -> Vec<String> {
        self.raw(&Cmd::zrange(key, 0, -1)).await
    }

    /// Whether a key is there.
    pub(crate) async fn exists(&self, key: &str) -> bool {
        self.raw(&Cmd::exists(key)).await
    }

    /// A user's event log, the oldest first.
    pub(crate) async fn log(&self, user: &UserKey) -> Vec<Logged> {
        let entries: Vec<String> = self.raw(&Cmd::lrange(keys::events(user), 0, -1)).await;
        entries.iter().map(|entry| Logged::parse(entry)).collect()
    }

    /// The changes of messages in a user's log: `c` for a new one, `u` for an edit, `d` for a delete.
    pub(crate) async fn changes(&self, user: &UserKey) -> String {
        self.log(user).await.into_iter().map(|logged| logged.change).collect()
    }

    /// The record under a message's id.
    pub(crate) async fn stored(&self, message: &Message) -> Option<String> {
        self.raw(&Cmd::get(keys::message(message))).await
    }

    /// The score of a sorted set's member.
    pub(crate) async fn score(&self, key: &str, member: &str) -> Option<f64> {
        self.raw(&Cmd::zscore(key, member)).await
    }

    /// Seconds until a key expires; `-1` for one that stays, `-2` for one that is not there.
    pub(crate) async fn seconds_left(&self, key: &str) -> i64 {
        self.raw(&Cmd::ttl(key)).await
    }

    /// Anybody, whom open mode takes at their word.
    pub(crate) fn anybody(&self) -> Principal {
        let request = Request::new(lambda_http::Body::Empty);
        Principal::from_request(&request, &self.config).expect("open mode")
    }

    pub(crate) async fn send(&self, sender: &UserKey, receiver: &UserKey, content: &str) -> Message {
        self.send_and_tell(sender, receiver, content).await.0
    }

    /// Sends a message; also returns the feeds of the users to notify.
    pub(crate) async fn send_and_tell(
        &self,
        sender: &UserKey,
        receiver: &UserKey,
        content: &str,
    ) -> (Message, Vec<Feed>) {
        send_with(&self.store, &self.anybody(), sender, receiver, content).await
    }

    /// Sends a draft, under a name of the sender's if it has one.
    pub(crate) async fn try_send(
        &self,
        sender: &UserKey,
        receiver: &UserKey,
        draft: Draft,
    ) -> Result<Sent, Error> {
        try_send_with(&self.store, &self.anybody(), sender, receiver, draft).await
    }

    pub(crate) async fn permit(&self, message: &Message) -> MayChange {
        let stored = self.store.message(id(message)).await.expect("the store answers").expect("it is stored");
        access::may_change(&self.anybody(), id(message), stored).expect("open mode")
    }

    /// Edits a message; `None` if it was deleted.
    pub(crate) async fn edit(&self, message: &Message, text: &str) -> Option<(Message, Vec<Feed>)> {
        let permit = self.permit(message).await;
        self.store.update(permit, content(text), MetadataChange::Keep).await.expect("the store answers")
    }

    /// Deletes a message; returns whether it was gone before, and the feeds of the users to notify.
    pub(crate) async fn delete(&self, message: &Message) -> (bool, Vec<Feed>) {
        let deletion = self.store.delete(self.permit(message).await).await;
        let Deletion { before, feeds } = deletion.expect("the store answers");
        (before, feeds)
    }

    /// Makes the store believe that it is asked to complete the send of a draft under this id.
    pub(crate) async fn claim(&self, sender: &UserKey, receiver: &UserKey, draft: &Draft, id: MessageId) {
        let client_id = draft.client_id.as_ref().expect("a name to claim");
        let value = format!("{} {}", id.short(), hash(receiver, draft));
        let _: () = self.raw(&Cmd::set_ex(keys::claim(sender, client_id.as_str()), value, 60)).await;
    }

    /// Sends a message under an id of the test's making.
    pub(crate) async fn send_under(&self, sender: &UserKey, receiver: &UserKey, id: MessageId) -> Message {
        let draft = draft_as(&Uuid::now_v7().to_string(), "hello");
        self.claim(sender, receiver, &draft, id).await;
        let sent = self.try_send(sender, receiver, draft).await.expect("the store answers");
        assert!(sent.replayed && sent.message.id == id.to_string(), "{sent:?}");
        sent.message
    }

    pub(crate) async fn page(&self, permit: &MayList, paging: Paging, limit: usize) -> Page {
        self.store.list(permit, paging, limit).await.expect("the store answers")
    }

    /// The newest thousand messages.
    pub(crate) async fn list(&self, permit: &MayList) -> Vec<String> {
        self.page(permit, Paging::Before(None), 1000).await.messages
    }

    /// Registers a connection by a request of the present; returns those beyond the most that a user may have.
    pub(crate) async fn register(&self, connection: &ConnectionId, user: &UserKey) -> Vec<ConnectionId> {
        register_with(&self.store, connection, user).await
    }

    /// The ids of a user's connections.
    pub(crate) async fn connections(&self, user: &UserKey) -> Vec<String> {
        let found = self.store.connections(user, &connection("nobody")).await.expect("the store answers");
        ids(&found)
    }

    pub(crate) async fn speaker(&self, connection: &ConnectionId) -> Option<UserKey> {
        self.store.speaker(connection).await.expect("the store answers")
    }

    /// Forgets a connection, as its end does.
    pub(crate) async fn disconnect(&self, connection: &ConnectionId) {
        let departure = self.store.departure(connection).await.expect("the store answers");
        self.store.forget(departure.user.as_ref(), connection).await.expect("the store answers");
    }
}

pub(crate) async fn send_with(
    store: &Store,
    principal: &Principal,
    sender: &UserKey,
    receiver: &UserKey,
    text: &str,
) -> (Message, Vec<Feed>) {
    let sent = try_send_with(store, principal, sender, receiver, draft(text)).await;
    let sent = sent.expect("the store answers");
    (sent.message, sent.feeds)
}

pub(crate) async fn try_send_with(
    store: &Store,
    principal: &Principal,
    sender: &UserKey,
    receiver: &UserKey,
    draft: Draft,
) -> Result<Sent, Error> {
    let permit = access::may_send(principal, Some(sender.clone()), receiver.clone(), draft);
    store.create(permit.expect("one's own name")).await
}

pub(crate) fn draft(text: &str) -> Draft {
    Draft { content: content(text), client_id: None, metadata: None }
}

/// A draft under a sender's name.
pub(crate) fn draft_as(client_id: &str, text: &str) -> Draft {
    Draft { client_id: Some(ClientId::parse(client_id.to_owned()).expect("a valid name")), ..draft(text) }
}

pub(crate) fn metadata(text: &str) -> Metadata {
    let raw = serde_json::value::RawValue::from_string(text.to_owned()).expect("JSON");
    Metadata::parse(&raw).expect("valid metadata")
}

/// The hash that a claim notes of what was sent.
fn hash(receiver: &UserKey, draft: &Draft) -> String {
    let metadata = draft.metadata.as_ref().map_or("", Metadata::as_str);
    let sent = format!("{}\0{metadata}\0{}", receiver.as_str(), draft.content.as_str());
    let digest = ring::digest::digest(&ring::digest::SHA256, sent.as_bytes());
    digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An entry of an event log.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) event_id: String,
    pub(crate) number: u64,
    pub(crate) tag: String,
    pub(crate) change: String,
    pub(crate) message: MessageId,
}

impl Logged {
    fn parse(entry: &str) -> Self {
        let parts: Vec<_> = entry.split(' ').collect();
        let [event_id, change, message] = parts[..] else { panic!("three words, not {entry}") };
        let (number, tag) = event_id.split_once('-').expect("<n>-<tag>");
        Self {
            event_id: event_id.to_owned(),
            number: number.parse().expect("a number"),
            tag: tag.to_owned(),
            change: change.to_owned(),
            message: MessageId::parse_short(message).expect("a short id"),
        }
    }
}

pub(crate) async fn register_with(
    store: &Store,
    connection: &ConnectionId,
    user: &UserKey,
) -> Vec<ConnectionId> {
    register_at(store, connection, user, now_ms()).await.oldest
}

pub(crate) async fn register_at(
    store: &Store,
    connection: &ConnectionId,
    user: &UserKey,
    at_ms: i64,
) -> Registration {
    store.register(connection, user, false, at_ms).await.expect("the store answers")
}

/// Somebody nobody knows yet.
pub(crate) fn user(name: &str) -> UserKey {
    user_called(&format!("{name}-{}", Uuid::now_v7()))
}

/// Somebody with exactly this key.
pub(crate) fn user_called(key: &str) -> UserKey {
    UserKey::try_from(key.to_owned()).expect("a valid key")
}

/// A connection nobody has seen yet.
pub(crate) fn connection(name: &str) -> ConnectionId {
    ConnectionId::from_platform(format!("{name}-{}=", Uuid::now_v7().simple()))
}

pub(crate) fn content(text: &str) -> Content {
    Content::parse(Some(text.to_owned()), "required").expect("valid content")
}

/// An id of a message between two users, made at this time.
pub(crate) fn id_at(one: &UserKey, other: &UserKey, ms: i64) -> MessageId {
    let time = DateTime::from_timestamp_millis(ms).expect("a near time");
    MessageId::generate(one, other, time).expect("randomness")
}

pub(crate) fn id(message: &Message) -> MessageId {
    MessageId::parse(&message.id).expect("a message's id")
}

pub(crate) fn ids(connections: &[Connection]) -> Vec<String> {
    connections.iter().map(|connection| connection.id.as_str().to_owned()).collect()
}

/// The users of feeds, sorted.
pub(crate) fn told_users(feeds: &[Feed]) -> Vec<&UserKey> {
    let mut users: Vec<_> = feeds.iter().map(|feed| &feed.user).collect();
    users.sort();
    users
}

/// Fails unless every index has a message, or none has.
pub(crate) async fn assert_indexed(world: &World, message: &Message, expected: bool) {
    let (sender, receiver) = (&message.sender_id, &message.receiver_id);
    let indexes = [
        keys::all(sender),
        keys::all(receiver),
        keys::to(sender, receiver),
        // One's messages to oneself are among those sent.
        if sender == receiver { keys::to(sender, receiver) } else { keys::from(receiver, sender) },
        keys::ALL.to_owned(),
    ];
    for index in indexes {
        let score = world.score(&index, &id(message).short()).await;
        assert_eq!(score, expected.then_some(0.0), "{index}");
    }
}

pub(crate) fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

/// The present, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let elapsed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is past 1970");
    i64::try_from(elapsed.as_millis()).expect("a near time")
}
