//! Logging on standard error, where Lambda collects it: a JSON line per event where it is told to expect that
//! ([`LogFormat: JSON`](https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html)),
//! else text for people.

use tracing::Level;

use crate::config;

/// Starts logging for the process, at level `info`.
pub fn init() {
    let lines =
        tracing_subscriber::fmt().with_max_level(Level::INFO).with_writer(std::io::stderr).with_target(false);
    if config::logs_are_json() {
        lines.json().flatten_event(true).with_current_span(false).init();
    } else {
        lines.without_time().with_ansi(false).init();
    }
}
