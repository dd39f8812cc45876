//! The WebSocket frames: what clients send, and what they get.

pub mod client;
mod ice;
mod relay;
pub mod server;
