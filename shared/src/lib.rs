//! The crate that the functions share. Each rule has one home:
//!
//! | module | owns |
//! |---|---|
//! | [`app`] | what is built once per cold start |
//! | `clock` | the time, by the store's clock where this machine's is off |
//! | [`config`] | every environment variable |
//! | [`ice`] | the ICE servers that clients are told of |
//! | [`ids`] | user keys, connection ids, message ids: what is valid |
//! | `json` | JSON objects as clients send them |
//! | [`message`] | the chat message, as stored and as sent |
//! | [`call`] | the rules of a call |
//! | [`call_manager`] | calls as they happen: rules applied, line swapped, frames sent |
//! | [`protocol`] | the frames clients send and the frames they get |
//! | [`identity`] | who is asking |
//! | [`access`] | what they may do |
//! | `signer` | signing requests to AWS |
//! | [`store`] | Redis: keys, scripts, round trips |
//! | `https` | the HTTP client to the management API, and whom it trusts |
//! | `idle` | how long an idle network connection is trusted |
//! | `management` | the API Gateway management API: posts, closing |
//! | [`push`] | pushing frames to connections |
//! | [`notify`] | telling users what is new, forgetting connections that are gone |
//! | [`error`] | every failure a client can see |
//! | [`http`], [`websocket`] | the two edges: event in, answer out, failures logged |
//! | [`telemetry`] | logging, and metrics |
//! | [`uri`] | encoding |

pub mod access;
pub mod app;
pub mod call;
pub mod call_manager;
mod clock;
pub mod config;
pub mod error;
pub mod http;
mod https;
pub mod ice;
pub mod identity;
mod idle;
pub mod ids;
mod json;
mod management;
pub mod message;
pub mod notify;
pub mod protocol;
pub mod push;
mod signer;
pub mod store;
pub mod telemetry;
pub mod uri;
pub mod websocket;
