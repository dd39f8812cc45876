//! The options of a WebSocket API.

use std::time::Duration;

use crate::aws::limits;
use crate::faults::Faults;
use crate::record::Recorder;

/// How a WebSocket API behaves where AWS's own rules can be bent.
#[derive(Clone, Debug)]
pub struct WebSocketOptions {
    /// The events' `domainName`; by default the upgrade request's `Host`.
    pub domain_name: Option<String>,
    /// Close a connection when nothing was sent either way for so long; never by default.
    pub idle_limit: Option<Duration>,
    /// Close a connection of this age; never by default.
    pub lifetime: Option<Duration>,
    /// How long a function's answer is waited for; by default as long as on AWS.
    pub integration_timeout: Duration,
    /// Frames of one connection handled at once; further ones wait on the wire.
    pub in_flight: usize,
    /// Bytes queued for a client that does not read; more is answered 429.
    pub outgoing_limit: usize,
    pub faults: Faults,
    pub record: Recorder,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            domain_name: None,
            idle_limit: None,
            lifetime: None,
            integration_timeout: limits::WEBSOCKET_INTEGRATION_TIMEOUT,
            in_flight: 64,
            outgoing_limit: 4 * 1024 * 1024,
            faults: Faults::default(),
            record: Recorder::default(),
        }
    }
}

impl WebSocketOptions {
    /// With AWS's limits on a connection's idle time and age.
    #[must_use]
    pub fn with_aws_limits(mut self) -> Self {
        self.idle_limit = Some(limits::CONNECTION_IDLE);
        self.lifetime = Some(limits::CONNECTION_LIFETIME);
        self
    }
}
