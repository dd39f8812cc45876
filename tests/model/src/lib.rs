//! Searches the rules of calls: two users, three clients and the platform between them, in every order of what can
//! happen. The rules are the source that runs in production, compiled into this package to be optimized alone.

// The folder of `shared` is read here, so that the rules find their modules and identifiers as they do at home.
#[path = "../../../shared/src"]
mod shared {
    pub mod call;
    pub mod ids;
}

pub mod client;
mod normal;
mod pushes;
pub mod scenario;
pub mod scenarios;
pub mod search;
pub mod server;
pub mod trace;
pub mod walk;
pub mod wave;
pub mod world;

pub use shared::{call, ids};
