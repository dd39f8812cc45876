//! Logs: a JSON line per event where Lambda is told to expect that
//! ([`LogFormat: JSON`](https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html)), on
//! standard error, and one line per invocation on standard output, which holds its metrics. Elsewhere text for people,
//! and no line for what went well.
//!
//! | module | what it owns |
//! |---|---|
//! | `invocation` | an invocation from its event to its line |
//! | `record` | what it was about and what it did, gathered while it runs |
//! | `line` | the line that this becomes |
//! | `count` | the metrics |
//! | `event` | the line of a failure |
//!
//! No content, no token, no ticket and no user key is ever logged. A user stands in logs as a keyed hash.

mod count;
mod event;
mod invocation;
mod line;
mod record;

pub use count::Count;
pub(crate) use invocation::told;
pub use record::user;
pub(crate) use record::{StoreTime, Subject, call, code, count, peer};

use tracing::Level;

use crate::config;

/// Starts logging for the process, at level `info`.
pub fn init() {
    let lines =
        tracing_subscriber::fmt().with_max_level(Level::INFO).with_writer(std::io::stderr).with_target(false);
    match config::log() {
        Some(settings) => {
            invocation::start(settings);
            lines.event_format(event::Lines).fmt_fields(event::NoSpans).init();
        }
        None => lines.without_time().with_ansi(false).init(),
    }
}

/// Counts a message that was sent, and not merely sent again.
pub fn sent() {
    count(Count::Sends, 1);
}

/// Counts a client that asked for what it has missed.
pub fn caught_up() {
    count(Count::CatchUps, 1);
}
