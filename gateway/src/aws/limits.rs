//! Limits of the platform: sizes and times, as its documentation states them.

use std::ops::RangeInclusive;
use std::time::Duration;

// HTTP APIs.
pub(crate) const HTTP_REQUEST: usize = 10 * 1024 * 1024;
pub(crate) const HTTP_INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Seconds that a browser may keep a preflight's answer; -1 forbids it to keep one.
pub(crate) const CORS_MAX_AGES: RangeInclusive<i32> = -1..=86_400;
/// How long the keys of an issuer are kept.
pub(crate) const KEYS_KEPT: Duration = Duration::from_secs(2 * 60 * 60);

// WebSocket APIs.
pub(crate) const FRAME: usize = 32 * 1024;
pub(crate) const MESSAGE: usize = 128 * 1024;
pub(crate) const CONNECTION_IDLE: Duration = Duration::from_secs(10 * 60);
pub(crate) const CONNECTION_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);
pub(crate) const WEBSOCKET_INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

// Lambda.
/// The largest event and the largest answer of a function.
pub(crate) const PAYLOAD: usize = 6 * 1024 * 1024;
/// From the start of a function to its first request for an event.
pub(crate) const INIT_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=900;
pub(crate) const DEFAULT_TIMEOUT_SECONDS: u64 = 3;
pub(crate) const LONGEST_TIMEOUT: Duration = Duration::from_secs(*TIMEOUT_SECONDS.end());
pub(crate) const MEMORY_MB: RangeInclusive<u32> = 128..=10_240;
pub(crate) const DEFAULT_MEMORY_MB: u32 = 128;
