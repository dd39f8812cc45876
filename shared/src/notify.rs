//! Pushing frames to connections through the API Gateway management API, and forgetting the gone ones.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_apigatewaymanagement::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::app::TRUST;
use crate::config::Config;
use crate::ids::{ConnectionId, MessageId, UserKey};
use crate::message::Message;
use crate::protocol::{DeletedMessage, Notification, to_json};
use crate::store::{Change, Feed, Store};

/// How long all pushes of one operation may take together.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most pushes under way at once.
const CONCURRENT_PUSHES: usize = 64;

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Attempts and first back-off when the platform says 429.
const ATTEMPTS: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(50);

/// Pushes frames; cheap to clone.
#[derive(Clone, Debug)]
pub struct Notifier {
    client: Client,
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
    pub connection: ConnectionId,
    /// The frames.
    pub frames: Vec<String>,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// The platform took every frame.
    Delivered,
    /// The connection does not exist any more.
    Gone,
    /// The platform did not take it, or not in time.
    Failed,
}

/// The one client of this process, its connection opened ahead of the first push, best effort.
pub async fn connect(config: &Config) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(TRUST)
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let settings = aws_sdk_apigatewaymanagement::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(config.region.clone()))
        .endpoint_url(&config.management_endpoint)
        .credentials_provider(config.credentials.for_aws())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF))
        .timeout_config(
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(PATIENCE).build(),
        )
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    let client = Client::from_conf(settings);
    // No connection has this id; whatever the answer, the way there is open then.
    let warm = client.get_connection().connection_id("none").send();
    let _ = tokio::time::timeout(CONNECT_TIMEOUT, warm).await;
    client
}

impl Deadline {
    /// Starts the clock.
    pub fn start() -> Self {
        Self(Instant::now() + PATIENCE)
    }
}

impl Notifier {
    /// Pushes through this client.
    pub fn new(client: Client, store: Store) -> Self {
        Self { client, store }
    }

    /// Tells every connection of these feeds of a new or edited message. Never fails: whoever is missed finds
    /// the event in their log.
    pub async fn notify(&self, change: Change, message: &Message, feeds: Vec<Feed>) {
        self.tell(change, message, feeds).await;
    }

    /// The same of a deleted message, of which only the id is told.
    pub async fn notify_deletion(&self, id: MessageId, feeds: Vec<Feed>) {
        self.tell(Change::Deleted, &DeletedMessage { id: id.to_string() }, feeds).await;
    }

    async fn tell(&self, change: Change, data: &impl Serialize, feeds: Vec<Feed>) {
        let mut pushes = Vec::new();
        for feed in feeds {
            let kind = change.frame_type();
            let frame = to_json(&Notification { kind, data, event_id: &feed.event_id });
            pushes.extend(feed.connections.into_iter().map(|connection| Push {
                user: feed.user.clone(),
                connection: connection.id,
                frames: vec![frame.clone()],
            }));
        }
        self.push_all(pushes, Deadline::start()).await;
    }

    /// Pushes to all at once and forgets the connections that are gone. The answers are in the order of
    /// `pushes`.
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
        let gone: Vec<_> = done
            .into_iter()
            .filter(|(_, delivery)| *delivery == Delivery::Gone)
            .map(|(push, _)| (push.user, push.connection))
            .collect();
        if !gone.is_empty()
            && let Err(error) = self.store.forget(&gone).await
        {
            tracing::warn!(%error, gone = gone.len(), "gone connections could not be forgotten");
        }
        deliveries
    }

    /// Pushes one frame to a connection, whoever it speaks for.
    pub async fn push(&self, connection: &ConnectionId, frame: String, deadline: Deadline) -> Delivery {
        let post = self.client.post_to_connection().connection_id(connection.as_str()).data(Blob::new(frame));
        match timeout_at(deadline.0, post.send()).await {
            Ok(Ok(_)) => Delivery::Delivered,
            Ok(Err(error)) if error.as_service_error().is_some_and(|error| error.is_gone_exception()) => {
                Delivery::Gone
            }
            Ok(Err(error)) => {
                tracing::warn!(code = error.code(), error = %DisplayErrorContext(&error), "push failed");
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
        let delete = self.client.delete_connection().connection_id(connection.as_str());
        if let Ok(Err(error)) = timeout_at(deadline.0, delete.send()).await
            && !error.as_service_error().is_some_and(|error| error.is_gone_exception())
        {
            tracing::warn!(error = %DisplayErrorContext(&error), "connection could not be closed");
        }
    }

    async fn push_frames(&self, push: &Push, deadline: Deadline) -> Delivery {
        for frame in &push.frames {
            match self.push(&push.connection, frame.clone(), deadline).await {
                Delivery::Delivered => {}
                other => return other,
            }
        }
        Delivery::Delivered
    }
}
