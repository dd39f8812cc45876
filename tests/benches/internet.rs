//! The needs and the costs of a thousand to ten million people online at once, computed from the usage and the prices
//! of docs/deploy.md, and a simulation of all of them coming back at once. Fails where docs/scale.md says
//! anything else; `--write` puts it there.
//!
//! `cargo bench -p tests --bench internet [-- --write]`

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

#[path = "internet/bucket.rs"]
mod bucket;
#[path = "internet/document.rs"]
mod document;
#[path = "internet/needs.rs"]
mod needs;
#[path = "internet/platform.rs"]
mod platform;
#[path = "internet/returning.rs"]
mod returning;
#[path = "internet/storms.rs"]
mod storms;
#[path = "internet/usage.rs"]
mod usage;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use usage::Usage;

fn main() -> ExitCode {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let usage = Usage::read(&fs::read_to_string(docs.join("deploy.md")).unwrap());
    let scale = docs.join("scale.md");
    let before = fs::read_to_string(&scale).unwrap();
    let mut after = before.clone();
    for (name, table) in [("needs", needs::table(&usage)), ("storms", storms::table(&usage))] {
        println!("{table}");
        after = document::replaced(&after, name, &table);
    }
    if after == before {
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|argument| argument == "--write") {
        fs::write(&scale, after).unwrap();
        return ExitCode::SUCCESS;
    }
    eprintln!("docs/scale.md says something else; `-- --write` puts these tables there");
    ExitCode::FAILURE
}
