//! The project over real HTTP, WebSocket and Redis: what clients can rely on, and what they cannot break.
//!
//! Each test says by its [`StoreKind`](support::StoreKind) where it runs. The basics of each route run on a single server
//! and on a cluster like the one that a deployment creates; the rest runs on that cluster where users' keys, several
//! keys at once or concurrent writers meet in the store, and else on the single server.

mod authorization;
mod call_details;
mod call_times;
mod calling;
mod calls;
mod changing_cluster;
mod client;
mod closed_mode;
mod conversations;
mod conversations_soak;
mod coturn;
mod create_message;
mod cross_origin;
mod delete_message;
mod development_issuer;
mod devices;
mod dying_callers;
mod end_call;
mod erasure;
mod events;
mod evicting_store;
mod failover;
mod frames;
mod freeze;
mod full_store;
mod generated_frames;
mod generated_requests;
mod get_message;
mod ice_servers;
mod limits;
mod list_messages;
mod logs;
mod lost_calls;
mod lost_connections;
mod metadata;
mod notifications;
mod open_mode;
mod overtaken_calls;
mod overtaking;
mod platform;
mod private_store;
mod random_calls;
mod recipe;
mod recover;
mod refusing_store;
mod register;
mod repeated_sends;
mod replayed;
mod resilience;
mod retention;
mod secure_store;
mod signaling;
mod soak;
mod template;
mod tickets;
mod tokens;
mod typing;
mod update_message;
mod user_keys;
mod wrong_clock;
