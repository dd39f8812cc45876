//! An API Gateway for Rust Lambda functions on one machine: an HTTP API, a WebSocket API and the
//! `@connections` management API on one port, in front of unmodified function binaries.
//!
//! It learns everything about a project from its SAM template and knows no rule of any one project.

pub mod admin;
mod aws;
pub mod connections_api;
mod cors;
pub mod executables;
pub mod faults;
pub mod http_api;
mod http_client;
pub mod issuer;
pub mod lambda;
mod origin;
mod page;
pub mod project;
pub mod record;
pub mod server;
mod settings;
pub mod template;
pub mod valkey;
pub mod websocket_api;
