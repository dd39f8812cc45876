//! Pushing frames to connections through the API Gateway management API.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::ids::{ConnectionId, UserKey};
use crate::management::{Management, PostError};
use crate::telemetry::{self, Count};

/// How long all pushes of one operation may take together.
const PUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long closing the connections that missed a push may take together.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Most pushes under way at once.
const CONCURRENT_PUSHES: usize = 64;

/// Pushes frames; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pusher {
    management: Management,
}

/// The time that all pushes of one operation share.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

/// Frames for one connection, delivered in order.
#[derive(Debug)]
pub(crate) struct Push {
    /// The connection's user.
    pub(crate) user: UserKey,
    /// The connection.
    pub(crate) connection: ConnectionId,
    /// The frames.
    pub(crate) frames: Vec<String>,
}

/// The outcome of a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Delivery {
    /// The platform took every frame.
    Delivered,
    /// The connection does not exist any more.
    Gone,
    /// The platform did not take it, or not in time.
    Failed,
}

impl From<Delivery> for Count {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Delivered => Self::PushesDelivered,
            Delivery::Gone => Self::PushesGone,
            Delivery::Failed => Self::PushesFailed,
        }
    }
}

impl Deadline {
    /// Starts the clock.
    pub fn start() -> Self {
        Self(Instant::now() + PUSH_TIMEOUT)
    }

    pub(crate) fn for_closing() -> Self {
        Self(Instant::now() + CLOSE_TIMEOUT)
    }
}

impl Pusher {
    /// Pushes through this client.
    pub(crate) fn new(management: Management) -> Self {
        Self { management }
    }

    /// Pushes to all at once. The answers are in the order of `pushes`.
    pub(crate) async fn push_all(&self, pushes: Vec<Push>, deadline: Deadline) -> Vec<(Push, Delivery)> {
        let done: Vec<(Push, Delivery)> = stream::iter(pushes)
            .map(|push| async move {
                let delivery = self.push_frames(&push, deadline).await;
                (push, delivery)
            })
            .buffered(CONCURRENT_PUSHES)
            .collect()
            .await;
        let failed = done.iter().filter(|(_, delivery)| *delivery == Delivery::Failed).count();
        if failed > 0 {
            tracing::warn!(failed, of = done.len(), "pushes failed");
        }
        done
    }

    /// Pushes one frame to a connection, whichever user it speaks for.
    pub(crate) async fn push(&self, connection: &ConnectionId, frame: &str, deadline: Deadline) -> Delivery {
        let delivery = match timeout_at(deadline.0, self.management.post(connection, frame)).await {
            Ok(Ok(())) => Delivery::Delivered,
            Ok(Err(PostError::Gone)) => Delivery::Gone,
            Ok(Err(error)) => {
                tracing::warn!(%error, "push failed");
                Delivery::Failed
            }
            Err(_) => Delivery::Failed,
        };
        telemetry::count(delivery.into(), 1);
        delivery
    }

    /// Closes connections; one that is gone already is as good.
    pub(crate) async fn close_all(&self, connections: &[ConnectionId], deadline: Deadline) {
        join_all(connections.iter().map(|connection| self.close(connection, deadline))).await;
    }

    async fn close(&self, connection: &ConnectionId, deadline: Deadline) {
        if let Ok(Err(error)) = timeout_at(deadline.0, self.management.close(connection)).await {
            tracing::warn!(%error, "connection could not be closed");
        }
    }

    async fn push_frames(&self, push: &Push, deadline: Deadline) -> Delivery {
        for frame in &push.frames {
            match self.push(&push.connection, frame, deadline).await {
                Delivery::Delivered => {}
                other => return other,
            }
        }
        Delivery::Delivered
    }
}
