//! The operations that are measured, as the functions carry them out on the store; pushes are measured elsewhere.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join;
use shared::access;
use shared::app::PushingApp;
use shared::call::Sender;
use shared::call_manager::Incoming;
use shared::error::FrameError;
use shared::identity::Principal;
use shared::ids::{ConnectionId, MessageId, UserKey};
use shared::message::{ClientId, Content, Draft, MetadataChange};
use shared::protocol::client::{ClientFrame, parse};
use shared::push::Deadline;
use shared::store::{EventId, Follow, Paging};
use uuid::Uuid;

use crate::filling::{anybody, user};

/// No more than the smallest size has: a page that is not full is no measure for one that is.
const PAGE: usize = 10;

/// Rounds that a catch-up is behind: more than a page, as each logs three events.
const ROUNDS_BEHIND: usize = 5;

/// The operations of one round, in its order.
pub(crate) const OPERATIONS: [&str; 14] = [
    "create, repeatable",
    "read one",
    "page of a conversation",
    "page of all",
    "edit",
    "events since, a page",
    "conversations, a page",
    "mark as read",
    "delete",
    "register",
    "who is connected (typing)",
    "offer",
    "end of a call",
    "disconnect",
];

/// A reader and a writer in one store, and a third user who has no connection.
pub(crate) struct Scene {
    app: PushingApp,
    anybody: Principal,
    writer: UserKey,
    reader: UserKey,
    absent: UserKey,
    positions: VecDeque<String>,
}

/// Stops a clock at each operation.
pub(crate) struct Clock<F> {
    on_end: F,
    place: usize,
}

impl<F: FnMut(usize, Duration)> Clock<F> {
    pub(crate) fn new(on_end: F) -> Self {
        Self { on_end, place: 0 }
    }

    async fn time<T>(&mut self, operation: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let outcome = operation.await;
        (self.on_end)(self.place, started.elapsed());
        self.place += 1;
        outcome
    }
}

impl Scene {
    pub(crate) fn new(app: PushingApp, writer: UserKey, reader: UserKey) -> Self {
        let absent = user(format!("absent-{}", Uuid::new_v4()));
        Self { app, anybody: anybody(), writer, reader, absent, positions: VecDeque::new() }
    }

    /// Does each operation once. The store holds as many messages and connections after it as before.
    pub(crate) async fn round(&mut self, clock: &mut Clock<impl FnMut(usize, Duration)>) {
        clock.place = 0;
        self.messages(clock).await;
        self.connection(clock).await;
    }

    async fn messages(&mut self, clock: &mut Clock<impl FnMut(usize, Duration)>) {
        let (store, anybody) = (&self.app.store, &self.anybody);
        let (writer, reader) = (Some(self.writer.clone()), Some(self.reader.clone()));
        let content = || Content::parse(Some("See you at nine".to_owned()), "required").unwrap();
        let client_id = Some(ClientId::parse(Uuid::new_v4().to_string()).unwrap());
        let draft = Draft { content: content(), client_id, metadata: None };
        let permit = access::may_send(anybody, writer.clone(), self.reader.clone(), draft).unwrap();
        let sent = clock.time(store.create(permit)).await.unwrap();
        let id = MessageId::parse(&sent.message.id).unwrap();

        let stored = clock.time(store.message(id)).await.unwrap();
        assert!(stored.is_some());
        let conversation = access::may_list(anybody, reader.clone(), writer.clone()).unwrap();
        let page = clock.time(store.list(&conversation, Paging::Before(None), PAGE)).await.unwrap();
        assert!(!page.messages.is_empty());
        let all = access::may_list(anybody, reader.clone(), None).unwrap();
        let page = clock.time(store.list(&all, Paging::Before(None), PAGE)).await.unwrap();
        assert!(!page.messages.is_empty());

        let edit = async {
            let stored = store.message_to_change(id, Some(&self.writer)).await.unwrap().unwrap();
            let permit = access::may_change(anybody, id, stored).unwrap();
            store.update(permit, content(), MetadataChange::Keep).await
        };
        assert!(clock.time(edit).await.unwrap().is_some());

        let feed = sent.feeds.into_iter().find(|feed| feed.user == self.reader).unwrap();
        self.positions.push_back(feed.event_id);
        if self.positions.len() > ROUNDS_BEHIND {
            self.positions.pop_front();
        }
        let own = access::own(anybody, reader).unwrap();
        let since = EventId::parse(&self.positions[0]).unwrap();
        let followed = clock.time(store.follow(&own, Some(&since), PAGE)).await.unwrap();
        assert!(matches!(followed, Follow::Events(_)));

        let listed = clock.time(store.conversations(&own, None, PAGE)).await.unwrap();
        assert!(!listed.conversations.is_empty());
        let marked = clock.time(store.mark_read(&own, &self.writer, id)).await.unwrap();
        assert_eq!(marked.unread, 0);

        let delete = async {
            let stored = store.message_to_change(id, Some(&self.writer)).await.unwrap().unwrap();
            store.delete(access::may_change(anybody, id, stored).unwrap()).await
        };
        assert!(!clock.time(delete).await.unwrap().before);
    }

    /// A connection of the reader's, from its register to its end.
    async fn connection(&mut self, clock: &mut Clock<impl FnMut(usize, Duration)>) {
        let store = &self.app.store;
        let connection = ConnectionId::from_platform(Uuid::new_v4().to_string());
        clock.time(store.register(&connection, &self.reader, false, now_ms())).await.unwrap();
        let typing = async {
            let speaker = store.speaker(&connection).await.unwrap();
            assert_eq!(speaker.as_ref(), Some(&self.reader));
            store.connections(&self.writer, &connection).await
        };
        clock.time(typing).await.unwrap();
        self.call(clock, &connection).await;
        let disconnect = async {
            let departure = store.departure(&connection).await.unwrap();
            let leaving = self.app.calls.leave(&connection, departure.calls, Deadline::start());
            join(store.forget(departure.user.as_ref(), &connection), leaving).await
        };
        clock.time(disconnect).await.0.unwrap();
    }

    /// A call to somebody who is not there, so that nothing is pushed.
    async fn call(&self, clock: &mut Clock<impl FnMut(usize, Duration)>, connection: &ConnectionId) {
        let call = Uuid::new_v4();
        for (kind, rest) in [
            ("offer", r#""data":{"type":"offer","sdp":"v=0\r\na=ice-ufrag:abcd\r\n"}"#),
            ("end_call", r#""reason":"cancelled""#),
        ] {
            let target = self.absent.as_str();
            let frame = format!(r#"{{"type":"{kind}","target":"{target}","call_id":"{call}",{rest}}}"#);
            let (_, Ok(ClientFrame::Signal(signal))) = parse(&frame) else { panic!("{frame} is a signal") };
            let at = u64::try_from(now_ms()).unwrap();
            let from = Sender { connection: connection.clone(), user: self.reader.clone(), at };
            let incoming = Incoming { signal: &signal, from, registered: true };
            let signaled = clock.time(self.app.calls.signal(&incoming, None, Deadline::start())).await;
            match (kind, signaled) {
                ("offer", Err(FrameError::PeerUnavailable { held_for: Some(_) })) | ("end_call", Ok(())) => {}
                (_, other) => panic!("{kind}: {other:?}"),
            }
        }
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
