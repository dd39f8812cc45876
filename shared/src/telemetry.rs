//! Logging: one JSON line per event on standard error, where Lambda collects it.

use tracing::Level;

/// Starts logging for the process, at level `info`.
pub fn init() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_target(false)
        .without_time()
        .with_max_level(Level::INFO)
        .with_writer(std::io::stderr)
        .init();
}
