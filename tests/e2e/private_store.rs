//! The gateway's private store: it outlives its process, and its data is read in its own layout only.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::Value;
use support::{App, User, read_log, root, wait_until};

/// Users who send without pause, so that the store dies at work.
const SENDERS: usize = 8;

/// Messages that are acknowledged before the store is killed.
const MESSAGES: usize = 100;

#[tokio::test]
async fn a_private_store_that_is_killed_runs_again_with_all_that_it_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = App::builder().with_private_store(folder.path()).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut acknowledged = Vec::new();
    for _ in 0..2 {
        let (count, is_back) = (AtomicUsize::new(0), AtomicBool::new(false));
        let sending = join_all((0..SENDERS).map(|_| send_until_refused(&alice, &bob, &count, &is_back)));
        let killing = async {
            wait_until("messages", async || count.load(Ordering::Relaxed) >= MESSAGES).await;
            let killed = store_process(&app).await;
            kill(killed);
            wait_until("another store", async || runs_again(&app, killed).await).await;
            is_back.store(true, Ordering::Relaxed);
        };
        let (sent, ()) = futures_util::future::join(sending, killing).await;
        acknowledged.extend(sent.into_iter().flatten());
        wait_until("the store to run again", async || app.get("/messages?limit=1").await.status == 200).await;
    }
    acknowledged.push(alice.post_message(&bob, "after").await);
    acknowledged.sort_by(|one, other| one["id"].as_str().cmp(&other["id"].as_str()));
    let kept = alice.list_conversation(&bob).await;
    let lost: Vec<_> = acknowledged.iter().filter(|message| !kept.contains(message)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());

    let log = read_log();
    assert!(log.contains("The store died (signal: 9 (SIGKILL); it wrote last:"), "the gateway says so");
    assert!(log.contains("Ready to accept connections"), "the gateway tells what the store wrote last");
    let again = format!("The store runs again at {}, with all", app.gateway().environment()["REDIS_URL"]);
    assert_eq!(log.matches(&again).count(), 2, "{again}");
}

/// Sends until it is refused, or the store has come back without any send's noticing.
async fn send_until_refused(
    alice: &User,
    bob: &User,
    count: &AtomicUsize,
    is_back: &AtomicBool,
) -> Vec<Value> {
    let mut acknowledged = Vec::new();
    while !is_back.load(Ordering::Relaxed) {
        let reply = alice.try_post_message(bob, "kept").await;
        if reply.status != 201 {
            reply.assert_unavailable();
            return acknowledged;
        }
        acknowledged.push(reply.data());
        count.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged
}

async fn store_process(app: &App) -> u32 {
    try_store_process(app).await.expect("the store answers")
}

/// Whether the store answers, as another process.
async fn runs_again(app: &App, killed: u32) -> bool {
    try_store_process(app).await.is_ok_and(|process| process != killed)
}

async fn try_store_process(app: &App) -> Result<u32, redis::RedisError> {
    let client = redis::Client::open(app.gateway().environment()["REDIS_URL"].as_str()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let process = info.lines().find_map(|line| line.strip_prefix("process_id:")).expect("its process");
    Ok(process.trim().parse().expect("a number"))
}

fn kill(process: u32) {
    let killed = Command::new("kill").args(["-KILL", &process.to_string()]).status().expect("kill runs");
    assert!(killed.success(), "there is no process {process}");
}

#[test]
fn the_folder_of_private_data_and_the_changelog_have_the_number_of_the_layout() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).expect("a file");
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let layout = i64::from(shared::store::LAYOUT);
    assert_eq!(manifest["workspace"]["metadata"]["gateway"]["store-layout"].as_integer(), Some(layout));
    let changelog = read("CHANGELOG.md");
    let (_, latest) = changelog.split_once("- Layout ").expect("an entry on the store's layout");
    assert!(latest.starts_with(&format!("{layout}:")), "the latest layout in CHANGELOG.md is not {layout}");
}
