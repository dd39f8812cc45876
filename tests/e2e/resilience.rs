//! A store that comes, goes and freezes: requests fail cleanly and in time, and no function has to start again.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use support::StoreKind::{Cluster, SecureCluster, Single};
use support::proxy::resp::read_command;
use support::proxy::{Admission, Client, SlowProxy};
use support::{App, Clock, TestStore, in_time, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a request may take while the store says nothing.
const SILENCE_AT_MOST: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_store_that_accepts_but_says_nothing_costs_seconds_and_a_503() {
    let store = TestStore::start(Single).await;
    let app = App::builder().on_store(&store).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    let message = alice.post_message(&bob, "before").await;
    phone.expect("new_message").await;
    alice.edit_message(&message, "before it froze").await;
    phone.expect("update_message").await;

    let paused = store.pause_node().await;
    // Twice: the first finds a dead connection, the second cannot open another.
    for _ in 0..2 {
        let started = Instant::now();
        let asking = join_all([
            alice.try_post_message(&bob, "lost").boxed_local(),
            alice.read_message(&message).boxed_local(),
            app.get("/messages").boxed_local(),
            alice.try_edit_message(&message, "lost").boxed_local(),
        ]);
        let signaling = async {
            phone.send(json!({ "type": "offer", "target": alice.key, "ref": "r" })).await;
            phone.next().await
        };
        let (replies, error) = join(asking, signaling).await;
        let took = started.elapsed();
        for reply in &replies {
            reply.assert_unavailable();
        }
        assert_eq!((&error["code"], &error["ref"]), (&json!("unavailable"), &json!("r")));
        assert!(took < SILENCE_AT_MOST, "it took {took:?}");
    }
    // A WebSocket is opened without the store, and told when it cannot register.
    let mut laptop = app.connect().await;
    laptop.send(json!({ "type": "register", "userKey": bob.key })).await;
    assert_eq!(laptop.next().await["code"], "unavailable");

    drop(paused);
    let after = alice.post_message(&bob, "after").await;
    assert_eq!(phone.expect("new_message").await["data"], after);
    alice.delete_message(&message).await;
    phone.expect("delete_message").await;
}

#[tokio::test]
async fn a_store_that_restarts_under_signals_leaves_none_unanswered() {
    let mut store = TestStore::start_durable().await;
    let app = App::builder().on_store(&store).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    phone.signal("offer", &alice, &bob, json!("warm")).await;
    laptop.expect("offer").await;

    let mut answers = Vec::new();
    let mut turn = 0;
    let mut offer = async |answers: &mut Vec<Value>| {
        turn += 1;
        let reference = format!("{turn}");
        phone.send(json!({ "type": "offer", "target": bob.key, "ref": reference })).await;
        // Relayed or refused; one of the two must come.
        let answer = in_time("the fate of an offer", async {
            tokio::select! { frame = phone.next() => frame, frame = laptop.next() => frame }
        });
        let answer = answer.await;
        assert_eq!(answer["ref"], reference.as_str());
        answers.push(answer);
    };
    for _ in 0..10 {
        offer(&mut answers).await;
    }
    store.stop_node().await;
    for _ in 0..10 {
        offer(&mut answers).await;
    }
    store.restart_node().await;
    for _ in 0..10 {
        offer(&mut answers).await;
    }
    for (place, answer) in answers.iter().enumerate() {
        let expected = if (10..20).contains(&place) { "error" } else { "offer" };
        assert_eq!(answer["type"], expected, "{place}: {answer}");
    }
    assert!(answers[10..20].iter().all(|answer| answer["code"] == "unavailable"), "{answers:?}");
    assert_eq!(app.ended("Signaling"), Some(0));
}

#[tokio::test]
async fn functions_survive_their_store() {
    let mut store = TestStore::start_durable().await;
    let app = App::builder().on_store(&store).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    let message = alice.post_message(&bob, "hello").await;
    phone.expect("new_message").await;

    for _ in 0..3 {
        store.stop_node().await;
        alice.try_post_message(&bob, "lost").await.assert_unavailable();
        phone.send(json!({ "type": "register", "userKey": bob.key })).await;
        assert_eq!(phone.next().await["code"], "unavailable");
        store.restart_node().await;
        let again = alice.post_message(&bob, "again").await;
        assert_eq!(phone.expect("new_message").await["data"], again);
        phone.register(&bob.key).await;
    }
    for function in ["Connect", "CreateMessage", "Register"] {
        assert_eq!(app.ended(function), Some(0), "{function}");
    }
    assert_eq!(bob.read_message(&message).await.json(), message);
}

#[tokio::test]
async fn a_slow_store_is_waited_for_and_one_that_is_too_slow_costs_a_503() {
    let Some(clock) = Clock::start() else { return };
    let store = TestStore::start(Single).await;
    let proxy = SlowProxy::start(store.port());
    // Functions start while it is slow already.
    proxy.delay(Duration::from_millis(300));
    let app = App::builder().at(proxy.url(), None).clock(&clock).one_instance().start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    let message = alice.post_message(&bob, "slowly").await;
    assert_eq!(phone.expect("new_message").await["data"], message);
    // It does not answer in the time that a check takes, and is waited for all the same.
    clock.advance(Duration::from_secs(60));
    assert_eq!(alice.read_message(&message).await.json(), message);

    proxy.delay(Duration::from_secs(3));
    for _ in 0..2 {
        let started = Instant::now();
        alice.read_message(&message).await.assert_unavailable();
        alice.try_post_message(&bob, "too slowly").await.assert_unavailable();
        let took = started.elapsed();
        assert!(took < SILENCE_AT_MOST, "it took {took:?}");
    }
    // A reply that came too late is not taken for the reply to a later command.
    proxy.delay(Duration::ZERO);
    assert_eq!(alice.read_message(&message).await.json(), message);
    let again = alice.post_message(&bob, "again").await;
    assert_eq!(phone.expect("new_message").await["data"], again);
    assert_eq!(app.ended("CreateMessage"), Some(0));
}

#[tokio::test]
async fn a_node_that_is_away_costs_those_it_keeps_things_for_a_503() {
    let mut store = TestStore::start(Cluster).await;
    let app = App::builder().on_store(&store).start().await;
    let alice = app.user("alice");
    // Those of one conversation are kept by one node, and those of many by every node.
    let peers: Vec<_> = (0..40).map(|_| app.user("bob")).collect();
    let messages = join_all(peers.iter().map(|bob| alice.post_message(bob, "hello"))).await;
    let read_all = async || join_all(messages.iter().map(|message| alice.read_message(message))).await;

    store.stop_node().await;
    let started = Instant::now();
    let replies = read_all().await;
    let took = started.elapsed();
    assert!(took < SILENCE_AT_MOST, "it took {took:?}");
    let (read, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert!(!read.is_empty() && !refused.is_empty(), "{} were read", read.len());
    for reply in refused {
        reply.assert_unavailable();
    }

    store.restart_node().await;
    // It has forgotten what it kept, and takes its time to join the others.
    wait_until("an answer of every node", async || {
        let replies = read_all().await;
        let statuses: BTreeSet<_> = replies.iter().map(|reply| reply.status).collect();
        assert!(statuses.is_subset(&BTreeSet::from([200, 404, 503])), "{statuses:?}");
        !statuses.contains(&503)
    })
    .await;
    assert_eq!(app.ended("GetMessage"), Some(0));
}

#[tokio::test]
async fn a_node_that_falls_silent_costs_the_others_no_request() {
    let store = TestStore::start(Cluster).await;
    let app = App::builder().on_store(&store).start().await;
    let alice = app.user("alice");
    let peers: Vec<_> = (0..40).map(|_| app.user("bob")).collect();
    let messages = join_all(peers.iter().map(|bob| alice.post_message(bob, "hello"))).await;
    let read_all = async || join_all(messages.iter().map(|message| alice.read_message(message))).await;
    // As many instances as there will be at once are connected to every node.
    assert!(read_all().await.iter().all(|reply| reply.status == 200));

    let paused = store.pause_node().await;
    let started = Instant::now();
    let replies = read_all().await;
    let took = started.elapsed();
    assert!(took < SILENCE_AT_MOST, "it took {took:?}");
    let (mut elsewhere, mut refused) = (Vec::new(), 0);
    for (message, reply) in messages.iter().zip(replies) {
        match reply.status {
            200 => elsewhere.push(message),
            _ => {
                reply.assert_unavailable();
                refused += 1;
            }
        }
    }
    assert!(!elsewhere.is_empty() && refused > 0, "{refused} were refused");
    for message in elsewhere {
        assert_eq!(&alice.read_message(message).await.json(), message);
    }
    drop(paused);
    wait_until("an answer of every node", async || read_all().await.iter().all(|reply| reply.status == 200))
        .await;
    assert_eq!(app.ended("GetMessage"), Some(0));
}

#[tokio::test]
async fn a_store_that_forgets_its_scripts_costs_no_request() {
    let store = TestStore::start(Single).await;
    let app = App::builder().on_store(&store).one_instance().start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    for content in ["before", "after"] {
        let message = alice.post_message(&bob, content).await;
        assert_eq!(phone.expect("new_message").await["data"], message);
        let edited = alice.edit_message(&message, "edited").await;
        assert_eq!(phone.expect("update_message").await["data"], edited);
        assert!(bob.list_conversation(&alice).await.ends_with(&[edited]));
        phone.register(&bob.key).await;
        alice.delete_message(&message).await;
        phone.expect("delete_message").await;
        store.tell("SCRIPT FLUSH").await;
    }
}

#[tokio::test]
async fn a_store_that_pauses_its_clients_is_waited_for_and_costs_a_503_if_it_does_for_long() {
    let store = TestStore::start(Single).await;
    let app = App::builder().on_store(&store).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    alice.post_message(&bob, "before").await;
    store.tell("CLIENT PAUSE 1000 ALL").await;
    let mut kept = vec![alice.post_message(&bob, "late").await];

    store.tell("CLIENT PAUSE 60000 WRITE").await;
    for _ in 0..2 {
        let started = Instant::now();
        alice.try_post_message(&bob, "too late").await.assert_unavailable();
        let took = started.elapsed();
        assert!(took < SILENCE_AT_MOST, "it took {took:?}");
    }
    store.tell("CLIENT UNPAUSE").await;
    kept.push(alice.post_message(&bob, "after").await);
    // Whatever reached the store before it went on and was not acknowledged is in all views or in none.
    let listed = bob.list_messages().await;
    assert!(kept.iter().all(|message| listed.contains(message)), "{listed:?}");
    for message in &listed {
        assert_eq!(&bob.read_message(message).await.json(), message);
    }
}

#[tokio::test]
async fn a_cluster_that_falls_silent_while_it_is_connected_to_costs_seconds_and_a_503() {
    let mute = Arc::new(AtomicBool::new(false));
    let is_mute = Arc::clone(&mute);
    let admission: Arc<Admission> = Arc::new(move |client, _| {
        let is_mute = Arc::clone(&is_mute);
        async move {
            if is_mute.load(Ordering::Relaxed) {
                greet(client).await?;
                std::future::pending::<()>().await;
            }
            Ok(())
        }
        .boxed()
    });
    let store = TestStore::start_with(SecureCluster, admission).await;
    let app = App::builder().on_store(&store).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "before").await;
    assert_eq!(alice.read_message(&message).await.json(), message);
    mute.store(true, Ordering::Relaxed);
    store.cut().await;
    for _ in 0..2 {
        let started = Instant::now();
        alice.read_message(&message).await.assert_unavailable();
        let took = started.elapsed();
        assert!(took < Duration::from_secs(5), "it took {took:?}");
    }
    mute.store(false, Ordering::Relaxed);
    assert_eq!(alice.read_message(&message).await.json(), message);
}

/// Answers logins and pings, until anything else is asked.
async fn greet(client: &mut Client) -> io::Result<()> {
    let mut sent = Vec::new();
    loop {
        while let Some((command, length)) = read_command(&sent) {
            sent.drain(..length);
            let reply = match command[0].as_str() {
                "AUTH" | "CLIENT" => "+OK\r\n",
                "PING" => "+PONG\r\n",
                _ => return Ok(()),
            };
            client.write_all(reply.as_bytes()).await?;
            client.flush().await?;
        }
        if client.read_buf(&mut sent).await? == 0 {
            return Ok(());
        }
    }
}
