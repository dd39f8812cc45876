//! Frames that are no signals: pings, hints, nonsense, and what is too large.

use serde_json::json;
use support::App;

const NOT_AN_OBJECT: &str =
    r#"{"type":"error","error":"A frame must be a JSON object","code":"invalid_frame"}"#;

#[tokio::test]
async fn a_ping_is_answered_with_exactly_a_pong() {
    let app = App::open().await;
    let mut device = app.connect().await;
    for ping in [
        r#"{"type":"ping"}"#,
        r#"{"type":"ping","ref":"r","x":[1]}"#,
        r#" { "x":0, "type" : "ping" } "#,
        "\u{feff}{\"type\":\"ping\"}",
    ] {
        device.send_text(ping).await;
        assert_eq!(device.next_text().await, r#"{"type":"pong"}"#);
    }
    device.register(&app.user("alice").key).await;
    device.expect_silence().await;
}

#[tokio::test]
async fn hints_are_ignored_in_silence() {
    let app = App::open().await;
    let mut device = app.user("alice").connect().await;
    for hint in ["new_message", "update_message", "delete_message"] {
        device.send(json!({ "type": hint })).await;
        device.send(json!({ "type": hint, "data": { "id": 1 }, "ref": "r", "target": "bob" })).await;
    }
    device.settle().await;
    device.expect_silence().await;
}

#[tokio::test]
async fn a_text_that_is_no_json_object_is_answered_and_the_connection_stays_open() {
    let app = App::open().await;
    let mut device = app.user("alice").connect().await;
    let texts = [
        "",
        " ",
        "hello",
        "null",
        "true",
        "5",
        "\"ping\"",
        "[]",
        r#"["ping"]"#,
        r#"[{"type":"ping"}]"#,
        "{",
        r#"{"type":"ping""#,
        r#"{"type":"ping"} {"type":"ping"}"#,
        r#"{"type":"ping",}"#,
        "{'type':'ping'}",
        "{type:\"ping\"}",
        "<ping/>",
        "\0",
    ];
    for text in texts {
        device.send_text(text).await;
        assert_eq!(device.next_text().await, NOT_AN_OBJECT, "{text:?}");
    }
    device.expect_silence().await;
}

#[tokio::test]
async fn a_frame_needs_a_type_that_is_a_string() {
    let app = App::open().await;
    let mut device = app.connect().await;
    let refusal = r#"{"type":"error","error":"A frame needs a type, which is a string","code":"invalid_frame","ref":"r"}"#;
    for frame in [
        r#"{"ref":"r"}"#,
        r#"{"type":null,"ref":"r"}"#,
        r#"{"type":5,"ref":"r"}"#,
        r#"{"type":true,"ref":"r"}"#,
        r#"{"type":["ping"],"ref":"r"}"#,
        r#"{"type":{"type":"ping"},"ref":"r"}"#,
        r#"{"Type":"ping","ref":"r"}"#,
        r#"{"data":{"type":"ping"},"ref":"r"}"#,
    ] {
        device.send_text(frame).await;
        assert_eq!(device.next_text().await, refusal, "{frame}");
    }
    device.expect_silence().await;
}

#[tokio::test]
async fn an_unknown_type_is_answered() {
    let app = App::open().await;
    let mut device = app.connect().await;
    let types = [
        "",
        "Ping",
        " ping",
        "register ",
        "registered",
        "error",
        "pong",
        "$connect",
        "$disconnect",
        "$default",
        "__proto__",
        "😀",
        "null",
    ];
    for kind in types {
        device.send(json!({ "type": kind, "ref": "r", "target": "bob", "call_id": "c" })).await;
        assert_eq!(
            device.next_text().await,
            format!(
                r#"{{"type":"error","error":"Unknown frame type","code":"unknown_type","request_type":"{kind}","target":"bob","call_id":"c","ref":"r"}}"#
            )
        );
    }
    device.expect_silence().await;
}

#[tokio::test]
async fn frames_sent_at_once_are_all_answered() {
    let app = App::open().await;
    let mut device = app.connect().await;
    for number in 0..300 {
        device.send(json!({ "type": "no such type", "ref": number.to_string() })).await;
    }
    let mut answered: Vec<u32> = Vec::new();
    for frame in device.expect_many("error", 300).await {
        answered.push(frame["ref"].as_str().and_then(|text| text.parse().ok()).expect("a number"));
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..300).collect::<Vec<_>>());
    device.expect_silence().await;
}

#[tokio::test]
async fn a_frame_may_have_32_kb_and_no_more() {
    let app = App::open().await;
    let mut device = app.connect().await;
    device.send_in_one_frame(ping_of(32 * 1024)).await;
    assert_eq!(device.next_text().await, r#"{"type":"pong"}"#);
    device.send_in_one_frame(ping_of(32 * 1024 + 1)).await;
    assert_eq!(device.expect_close().await, 1009);
}

#[tokio::test]
async fn a_message_may_have_128_kb_in_several_frames_and_no_more() {
    let app = App::open().await;
    let mut device = app.connect().await;
    device.send_text(ping_of(128 * 1024)).await;
    assert_eq!(device.next_text().await, r#"{"type":"pong"}"#);
    device.send_text(ping_of(128 * 1024 + 1)).await;
    assert_eq!(device.expect_close().await, 1009);
}

#[tokio::test]
async fn a_large_signal_is_relayed_whole() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    for bytes in [30_000, 40_000, 120_000] {
        let data = "é😀\"\\".repeat(bytes / 10);
        phone.signal("offer", &alice, &bob, json!(data)).await;
        assert_eq!(laptop.expect("offer").await["data"], data);
    }
}

#[tokio::test]
async fn a_signal_that_outgrows_128_kb_with_its_sender_is_refused() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    for kind in ["offer", "answer", "candidate", "end_call"] {
        let empty = json!({ "type": kind, "target": bob.key, "ref": "r", "data": "" }).to_string();
        let room = 128 * 1024 - empty.len();
        let frame = json!({ "type": kind, "target": bob.key, "ref": "r", "data": "x".repeat(room) });
        phone.send(frame).await;
        assert_eq!(
            phone.next_text().await,
            format!(
                r#"{{"type":"error","error":"The frame does not fit 128 KB with its sender added","code":"too_large","request_type":"{kind}","target":"{}","ref":"r"}}"#,
                bob.key
            )
        );
    }
    laptop.expect_silence().await;
}

#[tokio::test]
async fn a_binary_message_closes_the_connection() {
    let app = App::open().await;
    let alice = app.user("alice");
    let (mut phone, mut laptop) = (alice.connect().await, alice.connect().await);
    phone.send_binary(br#"{"type":"ping"}"#).await;
    assert_eq!(phone.expect_close().await, 1003);
    // Only that one, which is forgotten.
    laptop.expect_silence().await;
    alice.post_message(&alice, "hello").await;
    laptop.expect("new_message").await;
}

#[tokio::test]
async fn a_notification_of_the_largest_message_arrives() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    // Six bytes of JSON each.
    let content = "\u{1}".repeat(16_384);
    alice.post_message(&bob, &content).await;
    assert_eq!(phone.expect("new_message").await["data"]["content"], content);
}

/// A ping of exactly this size.
fn ping_of(bytes: usize) -> String {
    let empty = r#"{"type":"ping","x":""}"#;
    format!(r#"{{"type":"ping","x":"{}"}}"#, "x".repeat(bytes - empty.len()))
}
