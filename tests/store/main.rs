//! The store on real servers: on a single one, and on a cluster like the one that a deployment creates.
//!
//! Tests run on both where the clients for one server and for a cluster have code of their own, and on the cluster only
//! where one script decides in one slot: bounds, times, concurrent writers.

mod administration;
mod calls;
mod claims;
mod conversations;
mod events;
mod following;
mod listing;
mod lost_connections;
mod messages;
mod registry;
mod retention;
mod scripts;
mod secure;
mod tickets;
mod user_keys;
mod world;
