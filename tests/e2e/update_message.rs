//! `PUT /messages/{id}`.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};
use support::App;
use support::StoreKind::{self, SecureCluster, Single};

const REQUIRED: &str = "Content is required";

#[rstest]
#[tokio::test]
async fn an_edited_message_is_answered_whole(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let created = alice.post_message(&bob, "hello").await;
    let reply = alice.try_edit_message(&created, "bye").await;

    let edited = reply.data();
    let updated_at = edited["updated_at"].as_str().expect("a time");
    let text = |field: &str| created[field].as_str().expect("a string").to_owned();
    let expected = format!(
        r#"{{"message":"Message updated","data":{{"id":"{}","sender_id":"{}","receiver_id":"{}","content":"bye","created_at":"{}","updated_at":"{updated_at}"}}}}"#,
        text("id"),
        text("sender_id"),
        text("receiver_id"),
        text("created_at"),
    );
    assert_eq!((reply.status, reply.text()), (200, expected.as_str()));
    assert!(*updated_at > *text("created_at"));
    assert_eq!(alice.read_message(&created).await.json(), edited);
    assert_eq!(bob.list_messages().await, [edited]);
}

#[tokio::test]
async fn a_body_without_content_is_refused_with_a_sentence_that_names_the_fault() {
    let app = App::open().await;
    let message = app.user("alice").post_message(&app.user("bob"), "hello").await;
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    for body in ["", "{}", r#"{"content":""}"#, r#"{"content":null}"#, r#"{"text":"bye"}"#] {
        app.put(&path, body).await.assert_refused(400, "invalid_request", REQUIRED);
    }
    let faults = [
        ("{", "The body is not valid JSON"),
        ("content=bye", "The body is not valid JSON"),
        ("null", "The body must be a JSON object"),
        ("\"bye\"", "The body must be a JSON object"),
        (r#"["bye"]"#, "The body must be a JSON object"),
        (r#"{"content":1}"#, "content must be a string"),
        (r#"{"content":["bye"]}"#, "content must be a string"),
    ];
    for (body, sentence) in faults {
        app.put(&path, body).await.assert_refused(400, "invalid_request", sentence);
    }
    let too_large = json!({ "content": "x".repeat(16_385) }).to_string();
    let sentence = "content may hold at most 16384 bytes of UTF-8";
    app.put(&path, too_large).await.assert_refused(413, "too_large", sentence);
    assert_eq!(app.get(&path).await.json(), message);
}

#[tokio::test]
async fn only_the_content_changes() {
    let app = App::open().await;
    let message = app.user("alice").post_message(&app.user("bob"), "hello").await;
    let body = r#"{"content":"bye","sender_id":"mallory","id":"1","created_at":"","updated_at":null}"#;
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    let edited = app.put(&path, body).await.data();
    for field in ["id", "sender_id", "receiver_id", "created_at"] {
        assert_eq!(edited[field], message[field]);
    }
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_edited() {
    let app = App::open().await;
    for id in [uuid::Uuid::now_v7().to_string(), "1".to_owned(), "%00".to_owned()] {
        app.put(&format!("/messages/{id}"), r#"{"content":"bye"}"#).await.assert_not_found();
    }
}

#[tokio::test]
async fn every_concurrent_edit_is_later_than_the_one_it_replaced() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "0").await;
    let texts: Vec<_> = (1..=20).map(|turn: u32| turn.to_string()).collect();
    let mut edits: Vec<Value> = join_all(texts.iter().map(|text| alice.edit_message(&message, text))).await;
    edits.sort_by_key(|edit| edit["updated_at"].as_str().map(str::to_owned));
    assert!(edits.windows(2).all(|pair| pair[0]["updated_at"] != pair[1]["updated_at"]), "{edits:?}");
    assert_eq!(alice.read_message(&message).await.json(), edits[19]);
}
