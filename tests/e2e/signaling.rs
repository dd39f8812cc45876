//! `offer`, `answer`, `candidate`, `end_call`: what is relayed, to whom, in whose name.

use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Device};

const SIGNALS: [&str; 4] = ["offer", "answer", "candidate", "end_call"];

/// Asserts that all that was sent arrived, with its sender; the server may add the call's id.
#[track_caller]
fn assert_relayed(sent: &Value, received: &Value, sender: &str) {
    let (sent, received) = (sent.as_object().expect("an object"), received.as_object().expect("an object"));
    for (name, value) in sent {
        assert_eq!(received.get(name), Some(value), "{name}");
    }
    assert_eq!(received["sender"], sender);
    let added: Vec<_> = received.keys().filter(|name| !sent.contains_key(*name)).collect();
    assert!(added.iter().all(|name| matches!(name.as_str(), "sender" | "call_id")), "{added:?}");
}

#[rstest]
#[tokio::test]
async fn a_call_is_relayed_both_ways(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    let (mut caller, mut callee) = (&mut phone, &mut laptop);
    let (mut from, mut to) = (&alice, &bob);
    for kind in ["offer", "candidate", "answer", "candidate", "end_call"] {
        if kind == "answer" {
            (caller, callee, from, to) = (callee, caller, to, from);
        }
        let sent = json!({
            "type": kind, "target": to.key, "userKey": from.key, "reason": "hangup",
            "data": { "sdp": "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n", "sdpMid": null, "sdpMLineIndex": 0, "x": [] },
        });
        caller.send(sent.clone()).await;
        assert_relayed(&sent, &callee.next().await, &from.key);
    }
    phone.expect_silence().await;
    laptop.expect_silence().await;
}

#[tokio::test]
async fn what_a_signal_holds_passes_through_untouched() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    let values = [
        r#""data":1e400"#,
        r#""data":0.10"#,
        r#""data":123456789012345678901234567890"#,
        r#""data":"\u00e9\/\ud83d\ude00""#,
        r#""data":"\ud800 \udc00\udc00""#,
        r#""data":{ "a" : [ 1 , 2 ] }"#,
        r#""data":null,"call":"me","":0"#,
        r#""data":{"type":"ping","target":"nobody"}"#,
        r#""Type":"x","TARGET":"y","sender_id":"z""#,
    ];
    let deep = format!(r#""data":{}1{}"#, "[".repeat(10_000), "]".repeat(10_000));
    for value in values.into_iter().chain([deep.as_str()]) {
        let sent = format!(r#"{{"type":"offer","target":{},{value}}}"#, json!(bob.key));
        phone.send_text(sent).await;
        let received = laptop.next_text().await;
        assert!(received.contains(value), "{received} lost {value}");
    }
}

#[tokio::test]
async fn a_sender_can_be_neither_forged_nor_overridden() {
    let app = App::open().await;
    let (alice, bob, mallory) = (app.user("alice"), app.user("bob"), app.user("mallory"));
    let (mut phone, mut laptop) = (mallory.connect().await, bob.connect().await);
    for claimed in [json!(alice.key), json!(""), json!(5), json!({}), json!("a\u{0}")] {
        for kind in SIGNALS {
            phone
                .send(json!({
                    "type": kind, "target": bob.key, "userKey": claimed, "sender": alice.key, "data": 1
                }))
                .await;
            let received = laptop.expect(kind).await;
            assert_eq!(received["sender"], mallory.key.as_str());
            assert_eq!(received["userKey"], mallory.key.as_str());
        }
    }
    laptop.expect_silence().await;
}

#[tokio::test]
async fn a_repeated_sender_is_not_believed_either() {
    let app = App::open().await;
    let (bob, mallory) = (app.user("bob"), app.user("mallory"));
    let (mut phone, mut laptop) = (mallory.connect().await, bob.connect().await);
    let sent = format!(
        r#"{{"sender":"a","type":"offer","sender":"b","userKey":"c","target":{},"userKey":"d","s\u0065nder":"e"}}"#,
        json!(bob.key)
    );
    phone.send_text(sent).await;
    let received = laptop.next_text().await;
    assert_eq!(received.matches("sender").count(), 1, "{received}");
    let read: Value = serde_json::from_str(&received).expect("JSON");
    assert_eq!(
        (read["sender"].as_str(), read["userKey"].as_str()),
        (Some(&*mallory.key), Some(&*mallory.key))
    );
}

#[tokio::test]
async fn a_connection_that_never_registered_may_name_its_user() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut stranger, mut laptop) = (app.connect().await, bob.connect().await);
    for kind in SIGNALS {
        let sent = json!({ "type": kind, "target": bob.key, "userKey": alice.key, "data": 1 });
        stranger.send(sent.clone()).await;
        assert_relayed(&sent, &laptop.expect(kind).await, &alice.key);
    }
}

#[tokio::test]
async fn a_connection_that_never_registered_must_name_its_user() {
    let app = App::open().await;
    let bob = app.user("bob");
    let (mut stranger, mut laptop) = (app.connect().await, bob.connect().await);
    for kind in SIGNALS {
        for (key, code, sentence) in [
            (json!(null), "not_registered", "Register before signaling"),
            (
                json!(""),
                "invalid_user_key",
                "userKey must be a user key: 1 to 128 bytes, no control characters",
            ),
            (
                json!(1),
                "invalid_user_key",
                "userKey must be a user key: 1 to 128 bytes, no control characters",
            ),
        ] {
            stranger.send(json!({ "type": kind, "target": bob.key, "userKey": key, "ref": "r" })).await;
            assert_eq!(
                stranger.next_text().await,
                format!(
                    r#"{{"type":"error","error":"{sentence}","code":"{code}","request_type":"{kind}","target":"{}","ref":"r"}}"#,
                    bob.key
                )
            );
        }
    }
    laptop.expect_silence().await;
}

#[tokio::test]
async fn only_a_user_key_can_be_a_target() {
    let app = App::open().await;
    let alice = app.user("alice");
    let mut phone = alice.connect().await;
    let bad =
        [json!(null), json!(""), json!(1), json!([]), json!({}), json!("x".repeat(129)), json!("\u{0}")];
    for kind in SIGNALS {
        let refusal = format!(
            r#"{{"type":"error","error":"target must be a user key: 1 to 128 bytes, no control characters","code":"invalid_target","request_type":"{kind}","ref":"r"}}"#
        );
        for target in &bad {
            phone.send(json!({ "type": kind, "target": target, "userKey": alice.key, "ref": "r" })).await;
            assert_eq!(phone.next_text().await, refusal, "{target}");
        }
        phone.send(json!({ "type": kind, "userKey": alice.key, "ref": "r" })).await;
        assert_eq!(phone.next_text().await, refusal);
    }
    phone.expect_silence().await;
}

#[rstest]
#[tokio::test]
async fn an_offer_reaches_every_device_of_its_target_and_nobody_else(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::open_on(store).await;
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let mut caller = alice.connect().await;
    let mut others = [alice.connect().await, carol.connect().await, app.connect().await];
    let mut devices = [bob.connect().await, bob.connect().await, bob.connect().await];
    caller.signal("offer", &alice, &bob, json!("v=0")).await;
    for device in &mut devices {
        assert_eq!(device.expect("offer").await["sender"], alice.key.as_str());
    }
    caller.settle().await;
    for device in devices.iter_mut().chain(&mut others) {
        device.expect_silence().await;
    }
}

#[tokio::test]
async fn a_frame_to_oneself_goes_to_ones_other_connections() {
    let app = App::open_on(SecureCluster).await;
    let alice = app.user("alice");
    let mut phone = alice.connect().await;
    let mut others = [alice.connect().await, alice.connect().await];
    for kind in ["offer", "candidate", "end_call"] {
        phone.signal(kind, &alice, &alice, json!(1)).await;
        for other in &mut others {
            assert_eq!(other.next().await["type"], kind);
        }
    }
    phone.settle().await;
    phone.expect_silence().await;
    for other in &mut others {
        other.expect_silence().await;
    }
}

#[tokio::test]
async fn an_offer_or_answer_that_nobody_took_is_answered() {
    let app = App::open_on(SecureCluster).await;
    let (alice, nobody) = (app.user("alice"), app.user("nobody"));
    let mut phone = alice.connect().await;
    // An answer makes no call, so there is nothing to hold.
    for (kind, held) in [("answer", ""), ("offer", r#","held_for":60"#)] {
        let frame = json!({ "type": kind, "target": nobody.key, "data": 1, "call_id": "c", "ref": "r" });
        phone.send(frame).await;
        assert_eq!(
            phone.next_text().await,
            format!(
                r#"{{"type":"error","error":"The target has no open connection","code":"peer_unavailable"{held},"request_type":"{kind}","target":"{}","call_id":"c","ref":"r"}}"#,
                nobody.key
            )
        );
    }
}

#[tokio::test]
async fn a_candidate_or_end_of_call_that_nobody_took_is_not_answered() {
    let app = App::open().await;
    let (alice, nobody) = (app.user("alice"), app.user("nobody"));
    let mut phone = alice.connect().await;
    for kind in ["candidate", "end_call"] {
        phone.signal(kind, &alice, &nobody, json!(1)).await;
    }
    phone.settle().await;
    phone.expect_silence().await;
}

#[tokio::test]
async fn a_candidate_without_its_description_waits_for_it() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    phone.signal("candidate", &alice, &bob, json!("early")).await;
    phone.settle().await;
    laptop.expect_silence().await;
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    assert_eq!(laptop.next().await["type"], "offer");
    assert_eq!(laptop.next().await["data"], "early");
}

#[tokio::test]
async fn a_target_whose_connections_are_all_closed_is_unavailable() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, laptop) = (alice.connect().await, bob.connect().await);
    laptop.close().await;
    phone.signal("offer", &alice, &bob, json!(1)).await;
    assert_eq!(phone.next().await["code"], "peer_unavailable");
}

#[tokio::test]
async fn hundreds_of_signals_at_once_all_arrive() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    for number in 0..300 {
        phone.signal("candidate", &alice, &bob, json!(number)).await;
    }
    assert_eq!(laptop.next().await["type"], "offer");
    assert_eq!(numbers(&mut laptop, 300).await, (0..300).collect::<Vec<_>>());
    laptop.expect_silence().await;
}

/// The numbers in so many candidates, sorted.
async fn numbers(device: &mut Device, count: usize) -> Vec<u64> {
    let candidates = device.expect_many("candidate", count).await;
    let mut numbers: Vec<_> =
        candidates.iter().map(|frame| frame["data"].as_u64().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}
