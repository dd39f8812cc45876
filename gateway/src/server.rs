//! The gateway as a whole: one port in front of all that it serves, and what has to run behind it.

mod accept;
mod dispatch;
mod gateway;
mod listen;
mod options;
mod start;
mod store;
mod watch;

pub use gateway::Gateway;
pub use options::{Options, Store};
pub use start::StartError;
pub use store::RunningStore;
