//! The memory that a message takes in the store, on Redis where `redis-server` is on PATH, and on Valkey: in many short
//! conversations and in one long one, for good and on its first day. Fails where Redis 7 needs more than the bounds of
//! docs/scale.md.
//!
//! `cargo bench -p tests --bench memory`

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod filling;

use std::collections::BTreeMap;

use filling::{anybody, fill, send_named, turns, user};
use futures_util::{StreamExt as _, stream};
use gateway::valkey::{Options, Program, Valkey, fetch, find_on_path};
use redis::aio::MultiplexedConnection;
use shared::access;
use shared::ids::{MessageId, UserKey};
use shared::message::ClientId;
use shared::store::Store;
use support::root;
use uuid::Uuid;

const MESSAGES: usize = 100_000;

/// Keys whose memory is asked for in one pipeline.
const KEYS_AT_ONCE: usize = 1000;

/// How messages lie in conversations, and what one of them may cost on Redis 7, in bytes.
struct Case {
    name: &'static str,
    conversations: usize,
    users: fn(usize) -> (UserKey, UserKey),
    /// Whether each send has a claim, which stays a day, and both users have read everything.
    used: bool,
    bound: Option<usize>,
}

const SHORT: Case = Case {
    name: "10,000 conversations of 10",
    conversations: 10_000,
    users: named,
    used: false,
    bound: Some(750),
};

const LONG: Case = Case { name: "one conversation of 100,000", conversations: 1, bound: Some(1000), ..SHORT };

const CASES: [Case; 5] = [
    SHORT,
    LONG,
    Case {
        name: "10,000 conversations of 10, users named by UUIDs",
        users: named_by_uuids,
        bound: None,
        ..SHORT
    },
    Case {
        name: "10,000 conversations of 10, with a day's claims, all read",
        used: true,
        bound: None,
        ..SHORT
    },
    Case {
        name: "one conversation of 100,000, with a day's claims, all read",
        used: true,
        bound: None,
        ..LONG
    },
];

/// The price of a gigabyte in ElastiCache Serverless for Valkey for a year, in dollars (us-east-1).
const GIGABYTE_YEAR: f64 = 0.084 * 8760.0;

/// Marks under way at once.
const CONCURRENCY: usize = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut programs = Vec::new();
    match find_on_path("redis-server") {
        Some(redis) => programs.push(redis),
        None => println!("Redis: skipped: there is no redis-server on PATH"),
    }
    match find_on_path("valkey-server") {
        Some(valkey) => programs.push(valkey),
        None => programs.push(fetch(&root().join(".local")).await.unwrap()),
    }
    for program in programs {
        for case in &CASES {
            measure(&program, case).await;
        }
    }
}

async fn measure(program: &Program, case: &Case) {
    let options = Options { program: Some(program.clone()), ..Options::default() };
    let mut server = Valkey::start(options).await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let version = version(&mut connection).await;
    let store = filling::open(&server.url()).await;
    // Scripts and buffers are there before the figure is taken.
    fill(&store, [(user("x"), user("y"))], 100).await;
    let before = used_memory(&mut connection).await;
    let pairs: Vec<_> = (0..case.conversations).map(case.users).collect();
    let name = || case.used.then(|| ClientId::parse(Uuid::new_v4().to_string()).unwrap());
    send_named(&store, turns(&pairs, MESSAGES / case.conversations), name).await;
    if case.used {
        read_all(&store, &pairs).await;
    }
    let each = (used_memory(&mut connection).await - before) / MESSAGES;
    println!("\n{version}: {}: {each} bytes per message", case.name);
    if !case.used {
        println!("  ${:.0} a year for a million", each as f64 / 1000.0 * GIGABYTE_YEAR);
    }
    let kinds = memory_by_kind(&mut connection).await;
    let known: usize = kinds.values().map(|(_, bytes)| bytes).sum();
    for (kind, (keys, bytes)) in kinds {
        println!("  {kind:<14} {keys:>7} keys {:>5} bytes per message", bytes / MESSAGES);
    }
    println!(
        "  {:<14} {:>12} {:>5} bytes per message",
        "table of keys",
        "",
        each.saturating_sub(known / MESSAGES)
    );
    if let Some(bound) = case.bound.filter(|_| version.starts_with("Redis 7")) {
        assert!(each <= bound, "{each} bytes per message are more than {bound}");
    }
    server.stop().await;
}

/// Both users of each conversation mark all of it as read.
async fn read_all(store: &Store, pairs: &[(UserKey, UserKey)]) {
    let newest = MessageId::parse("ffffffff-ffff-7fff-bfff-ffffffffffff").unwrap();
    let both = pairs.iter().flat_map(|(one, other)| [(one, other), (other, one)]);
    let marking = stream::iter(both).for_each_concurrent(CONCURRENCY, async |(reader, with)| {
        let own = access::own(&anybody(), Some(reader.clone())).unwrap();
        assert_eq!(store.mark_read(&own, with, newest).await.unwrap().unread, 0);
    });
    marking.await;
}

/// Two users of a conversation that have no other one: the dearest case, since nothing of a user is shared.
fn named(number: usize) -> (UserKey, UserKey) {
    (user(format!("alice{number}")), user(format!("bob{number}")))
}

fn named_by_uuids(_number: usize) -> (UserKey, UserKey) {
    (user(Uuid::new_v4().to_string()), user(Uuid::new_v4().to_string()))
}

async fn version(connection: &mut MultiplexedConnection) -> String {
    let info = info(connection, "server").await;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match (field("valkey_version:"), field("redis_version:")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, version) => format!("Redis {}", version.unwrap()),
    }
}

async fn used_memory(connection: &mut MultiplexedConnection) -> usize {
    let info = info(connection, "memory").await;
    info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap()
}

async fn info(connection: &mut MultiplexedConnection, section: &str) -> String {
    redis::cmd("INFO").arg(section).query_async(connection).await.unwrap()
}

/// The number of keys of each kind, and their bytes.
async fn memory_by_kind(connection: &mut MultiplexedConnection) -> BTreeMap<String, (usize, usize)> {
    let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut cursor: u64 = 0;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("COUNT").arg(KEYS_AT_ONCE);
        let (next, keys): (u64, Vec<String>) = scan.query_async(connection).await.unwrap();
        let mut usages = redis::pipe();
        for key in &keys {
            usages.cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        }
        let usages: Vec<usize> = usages.query_async(connection).await.unwrap();
        for (key, bytes) in keys.iter().zip(usages) {
            let (count, sum) = kinds.entry(kind(key)).or_default();
            *count += 1;
            *sum += bytes;
        }
        if next == 0 {
            return kinds;
        }
        cursor = next;
    }
}

/// A key without what differs from user to user.
fn kind(key: &str) -> String {
    let (before, rest) = key.split_once('{').unwrap_or((key, ""));
    let after = rest.split_once("}:").map_or("", |(_, after)| after);
    match before {
        "u:" => after.split(':').next().unwrap_or_default().to_owned(),
        _ => before.trim_end_matches(':').to_owned(),
    }
}
