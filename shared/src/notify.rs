//! Telling users what is new: notifications, and frames for single connections. Connections found gone are forgotten.

use futures_util::future::join;

use crate::call_manager::CallManager;
use crate::ids::{ConnectionId, MessageId, UserKey};
use crate::protocol::server::{DeletedMessage, Notification, Read, ReadData, to_json};
use crate::push::{Deadline, Delivery, Push, Pusher};
use crate::store::{Connection, Feed};

/// Pushes frames; cheap to clone.
#[derive(Clone, Debug)]
pub struct Notifier {
    pusher: Pusher,
    calls: CallManager,
}

impl Notifier {
    /// Pushes through this client.
    pub(crate) fn new(pusher: Pusher, calls: CallManager) -> Self {
        Self { pusher, calls }
    }

    /// Tells every connection of these feeds of a new message, by its JSON. Never fails: a client that is missed finds
    /// the event in its log.
    pub async fn created(&self, message: &str, feeds: Vec<Feed>) {
        let Ok(data) = serde_json::from_str(message) else { return };
        self.notify(feeds, |event_id| to_json(&Notification::NewMessage { data, event_id })).await;
    }

    /// Tells every connection of these feeds of an edited message, by its JSON. Never fails, like [`Notifier::created`].
    pub async fn updated(&self, message: &str, feeds: Vec<Feed>) {
        let Ok(data) = serde_json::from_str(message) else { return };
        self.notify(feeds, |event_id| to_json(&Notification::UpdateMessage { data, event_id })).await;
    }

    /// Tells every connection of these feeds of a deleted message. Never fails, like [`Notifier::created`].
    pub async fn deleted(&self, id: MessageId, feeds: Vec<Feed>) {
        self.erased(vec![(id, feeds)]).await;
    }

    /// Tells every connection of these feeds of several deleted messages. Never fails, like [`Notifier::created`].
    pub async fn erased(&self, deleted: Vec<(MessageId, Vec<Feed>)>) {
        let told = deleted.into_iter().flat_map(|(id, feeds)| {
            let id = id.to_string();
            feeds.into_iter().map(move |Feed { user, event_id, connections }| {
                let (data, event_id) = (DeletedMessage { id: &id }, event_id.as_str());
                (user, connections, to_json(&Notification::DeleteMessage { data, event_id }))
            })
        });
        self.tell(told).await;
    }

    /// Tells both users of a conversation how far one of them has read.
    pub async fn read(
        &self,
        reader: &UserKey,
        with: &UserKey,
        marker: MessageId,
        connections: Vec<(UserKey, Vec<Connection>)>,
    ) {
        let message_id = &marker.to_string();
        let frame = to_json(&Read { data: ReadData { reader, with, message_id } });
        let told = connections.into_iter().map(|(user, connections)| (user, connections, frame.clone()));
        self.tell(told).await;
    }

    async fn notify(&self, feeds: Vec<Feed>, frame: impl Fn(&str) -> String) {
        let told = feeds.into_iter().map(|Feed { user, event_id, connections }| {
            let frame = frame(&event_id);
            (user, connections, frame)
        });
        self.tell(told).await;
    }

    /// Pushes a frame to each user's connections.
    async fn tell(&self, told: impl Iterator<Item = (UserKey, Vec<Connection>, String)>) {
        let frames = told.flat_map(|(user, connections, frame)| {
            connections.into_iter().map(move |connection| (user.clone(), connection, vec![frame.clone()]))
        });
        self.send(frames.collect(), Deadline::start()).await;
    }

    /// Pushes frames to connections of users, all at once; forgets the connections that are gone, and closes those that
    /// missed a frame and recover: their clients come back and read it. Returns whether any is gone.
    pub async fn send(&self, frames: Vec<(UserKey, Connection, Vec<String>)>, deadline: Deadline) -> bool {
        let recovers: Vec<bool> = frames.iter().map(|(_, connection, _)| connection.recovers).collect();
        let push = |(user, connection, frames): (UserKey, Connection, Vec<String>)| Push {
            user,
            connection: connection.id,
            frames,
        };
        let done = self.pusher.push_all(frames.into_iter().map(push).collect(), deadline).await;
        let (mut gone, mut missed) = (Vec::new(), Vec::new());
        for ((push, delivery), recovers) in done.into_iter().zip(recovers) {
            match delivery {
                Delivery::Gone => gone.push((push.user, push.connection)),
                Delivery::Failed if recovers => missed.push(push.connection),
                Delivery::Failed | Delivery::Delivered => {}
            }
        }
        let closing = self.close_all(&missed, Deadline::for_closing());
        let any_is_gone = !gone.is_empty();
        join(self.calls.forget(gone, deadline), closing).await;
        any_is_gone
    }

    /// Closes the connections of a user who is no more; their clients hear nothing else.
    pub async fn close_user(&self, connections: &[Connection]) {
        let ids: Vec<_> = connections.iter().map(|connection| connection.id.clone()).collect();
        self.close_all(&ids, Deadline::start()).await;
    }

    /// Pushes one frame to a connection, whichever user it speaks for.
    pub async fn push(&self, connection: &ConnectionId, frame: &str, deadline: Deadline) {
        self.pusher.push(connection, frame, deadline).await;
    }

    /// Closes connections; one that is gone already is as good.
    pub async fn close_all(&self, connections: &[ConnectionId], deadline: Deadline) {
        self.pusher.close_all(connections, deadline).await;
    }
}
