//! Which connections are notified of a message, and how.

use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use rstest::rstest;
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Device};

#[rstest]
#[tokio::test]
async fn every_device_of_both_participants_is_told_and_nobody_else(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::open_on(store).await;
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let mut devices = [
        alice.connect().await,
        alice.connect().await,
        bob.connect().await,
        bob.connect().await,
        bob.connect().await,
    ];
    let mut others = [carol.connect().await, app.connect().await];

    let message = alice.post_message(&bob, "hello").await;
    for device in &mut devices {
        assert_eq!(next_but_event(device).await, told("new_message", &message));
    }
    let edited = alice.edit_message(&message, "bye").await;
    for device in &mut devices {
        assert_eq!(next_but_event(device).await, told("update_message", &edited));
    }
    alice.delete_message(&message).await;
    for device in &mut devices {
        assert_eq!(next_but_event(device).await, told("delete_message", &json!({ "id": message["id"] })));
        device.expect_silence().await;
    }
    for other in &mut others {
        other.expect_silence().await;
    }
}

#[tokio::test]
async fn a_notification_has_exactly_these_fields_in_this_order() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    let reply = alice.try_post_message(&bob, "hello").await;
    let data = reply.text().strip_prefix(r#"{"message":"Message created","data":"#).expect("a message");
    let data = data.strip_suffix('}').expect("the end");
    let frame = phone.next_text().await;
    let event: Value = serde_json::from_str::<Value>(&frame).expect("JSON")["event_id"].clone();
    assert_eq!(frame, format!(r#"{{"type":"new_message","data":{data},"event_id":{event}}}"#));
}

#[tokio::test]
async fn event_ids_of_a_user_grow_by_one() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let (mut phone, mut laptop) = (alice.connect().await, alice.connect().await);
    let message = alice.post_message(&bob, "1").await;
    carol.post_message(&alice, "2").await;
    alice.edit_message(&message, "3").await;
    bob.post_message(&carol, "not an event of alice").await;
    alice.delete_message(&message).await;
    alice.post_message(&alice, "5").await;
    let mut numbers = Vec::new();
    for _ in 0..5 {
        let event = phone.next().await["event_id"].as_str().expect("an event id").to_owned();
        assert_eq!(laptop.next().await["event_id"], event.as_str());
        let (number, tag) = event.split_once('-').expect("a number and a tag");
        assert!(!tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_hexdigit()), "{event}");
        numbers.push(number.to_owned());
    }
    assert_eq!(numbers, ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_refused_change_notifies_nobody() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    let message = alice.post_message(&bob, "hello").await;
    phone.expect("new_message").await;
    alice.try_post_message(&bob, "").await;
    alice.try_post_message(&bob, &"x".repeat(20_000)).await;
    alice.try_edit_message(&message, "").await;
    phone.expect_silence().await;
    alice.delete_message(&message).await;
    phone.expect("delete_message").await;
    alice.try_delete_message(&message).await;
    alice.try_edit_message(&message, "again").await;
    phone.expect_silence().await;
}

#[tokio::test]
async fn forty_concurrent_posts_give_forty_ids_and_forty_notifications_to_each_side() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    let texts: Vec<_> = (0..40).map(|turn: u32| turn.to_string()).collect();
    let posted = join_all(texts.iter().map(|text| alice.post_message(&bob, text))).await;

    let ids: BTreeSet<_> = posted.iter().map(|message| message["id"].to_string()).collect();
    assert_eq!(ids.len(), 40);
    assert_eq!(told_ids(&mut phone).await, ids);
    assert_eq!(told_ids(&mut laptop).await, ids);
    let listed: BTreeSet<_> =
        bob.list_messages().await.iter().map(|message| message["id"].to_string()).collect();
    assert_eq!(listed, ids);
}

/// The ids in forty notifications, whose events are numbered from 1 to 40, and no more.
async fn told_ids(device: &mut Device) -> BTreeSet<String> {
    let frames = device.expect_many("new_message", 40).await;
    device.expect_silence().await;
    let event = |frame: &Value| {
        let id = frame["event_id"].as_str().expect("an event id").to_owned();
        id.split_once('-').expect("a number").0.parse::<u32>().expect("a number")
    };
    let numbers: BTreeSet<_> = frames.iter().map(event).collect();
    assert_eq!(numbers, (1..=40).collect());
    frames.iter().map(|frame| frame["data"]["id"].to_string()).collect()
}

fn told(kind: &str, data: &Value) -> Value {
    json!({ "type": kind, "data": data })
}

/// The next frame without its event id, which is each user's own.
async fn next_but_event(device: &mut Device) -> Value {
    let mut frame = device.next().await;
    assert!(frame.as_object_mut().expect("an object").remove("event_id").is_some());
    frame
}
