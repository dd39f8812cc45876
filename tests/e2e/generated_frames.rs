//! Frames that nobody thought of, 500 of each type: each is answered or relayed once, none is lost, and the
//! connection stays open.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use support::StoreKind::SecureCluster;
use support::{App, Device, Generator, User};

const COUNT: usize = 500;
/// How many are sent before their answers are read; more than the gateway takes at once.
const BATCH: usize = 100;

/// An object with a type and a `ref` that is surely echoed.
fn frame(
    generator: &mut Generator,
    kind: &str,
    number: usize,
    fields: &[(&str, Value)],
) -> Map<String, Value> {
    let mut frame = generator.object(fields);
    // These keep the object a frame of this type, and its answer recognizable.
    for name in ["type", "ref", "call_id"] {
        frame.remove(name);
    }
    frame.insert("type".to_owned(), json!(kind));
    frame.insert("ref".to_owned(), json!(number.to_string()));
    frame
}

/// Sends them in batches; those that `reads` tells arrive at `peer`, all others are answered.
async fn send_all(device: &mut Device, peer: &mut Device, kind: &str, frames: Vec<Map<String, Value>>) {
    let mut answered = BTreeSet::new();
    for batch in frames.chunks(BATCH) {
        let mut expected_here = 0;
        let mut expected_there = 0;
        for frame in batch {
            device.send(Value::Object(frame.clone())).await;
            match is_user_key(frame.get("target")) {
                true => expected_there += 1,
                false => expected_here += 1,
            }
        }
        for _ in 0..expected_here {
            let error = device.next().await;
            assert_eq!(error["code"], "invalid_target", "{error}");
            assert!(answered.insert(reference(&error)), "answered twice: {error}");
        }
        for _ in 0..expected_there {
            let relayed = peer.next().await;
            assert_eq!(relayed["type"], kind, "{relayed}");
            let number = reference(&relayed);
            for (name, value) in batch.iter().find(|frame| frame["ref"] == number.as_str()).expect("sent") {
                let expected = if name == "userKey" || name == "sender" { &relayed["sender"] } else { value };
                assert_eq!(&relayed[name], expected, "{name}");
            }
            assert!(answered.insert(number), "relayed twice: {relayed}");
        }
    }
    assert_eq!(answered.len(), COUNT);
    device.expect_silence().await;
    peer.expect_silence().await;
}

fn reference(frame: &Value) -> String {
    frame["ref"].as_str().unwrap_or_else(|| panic!("no ref: {frame}")).to_owned()
}

fn is_user_key(value: Option<&Value>) -> bool {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    !text.is_empty() && text.len() <= 128 && !text.chars().any(char::is_control)
}

/// A target is the peer, or else no user key at all, so that each frame has one fate.
async fn any_signal_is_answered_or_relayed(kind: &str) {
    // An offer that a later one has overtaken would be of the past.
    let app = App::builder().serial_frames().start().await;
    let mut generator = Generator::seeded();
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    let frames = (0..COUNT).map(|number| signal(&mut generator, kind, number, &alice, &bob)).collect();
    if kind == "candidate" {
        describe(&mut phone, &alice, &mut laptop, &bob).await;
    }
    send_all(&mut phone, &mut laptop, kind, frames).await;
}

fn signal(
    generator: &mut Generator,
    kind: &str,
    number: usize,
    alice: &User,
    bob: &User,
) -> Map<String, Value> {
    let fields = [("target", json!(bob.key)), ("userKey", json!(alice.key)), ("data", generator.value())];
    let mut frame = frame(generator, kind, number, &fields);
    if is_user_key(frame.get("target")) && generator.chance(20) {
        frame.insert("sender".to_owned(), generator.value());
    }
    if frame.get("target") != Some(&json!(bob.key)) && is_user_key(frame.get("target")) {
        frame.insert("target".to_owned(), json!(""));
    }
    frame
}

/// Candidates are relayed at once only after their description.
async fn describe(phone: &mut Device, alice: &User, laptop: &mut Device, bob: &User) {
    phone.signal("offer", alice, bob, json!("v=0")).await;
    laptop.expect("offer").await;
    phone.settle().await;
}

#[tokio::test]
async fn any_offer_is_answered_or_relayed() {
    any_signal_is_answered_or_relayed("offer").await;
}

#[tokio::test]
async fn any_answer_is_answered_or_relayed() {
    any_signal_is_answered_or_relayed("answer").await;
}

#[tokio::test]
async fn any_candidate_is_answered_or_relayed() {
    any_signal_is_answered_or_relayed("candidate").await;
}

#[tokio::test]
async fn any_end_of_a_call_is_answered_or_relayed() {
    let app = App::builder().serial_frames().start().await;
    let mut generator = Generator::seeded();
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    for number in 0..BATCH {
        let end = signal(&mut generator, "end_call", number, &alice, &bob);
        phone.signal("offer", &alice, &bob, json!("v=0")).await;
        laptop.expect("offer").await;
        phone.send(Value::Object(end.clone())).await;
        if is_user_key(end.get("target")) {
            let relayed = laptop.next().await;
            assert_eq!(relayed["type"], "end_call", "{relayed}");
            for (name, value) in &end {
                let expected = if name == "userKey" || name == "sender" { &relayed["sender"] } else { value };
                assert_eq!(&relayed[name], expected, "{name}");
            }
            // The next offer is given again to a device that may have got it before this end.
            phone.settle().await;
        } else {
            assert_eq!(phone.next().await["code"], "invalid_target");
        }
    }
}

#[tokio::test]
async fn any_registration_is_answered() {
    let app = App::open_on(SecureCluster).await;
    let mut generator = Generator::seeded();
    let alice = app.user("alice");
    let mut device = app.connect().await;
    let frames: Vec<_> = (0..COUNT)
        .map(|number| frame(&mut generator, "register", number, &[("userKey", json!(alice.key))]))
        .collect();
    let mut answered = BTreeSet::new();
    for batch in frames.chunks(BATCH) {
        for frame in batch {
            device.send(Value::Object(frame.clone())).await;
        }
        for _ in batch {
            let answer = device.next().await;
            let number = reference(&answer);
            let sent = batch.iter().find(|frame| frame["ref"] == number.as_str()).expect("sent");
            match is_user_key(sent.get("userKey")) {
                true => assert_eq!(
                    (&answer["type"], &answer["userKey"]),
                    (&json!("registered"), &sent["userKey"])
                ),
                false => assert_eq!(answer["code"], "invalid_user_key", "{answer}"),
            }
            assert!(answered.insert(number), "answered twice: {answer}");
        }
    }
    assert_eq!(answered.len(), COUNT);
    device.expect_silence().await;
    device.register(&alice.key).await;
}

#[tokio::test]
async fn any_unknown_frame_is_answered() {
    let app = App::open().await;
    let mut generator = Generator::seeded();
    let mut device = app.connect().await;
    for _ in 0..COUNT / BATCH {
        let mut expected = Vec::new();
        for number in 0..BATCH {
            let kind = generator.text();
            let known = shared::protocol::client::FRAME_TYPES.contains(&kind.as_str());
            let mut frame = frame(&mut generator, if known { "" } else { &kind }, number, &[]);
            if generator.chance(4) {
                frame.insert("type".to_owned(), generator.object(&[]).into());
            }
            expected.push(if frame["type"].is_string() { "unknown_type" } else { "invalid_frame" });
            device.send(Value::Object(frame)).await;
        }
        for _ in 0..BATCH {
            let error = device.next().await;
            let number: usize = reference(&error).parse().expect("a number");
            let code = std::mem::take(&mut expected[number]);
            assert_eq!(error["code"], code, "{error}");
        }
    }
    device.expect_silence().await;
}

#[tokio::test]
async fn any_text_that_is_no_frame_is_answered() {
    let app = App::open().await;
    let mut generator = Generator::seeded();
    let mut device = app.user("alice").connect().await;
    for _ in 0..COUNT / BATCH {
        for _ in 0..BATCH {
            let object = generator.object(&[("type", json!("ping")), ("target", json!("bob"))]);
            device.send_text(generator.broken_object(&object)).await;
        }
        for _ in 0..BATCH {
            assert_eq!(device.next().await["code"], "invalid_frame");
        }
    }
    device.expect_silence().await;
}

#[tokio::test]
async fn any_ping_is_answered_and_any_hint_ignored() {
    let app = App::open().await;
    let mut generator = Generator::seeded();
    let mut device = app.connect().await;
    let kinds = ["ping", "new_message", "update_message", "delete_message"];
    for number in 0..COUNT {
        for kind in kinds {
            let frame = frame(&mut generator, kind, number, &[("data", json!({ "id": 1 }))]);
            device.send(Value::Object(frame)).await;
        }
        assert_eq!(device.next_text().await, r#"{"type":"pong"}"#);
    }
    device.expect_silence().await;
}
