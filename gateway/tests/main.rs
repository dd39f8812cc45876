//! The gateway, in part and as a whole, in front of real functions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
#[cfg(unix)]
mod at_hand;
mod conformance;
mod connection_limits;
mod connections;
#[cfg(unix)]
mod ends;
mod events;
mod functions;
mod issuer;
mod lambda_url;
mod layouts;
mod load;
mod other_languages;
#[cfg(unix)]
mod own_project;
mod runtime_api;
mod serial_frames;
mod server;
mod support;
mod websocket;
