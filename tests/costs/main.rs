//! The costs of every operation: round trips to the store and pushes, counted between the real functions, a real
//! gateway and a real server.

mod calls;
mod commands;
mod connections;
mod conversations;
mod interrupted;
mod limits;
mod lost_replies;
mod messages;
mod meter;
mod scripts;
mod units;
