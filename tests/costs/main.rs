//! What every operation costs: round trips to the store and pushes, counted between the real functions, a real
//! gateway and a real server.

mod calls;
mod connections;
mod lost_replies;
mod messages;
mod meter;
mod proxy;
mod scripts;

/// The end-to-end tests' way to speak to a gateway.
#[path = "../e2e"]
#[allow(dead_code, unused_imports, reason = "those tests use the rest")]
mod e2e {
    pub(crate) mod helpers;
}
