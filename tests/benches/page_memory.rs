//! The memory of the functions that answer with pages, at their worst: messages of 16 KB of control characters, each of
//! which is six bytes in the answer.
//!
//! `cargo bench -p tests --bench page_memory`

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use support::{App, encoded};

const MESSAGES: usize = 1000;
const CONTENT_BYTES: usize = 16_384;
const CONCURRENCY: usize = 4;
const ROUNDS: usize = 5;

/// A function may have had so much memory, in MB.
const BOUND: u64 = 40;

#[tokio::main]
async fn main() {
    let functions = ["ListMessages", "ListEvents"];
    let app = App::builder().released(&functions).one_instance().start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let content = "\u{1}".repeat(CONTENT_BYTES);
    let sends = stream::iter(0..MESSAGES).map(|_| {
        let draft = json!({ "sender_id": alice.key, "receiver_id": bob.key, "content": content });
        app.post("/messages", draft.to_string())
    });
    sends.buffer_unordered(CONCURRENCY).for_each(async |sent| assert_eq!(sent.status, 201)).await;

    let user = encoded(&bob.key);
    for _ in 0..ROUNDS {
        for path in [
            format!("/messages?limit={MESSAGES}&user={user}"),
            format!("/messages?limit={MESSAGES}&user={user}&with={}", encoded(&alice.key)),
            format!("/events?since=0-0&limit={MESSAGES}&user={user}"),
        ] {
            let page = app.get(&path).await;
            assert_eq!(page.status, 200);
            assert!(page.text().len() > 4_000_000, "a page as large as they come");
        }
    }
    for name in ["list-messages", "list-events"] {
        let peak = peak_mb(name).unwrap_or_else(|| panic!("{name} does not run"));
        println!("{name}: {peak} MB at most so far, {BOUND} may be");
        assert!(peak <= BOUND, "a page may take {BOUND} MB, not {peak}");
    }
}

/// The most memory that a child of this process has had, by the name of its program, rounded up.
fn peak_mb(name: &str) -> Option<u64> {
    let status = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("status")).ok();
    let field = |status: &str, field: &str| {
        status.lines().find_map(|line| Some(line.strip_prefix(field)?.trim().to_owned()))
    };
    let parent = std::process::id().to_string();
    let all = std::fs::read_dir("/proc").ok()?.filter_map(|entry| status(entry.ok()?));
    let mut found = all.filter(|status| {
        field(status, "Name:").as_deref() == Some(name) && field(status, "PPid:").as_deref() == Some(&parent)
    });
    let kilobytes: u64 = field(&found.next()?, "VmHWM:")?.trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes.div_ceil(1024))
}
