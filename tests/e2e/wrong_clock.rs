//! Functions whose clock is an hour off: what one writes and others compare is by the store's clock.

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use support::StoreKind::Single;
use support::{App, AppBuilder, Clock, Message, TestStore};

const HOUR: i64 = 3600;

/// Connections live for less than the hour, in seconds.
const LIFETIME: &str = "1200";

#[rstest]
#[tokio::test]
async fn functions_whose_clocks_are_an_hour_apart_reach_each_others_connections(
    #[values(HOUR, -HOUR)] off: i64,
    #[values(true, false)] registers: bool,
) {
    let Some(clock) = Clock::start() else { return };
    clock.shift(off);
    let store = TestStore::start(Single).await;
    let (right, wrong) = (builder(&store), builder(&store).clock(&clock));
    let (registering, sending) = if registers { (wrong, right) } else { (right, wrong) };
    let registering = registering.start().await;
    let endpoint = format!("http://localhost:{}", registering.port());
    let sending = sending.environment("MANAGEMENT_ENDPOINT", &endpoint).start().await;
    let (alice, bob) = (sending.user("alice"), sending.user("bob"));
    let mut phone = registering.user_called(&bob.key).connect().await;
    for content in ["first", "second"] {
        let message = alice.post_message(&bob, content).await;
        assert_eq!(phone.expect("new_message").await["data"], message);
        let there = registering.user_called(&alice.key).post_message(&bob, content).await;
        assert_eq!(phone.expect("new_message").await["data"], there);
    }
}

#[rstest]
#[tokio::test]
async fn messages_of_a_function_whose_clock_is_an_hour_off_are_as_good(#[values(HOUR, -HOUR)] off: i64) {
    let Some(clock) = Clock::start() else { return };
    clock.shift(off);
    let store = TestStore::start(Single).await;
    let right = builder(&store).start().await;
    let wrong = builder(&store).clock(&clock).one_instance().start().await;
    let (alice, bob) = (right.user("alice"), right.user("bob"));
    let alice_there = wrong.user_called(&alice.key);

    let first = alice_there.post_message(&bob, "first").await;
    let second = alice_there.post_message(&bob, "second").await;
    let third = alice.post_message(&bob, "third").await;
    for message in [&first, &second, &third] {
        assert_eq!(&alice.read_message(message).await.json(), message);
        assert_eq!(&alice_there.read_message(message).await.json(), message);
    }
    for message in [&first, &second, &third] {
        assert!((created(message) - Utc::now()).abs() < TimeDelta::minutes(1), "{message}");
    }
    let mut before = String::new();
    for (turn, editor) in [&alice_there, &alice, &alice_there, &alice].into_iter().enumerate() {
        let edited = editor.edit_message(&third, &format!("edit {turn}")).await;
        let updated = edited["updated_at"].as_str().expect("a time").to_owned();
        assert!(updated > before, "{updated} after {before}");
        before = updated;
    }
    alice_there.delete_message(&first).await;
    alice.try_delete_message(&first).await.assert_not_found();
    assert_eq!(bob.list_messages().await.len(), 2);
}

fn builder(store: &TestStore) -> AppBuilder {
    App::builder().on_store(store).environment("CONNECTION_LIFETIME", LIFETIME)
}

fn created(message: &Message) -> DateTime<Utc> {
    let text = message["created_at"].as_str().expect("a time");
    DateTime::parse_from_rfc3339(text).expect("a time").into()
}
