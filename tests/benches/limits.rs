//! The effect of one user's flood, at 50 times the limit, on another's sends: their times with it and without, which may
//! differ by so much.
//!
//! `cargo bench -p tests --bench limits`; `--seconds N` measures each round longer.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod arguments;

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::json;
use support::{ApiClient, App, User};
use tokio::task::JoinSet;

const LIMIT: u32 = 5;
const FLOOD: u32 = 50 * LIMIT;
const ROUNDS: usize = 3;

/// Another user's send may take so many times as long during the flood: in the middle, and of a hundred the slowest.
const BOUNDS: [(&str, f64, f64); 2] = [("p50", 0.5, 1.2), ("p99", 0.99, 2.0)];

/// Something else on the machine may spoil a comparison.
const ATTEMPTS: usize = 3;

/// Users who take turns, so that none reaches the limit.
const OTHERS: usize = 200;

async fn send(client: &ApiClient, to: &User) -> u16 {
    client.send(Method::POST, "/messages", json!({ "receiver_id": to.key, "content": "hello" })).await.status
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seconds = arguments::value(&arguments, "--seconds").unwrap_or(10);
    let app = App::builder().guarded().released(&["CreateMessage"]);
    let app = app.parameter("MessagesPerSecond", &LIMIT.to_string()).parameter("RateLimit", "10000");
    let app = app.start().await;
    let bob = app.user("bob");
    let flooding = app.sign_in(&app.user("flooding"));
    let others: Vec<_> = (0..OTHERS).map(|_| app.sign_in(&app.user("other"))).collect();
    for client in &others[..20] {
        send(client, &bob).await;
    }
    // The instances that the flood needs start before the clock does.
    let mut warm = Vec::new();
    tokio::select! {
        () = measure(&others, &bob, Duration::from_secs(5), &mut warm) => {}
        () = flood(&flooding, &bob) => {}
    }
    for attempt in 1..=ATTEMPTS {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            measure(&others, &bob, Duration::from_secs(seconds), &mut without).await;
            tokio::select! {
                () = measure(&others, &bob, Duration::from_secs(seconds), &mut with) => {}
                () = flood(&flooding, &bob) => {}
            }
        }
        let holds = compare(without, with);
        if holds {
            return;
        }
        assert!(attempt < ATTEMPTS, "a flood may not slow others down so much");
    }
}

/// Whether the times with the flood keep to the bounds.
fn compare(without: Vec<Duration>, with: Vec<Duration>) -> bool {
    let [without, with] = [without, with].map(|mut took| {
        took.sort_unstable();
        move |part: f64| took[(took.len() as f64 * part) as usize].as_secs_f64() * 1000.0
    });
    let ratios = BOUNDS.map(|(name, part, bound)| {
        let (without, with) = (without(part), with(part));
        let ratio = with / without;
        println!("{name}: {without:.1} ms without, {with:.1} ms with the flood: {ratio:.2}, at most {bound}");
        ratio <= bound
    });
    ratios == [true, true]
}

/// Sends of the others, one after the other.
async fn measure(others: &[ApiClient], to: &User, duration: Duration, took: &mut Vec<Duration>) {
    let started = Instant::now();
    for client in others.iter().cycle() {
        if started.elapsed() > duration {
            return;
        }
        let sent = Instant::now();
        assert_eq!(send(client, to).await, 201);
        took.push(sent.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends at a steady rate, whatever comes of them.
async fn flood(client: &ApiClient, to: &User) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / FLOOD);
    let mut sends = JoinSet::new();
    let (mut sent, mut refused) = (0, 0);
    loop {
        ticks.tick().await;
        let (client, to) = (client.clone(), to.clone());
        sends.spawn(async move { send(&client, &to).await });
        while let Some(status) = sends.try_join_next() {
            sent += 1;
            refused += usize::from(status.unwrap() == 429);
            if sent % 1000 == 0 {
                println!("flood: {sent} sent, {refused} refused, {} under way", sends.len());
            }
        }
    }
}
