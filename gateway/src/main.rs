//! `cargo run`: the project, served locally.

fn main() {}
