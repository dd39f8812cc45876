//! Pushing frames to connections through the API Gateway management API, and forgetting the gone ones.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use crate::ids::{ConnectionId, MessageId, UserKey};
use crate::management::{Management, PostError};
use crate::protocol::server::{DeletedMessage, Notification, Read, ReadData, to_json};
use crate::store::{Connection, Feed, Store};

/// How long all pushes of one operation may take together.
const PUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long closing the connections that missed a push may take together.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Most pushes under way at once.
const CONCURRENT_PUSHES: usize = 64;

/// Pushes frames; cheap to clone.
#[derive(Clone, Debug)]
pub struct Notifier {
    management: Management,
    store: Store,
}

/// The time that all pushes of one operation share.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

/// Frames for one connection, delivered in order.
#[derive(Debug)]
pub struct Push {
    /// The connection's user.
    pub user: UserKey,
    /// The connection.
    pub connection: Connection,
    /// The frames.
    pub frames: Vec<String>,
}

/// The outcome of a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// The platform took every frame.
    Delivered,
    /// The connection does not exist any more.
    Gone,
    /// The platform did not take it, or not in time.
    Failed,
}

impl Deadline {
    /// Starts the clock.
    pub fn start() -> Self {
        Self(Instant::now() + PUSH_TIMEOUT)
    }

    fn for_closing() -> Self {
        Self(Instant::now() + CLOSE_TIMEOUT)
    }
}

impl Notifier {
    /// Pushes through this client.
    pub(crate) fn new(management: Management, store: Store) -> Self {
        Self { management, store }
    }

    /// Tells every connection of these feeds of a new message, by its JSON. Never fails: a client that is missed finds
    /// the event in its log.
    pub async fn created(&self, message: &str, feeds: Vec<Feed>) {
        let Ok(data) = serde_json::from_str(message) else { return };
        self.notify(feeds, |event_id| to_json(&Notification::NewMessage { data, event_id })).await;
    }

    /// The same of an edited message.
    pub async fn updated(&self, message: &str, feeds: Vec<Feed>) {
        let Ok(data) = serde_json::from_str(message) else { return };
        self.notify(feeds, |event_id| to_json(&Notification::UpdateMessage { data, event_id })).await;
    }

    /// The same of a deleted message.
    pub async fn deleted(&self, id: MessageId, feeds: Vec<Feed>) {
        let id = &id.to_string();
        let frame =
            |event_id: &str| to_json(&Notification::DeleteMessage { data: DeletedMessage { id }, event_id });
        self.notify(feeds, frame).await;
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
        let pushes = told.flat_map(|(user, connections, frame)| {
            let push = move |connection| Push { user: user.clone(), connection, frames: vec![frame.clone()] };
            connections.into_iter().map(push)
        });
        self.push_all(pushes.collect(), Deadline::start()).await;
    }

    /// Pushes to all at once, forgets the connections that are gone, and closes those that missed a frame and recover:
    /// their clients come back and read it. The answers are in the order of `pushes`.
    pub async fn push_all(&self, pushes: Vec<Push>, deadline: Deadline) -> Vec<Delivery> {
        let done: Vec<(Push, Delivery)> = stream::iter(pushes)
            .map(|push| async move {
                let delivery = self.push_frames(&push, deadline).await;
                (push, delivery)
            })
            .buffered(CONCURRENT_PUSHES)
            .collect()
            .await;
        let deliveries: Vec<Delivery> = done.iter().map(|(_, delivery)| *delivery).collect();
        let failed = deliveries.iter().filter(|delivery| **delivery == Delivery::Failed).count();
        if failed > 0 {
            tracing::warn!(failed, of = deliveries.len(), "pushes failed");
        }
        let (mut gone, mut missed) = (Vec::new(), Vec::new());
        for (Push { user, connection, .. }, delivery) in done {
            match delivery {
                Delivery::Gone => gone.push((user, connection.id)),
                Delivery::Failed if connection.recovers => missed.push(connection.id),
                Delivery::Failed | Delivery::Delivered => {}
            }
        }
        let forgetting = async {
            if !gone.is_empty()
                && let Err(error) = self.store.forget(&gone).await
            {
                tracing::warn!(%error, gone = gone.len(), "gone connections could not be forgotten");
            }
        };
        join(forgetting, self.close_all(&missed, Deadline::for_closing())).await;
        deliveries
    }

    /// Pushes one frame to a connection, whoever it speaks for.
    pub async fn push(&self, connection: &ConnectionId, frame: &str, deadline: Deadline) -> Delivery {
        match timeout_at(deadline.0, self.management.post(connection, frame)).await {
            Ok(Ok(())) => Delivery::Delivered,
            Ok(Err(PostError::Gone)) => Delivery::Gone,
            Ok(Err(error)) => {
                tracing::warn!(%error, "push failed");
                Delivery::Failed
            }
            Err(_) => Delivery::Failed,
        }
    }

    /// Closes connections; one that is gone already is as good.
    pub async fn close_all(&self, connections: &[ConnectionId], deadline: Deadline) {
        join_all(connections.iter().map(|connection| self.close(connection, deadline))).await;
    }

    async fn close(&self, connection: &ConnectionId, deadline: Deadline) {
        if let Ok(Err(error)) = timeout_at(deadline.0, self.management.close(connection)).await {
            tracing::warn!(%error, "connection could not be closed");
        }
    }

    async fn push_frames(&self, push: &Push, deadline: Deadline) -> Delivery {
        for frame in &push.frames {
            match self.push(&push.connection.id, frame, deadline).await {
                Delivery::Delivered => {}
                other => return other,
            }
        }
        Delivery::Delivered
    }
}
