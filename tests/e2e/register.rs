//! `register`: whom a connection speaks for.

use std::cell::Cell;

use futures_util::future::{join, join_all};
use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Device, User};

async fn say(device: &mut Device, frame: Value) -> String {
    device.send(frame).await;
    device.next_text().await
}

#[rstest]
#[tokio::test]
async fn a_registration_is_answered_with_the_users_latest_event(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::open_on(store).await;
    let alice = app.user("alice");
    let key = &alice.key;
    let mut first = app.connect().await;
    let answer = say(&mut first, json!({ "type": "register", "userKey": key })).await;
    assert_eq!(answer, format!(r#"{{"type":"registered","userKey":"{key}","event_id":"0-0","calls":[]}}"#));

    alice.post_message(&alice, "hello").await;
    let event = first.expect("new_message").await["event_id"].clone();
    let mut second = app.connect().await;
    let answer = say(&mut second, json!({ "type": "register", "userKey": key, "x": [1] })).await;
    assert_eq!(answer, format!(r#"{{"type":"registered","userKey":"{key}","event_id":{event},"calls":[]}}"#));
}

#[tokio::test]
async fn a_reference_is_echoed() {
    let app = App::open().await;
    let alice = app.user("alice");
    let mut phone = app.connect().await;
    phone.send(json!({ "type": "register", "userKey": alice.key, "ref": "r-1 😀" })).await;
    assert_eq!(phone.next().await["ref"], "r-1 😀");
    let longest = "é".repeat(32);
    phone.send(json!({ "type": "register", "userKey": alice.key, "ref": longest })).await;
    assert_eq!(phone.next().await["ref"], longest);
    for not_echoed in [json!("x".repeat(65)), json!(7), json!(null), json!(["r"])] {
        phone.send(json!({ "type": "register", "userKey": alice.key, "ref": not_echoed })).await;
        assert_eq!(phone.next().await.get("ref"), None);
    }
}

#[tokio::test]
async fn only_a_user_key_can_be_registered() {
    let app = App::open().await;
    let mut phone = app.connect().await;
    let bad = [
        json!(null),
        json!(""),
        json!(1),
        json!(true),
        json!(["alice"]),
        json!({ "key": "alice" }),
        json!("x".repeat(129)),
        json!("a\u{0}b"),
        json!("\n"),
        json!("\u{85}"),
    ];
    let refusal = r#"{"type":"error","error":"userKey must be a user key: 1 to 128 bytes, no control characters","code":"invalid_user_key","request_type":"register","ref":"r"}"#;
    for key in bad {
        let answer = say(&mut phone, json!({ "type": "register", "userKey": key, "ref": "r" })).await;
        assert_eq!(answer, refusal, "{key}");
    }
    let answer = say(&mut phone, json!({ "type": "register", "ref": "r" })).await;
    assert_eq!(answer, refusal);
    phone.register(&app.user("alice").key).await;
    phone.expect_silence().await;
}

#[rstest]
#[tokio::test]
async fn a_connection_that_registers_as_another_user_has_moved(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = alice.connect().await;
    phone.register(&bob.key).await;
    alice.post_message(&alice, "not for bob").await;
    phone.expect_silence().await;
    let message = bob.post_message(&bob, "for bob").await;
    assert_eq!(phone.expect("new_message").await["data"], message);
    phone.expect_silence().await;

    // Its calls move, too: what it sends is bob's, and alice has no connection any more.
    let mut laptop = bob.connect().await;
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    assert_eq!(laptop.expect("offer").await["sender"], bob.key.as_str());
    laptop.signal("offer", &bob, &alice, json!("v=0")).await;
    assert_eq!(laptop.expect("error").await["code"], "peer_unavailable");

    // The offer has waited for alice.
    phone.register(&alice.key).await;
    phone.expect("offer").await;
    let message = alice.post_message(&alice, "for alice").await;
    assert_eq!(phone.expect("new_message").await["data"], message);
    bob.post_message(&bob, "not for alice").await;
    phone.expect_silence().await;
}

#[tokio::test]
async fn a_connection_that_registers_twice_is_told_once() {
    let app = App::open_on(SecureCluster).await;
    let alice = app.user("alice");
    let mut phone = alice.connect().await;
    for _ in 0..3 {
        phone.register(&alice.key).await;
    }
    alice.post_message(&alice, "hello").await;
    phone.expect("new_message").await;
    phone.expect_silence().await;
}

#[tokio::test]
async fn registrations_sent_at_once_are_all_answered() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = app.connect().await;
    for turn in 0..20 {
        let key = if turn % 2 == 0 { &alice.key } else { &bob.key };
        phone.send(json!({ "type": "register", "userKey": key })).await;
    }
    phone.expect_many("registered", 20).await;
    phone.settle().await;
    // It is registered for one of the two, and once.
    alice.post_message(&bob, "hello").await;
    phone.expect("new_message").await;
    phone.expect_silence().await;
}

#[tokio::test]
async fn a_device_that_registers_while_messages_pour_in_is_told_of_every_later_one() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let registered_all = Cell::new(false);
    let pour = async || {
        let mut poured = 0;
        while !registered_all.get() {
            alice.post_message(&bob, "hello").await;
            poured += 1;
        }
        poured
    };
    let register_several = async || {
        let mut devices = Vec::new();
        for _ in 0..9 {
            devices.push(register(&app, &bob).await);
        }
        devices
    };
    let registering = async {
        let (one, other) = join(register_several(), register_several()).await;
        registered_all.set(true);
        one.into_iter().chain(other)
    };
    let (poured, devices) = join(join_all([pour(), pour(), pour()]), registering).await;
    let last: u64 = poured.iter().sum();
    for (mut device, registered) in devices {
        for expected in event_number(&registered) + 1..=last {
            let seen = device
                .expect_where("every event since", |frame| {
                    frame["type"] == "new_message" && event_number(frame) == expected
                })
                .await;
            assert_eq!(seen["data"]["receiver_id"], bob.key.as_str());
        }
    }
}

/// Registers a new connection, which may be told of messages before it is told so.
async fn register(app: &App, user: &User) -> (Device, Value) {
    let mut device = app.connect().await;
    device.send(json!({ "type": "register", "userKey": user.key })).await;
    let registered = device.expect_where("registered", |frame| frame["type"] == "registered").await;
    (device, registered)
}

fn event_number(frame: &Value) -> u64 {
    let id = frame["event_id"].as_str().expect("an event id");
    id.split_once('-').expect("a number and a tag").0.parse().expect("a number")
}
