//! Metadata, which clients add to a message for each other.

use serde_json::{Value, json};
use support::App;
use support::StoreKind::SecureCluster;
use support::encoded;

const TOO_LARGE: &str = "metadata may have at most 1024 bytes";
const NO_OBJECT: &str = "metadata must be a JSON object";

#[tokio::test]
async fn metadata_is_kept_and_returned_as_it_was_sent() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut phone = bob.connect().await;
    // Another program would write the numbers, spaces, order and escapes in its own way.
    let metadata = r#"{"z":1.0, "a" : [1e2,12345678901234567890], "\u00e9":"\/", "nested":{"":null}}"#;
    let body = format!(
        r#"{{"metadata":{metadata},"client_id":"c","sender_id":"{}","receiver_id":"{}","content":"hello"}}"#,
        alice.key, bob.key
    );
    let reply = app.post("/messages", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let ending = format!(r#""updated_at":null,"client_id":"c","metadata":{metadata}}}"#);
    let id = reply.data()["id"].as_str().expect("an id").to_owned();
    let user = encoded(&bob.key);
    for text in [
        reply.text(),
        app.get(&format!("/messages/{id}")).await.text(),
        app.get(&format!("/messages?user={user}")).await.text(),
        app.get(&format!("/events?user={user}&since=0-0")).await.text(),
        &phone.next_text().await,
    ] {
        assert!(text.contains(&ending), "{text}");
    }
}

#[tokio::test]
async fn an_edit_keeps_replaces_or_removes_metadata() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let draft = json!({ "sender_id": alice.key, "receiver_id": bob.key, "content": "hello", "client_id": "c",
        "metadata": { "a": 1 } });
    let message = app.post("/messages", draft.to_string()).await.data();
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    let edit = async |body: Value| app.put(&path, body.to_string()).await.data();

    let kept = edit(json!({ "content": "1" })).await;
    assert_eq!((&kept["metadata"], &kept["client_id"]), (&json!({ "a": 1 }), &json!("c")));
    let replaced = edit(json!({ "content": "2", "metadata": { "b": [] } })).await;
    assert_eq!(replaced["metadata"], json!({ "b": [] }));
    let emptied = edit(json!({ "content": "3", "metadata": {} })).await;
    assert_eq!(emptied["metadata"], json!({}));
    let removed = edit(json!({ "content": "4", "metadata": null })).await;
    assert_eq!((removed.get("metadata"), &removed["client_id"]), (None, &json!("c")));
    assert_eq!(edit(json!({ "content": "5" })).await.get("metadata"), None);
    let added = edit(json!({ "content": "6", "metadata": { "c": "d" } })).await;
    assert_eq!(app.get(&path).await.json(), added);
}

#[tokio::test]
async fn metadata_is_an_object_of_at_most_1024_bytes() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "hello").await;
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    let both = async |metadata: &str| {
        let create = format!(
            r#"{{"sender_id":"{}","receiver_id":"{}","content":"x","metadata":{metadata}}}"#,
            alice.key, bob.key
        );
        let edit = format!(r#"{{"content":"x","metadata":{metadata}}}"#);
        [app.post("/messages", create).await, app.put(&path, edit).await]
    };
    let of_length = |length: usize| format!(r#"{{"a":"{}"}}"#, "é".repeat((length - 8) / 2));
    assert_eq!(of_length(1024).len(), 1024);
    for reply in both(&of_length(1024)).await {
        assert_eq!(reply.data()["metadata"].to_string(), of_length(1024));
    }
    for reply in both(&of_length(1026)).await {
        reply.assert_refused(413, "too_large", TOO_LARGE);
    }
    for other in ["[]", "1", "true", r#""{}""#, r#"[{}]"#] {
        for reply in both(other).await {
            reply.assert_refused(400, "invalid_request", NO_OBJECT);
        }
    }
    for reply in both("null").await {
        assert_eq!(reply.data().get("metadata"), None);
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_in_metadata_becomes_the_replacement_character() {
    let app = App::open().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let body = format!(
        r#"{{"sender_id":"{}","receiver_id":"{}","content":"x","metadata":{{"cut":"\ud83d","whole":"\ud83d\ude00"}}}}"#,
        alice.key, bob.key
    );
    let message = app.post("/messages", body).await.data();
    assert_eq!(message["metadata"], json!({ "cut": "\u{FFFD}", "whole": "\u{1F600}" }));
    assert_eq!(bob.list_messages().await, [message]);
}
