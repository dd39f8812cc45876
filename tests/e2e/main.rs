//! The project over real HTTP, WebSocket and Redis: what clients can rely on, and what they cannot break.

mod authorization;
mod closed_mode;
mod create_message;
mod cross_origin;
mod delete_message;
mod development_issuer;
mod devices;
mod end_call;
mod frames;
mod generated_frames;
mod generated_requests;
mod get_message;
pub(crate) mod helpers;
mod list_messages;
mod lost_connections;
mod notifications;
mod open_mode;
mod overtaking;
mod platform;
mod register;
mod resilience;
mod signaling;
mod template;
mod tickets;
mod update_message;
mod user_keys;
