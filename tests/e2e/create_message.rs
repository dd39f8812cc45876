//! `POST /messages`.

use hyper::Method;
use rstest::rstest;
use serde_json::{Value, json};
use support::App;
use support::StoreKind::{self, SecureCluster, Single};

const REQUIRED: &str = "sender_id, receiver_id, and content are required";
const TOO_LARGE: &str = "content may hold at most 16384 bytes of UTF-8";

fn draft(content: &str) -> String {
    json!({ "sender_id": "alice", "receiver_id": "bob", "content": content }).to_string()
}

#[rstest]
#[tokio::test]
async fn a_created_message_is_answered_whole(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let reply = app.post("/messages", draft("hello")).await;
    let message = reply.data();
    let (id, created_at) = (text(&message, "id"), text(&message, "created_at"));
    let expected = format!(
        r#"{{"message":"Message created","data":{{"id":"{id}","sender_id":"alice","receiver_id":"bob","content":"hello","created_at":"{created_at}","updated_at":null}}}}"#
    );
    assert_eq!((reply.status, reply.text()), (201, expected.as_str()));
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test]
async fn an_id_is_a_uuid_of_version_7_that_holds_the_time_of_creation() {
    let app = App::open().await;
    let message = app.user("alice").post_message(&app.user("bob"), "hello").await;
    let id = uuid::Uuid::parse_str(&text(&message, "id")).expect("a UUID");
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(id.as_hyphenated().to_string(), text(&message, "id"));

    let (seconds, nanoseconds) = id.get_timestamp().expect("a time").to_unix();
    let created_at = text(&message, "created_at");
    assert_eq!(seconds_of_day(&created_at), seconds % 86_400);
    assert!(created_at.ends_with(&format!(".{:03}Z", nanoseconds / 1_000_000)), "{created_at}");
    assert_eq!(created_at.len(), "2024-01-01T12:00:00.000Z".len());
}

#[tokio::test]
async fn ids_ascend_in_the_order_of_creation() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut ids = Vec::new();
    for turn in 0..10 {
        ids.push(text(&alice.post_message(&bob, &turn.to_string()).await, "id"));
    }
    assert!(ids.is_sorted(), "{ids:?}");
}

#[tokio::test]
async fn a_draft_without_its_fields_is_refused_with_the_sentence_that_clients_know() {
    let app = App::open().await;
    let bodies = [
        "",
        " ",
        "{}",
        r#"{"sender_id":"a","receiver_id":"b"}"#,
        r#"{"sender_id":"a","content":"c"}"#,
        r#"{"receiver_id":"b","content":"c"}"#,
        r#"{"sender_id":"","receiver_id":"b","content":"c"}"#,
        r#"{"sender_id":"a","receiver_id":"","content":"c"}"#,
        r#"{"sender_id":"a","receiver_id":"b","content":""}"#,
        r#"{"sender_id":null,"receiver_id":"b","content":"c"}"#,
        r#"{"sender_id":"a","receiver_id":null,"content":"c"}"#,
        r#"{"sender_id":"a","receiver_id":"b","content":null}"#,
    ];
    for body in bodies {
        app.post("/messages", body).await.assert_refused(400, "invalid_request", REQUIRED);
    }
}

#[tokio::test]
async fn a_body_that_is_no_draft_is_refused_with_a_sentence_that_names_the_fault() {
    let app = App::open().await;
    let not_json = "The body is not valid JSON";
    let not_an_object = "The body must be a JSON object";
    let bodies: [(&[u8], &str); 16] = [
        (b"{", not_json),
        (b"{\"sender_id\":\"a\"", not_json),
        (b"<message/>", not_json),
        (b"sender_id=a&receiver_id=b&content=c", not_json),
        (br#"{"sender_id":"a","receiver_id":"b","content":"c"} and more"#, not_json),
        (b"{'sender_id':'a','receiver_id':'b','content':'c'}", not_json),
        (b"{\"sender_id\":\"a\",\"receiver_id\":\"b\",\"content\":\"\xff\"}", not_json),
        (b"null", not_an_object),
        (b"true", not_an_object),
        (b"1", not_an_object),
        (b"\"text\"", not_an_object),
        (b"[]", not_an_object),
        (br#"[{"sender_id":"a","receiver_id":"b","content":"c"}]"#, not_an_object),
        (br#"{"sender_id":1,"receiver_id":"b","content":"c"}"#, "sender_id must be a string"),
        (br#"{"sender_id":"a","receiver_id":["b"],"content":"c"}"#, "receiver_id must be a string"),
        (br#"{"sender_id":"a","receiver_id":"b","content":{"text":"c"}}"#, "content must be a string"),
    ];
    for (body, sentence) in bodies {
        app.post("/messages", body.to_vec()).await.assert_refused(400, "invalid_request", sentence);
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_and_a_byte_order_mark_harm_nothing() {
    let app = App::open().await;
    let body = "\u{feff}{\"sender_id\":\"a\",\"receiver_id\":\"b\",\"content\":\"cut \\ud83d\"}";
    let message = app.post("/messages", body).await.data();
    assert_eq!(message["content"], "cut \u{fffd}");
    let path = format!("/messages/{}", text(&message, "id"));
    assert_eq!(app.put(&path, r#"{"content":"\ude00 too"}"#).await.data()["content"], "\u{fffd} too");
}

#[tokio::test]
async fn a_user_key_has_at_most_128_bytes_and_no_control_characters() {
    let app = App::open().await;
    let (longest, too_long) = ("é".repeat(64), "é".repeat(64) + "x");
    for good in [longest.as_str(), " ", "😀", "\u{200b}"] {
        app.user_called(good).post_message(&app.user_called(good), "hello").await;
    }
    for bad in [too_long.as_str(), "a\0b", "\n", "a\u{7f}", "\u{85}"] {
        let (good, bad) = (app.user("alice"), app.user_called(bad));
        let refused = [("receiver_id", &good, &bad), ("sender_id", &bad, &good)];
        for (name, sender, receiver) in refused {
            let sentence = format!("{name} must be a user key: 1 to 128 bytes, no control characters");
            let reply = sender.try_post_message(receiver, "x").await;
            reply.assert_refused(400, "invalid_request", &sentence);
        }
    }
}

#[tokio::test]
async fn content_holds_at_most_16384_bytes() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    for largest in ["x".repeat(16_384), "é".repeat(8_192), "😀".repeat(4_096), "\0".repeat(16_384)] {
        let message = alice.post_message(&bob, &largest).await;
        assert_eq!(alice.read_message(&message).await.json()["content"], largest);
    }
    for larger in ["x".repeat(16_385), "é".repeat(8_192) + "x", "x".repeat(1_000_000)] {
        alice.try_post_message(&bob, &larger).await.assert_refused(413, "too_large", TOO_LARGE);
    }
    assert_eq!(alice.list_messages().await.len(), 4);
}

#[tokio::test]
async fn any_unicode_survives() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    let texts = [
        "\0",
        "\u{1}\u{1f}\u{7f}\u{85}\u{9f}",
        "👩‍👩‍👧‍👦 🇺🇳 e\u{301} \u{10FFFF} \u{FFFF} \u{FEFF}",
        "\u{2028}\u{2029} \u{202e}أهلا שלום",
        "\"\\/\u{8}\u{c}\n\r\t</script>{{}}%s%00\\u0000",
        "   ",
    ];
    for content in texts {
        let message = alice.post_message(&bob, content).await;
        assert_eq!(message["content"], content);
        assert_eq!(bob.read_message(&message).await.json(), message);
        assert_eq!(phone.expect("new_message").await["data"], message);
        assert_eq!(bob.list_messages().await.last(), Some(&message));
    }
}

#[tokio::test]
async fn the_content_type_does_not_matter() {
    let app = App::open().await;
    let types = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "image/png",
        "application/json; charset=utf-16",
        "nonsense",
    ];
    for content_type in types {
        let headers = [("content-type", content_type)];
        let reply = app.send_with(Method::POST, "/messages", &headers, draft("héllo")).await;
        assert_eq!(reply.data()["content"], "héllo", "{content_type}");
    }
    let reply = app.send_with(Method::POST, "/messages", &[], draft("héllo")).await;
    assert_eq!(reply.data()["content"], "héllo");
}

#[tokio::test]
async fn unknown_fields_and_parameters_are_ignored() {
    let app = App::open().await;
    let body = r#"{"id":"1","created_at":5,"sender_id":"a","receiver_id":"b","content":"c","more":{"x":[]}}"#;
    let message = app.post("/messages?x=%00&limit=0", body).await.data();
    assert_ne!(message["id"], "1");
    assert_eq!(message.as_object().expect("an object").len(), 6);
}

#[rstest]
#[tokio::test]
async fn one_may_write_to_oneself(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let alice = app.user("alice");
    let mut phone = alice.connect().await;
    let message = alice.post_message(&alice, "remember").await;
    assert_eq!(phone.expect("new_message").await["data"], message);
    phone.expect_silence().await;
    assert_eq!(alice.list_messages().await, [message]);
}

fn text(message: &Value, field: &str) -> String {
    message[field].as_str().expect("a string").to_owned()
}

fn seconds_of_day(time: &str) -> u64 {
    let part = |from: usize| time[from..from + 2].parse::<u64>().expect("digits");
    part(11) * 3600 + part(14) * 60 + part(17)
}
