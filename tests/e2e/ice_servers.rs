//! `GET /ice-servers`: what is configured, with credentials for the user who asks.

use serde_json::json;
use support::{App, encoded};

#[tokio::test]
async fn locally_no_server_is_needed() {
    let app = App::open().await;
    let reply = app.get("/ice-servers?user=alice").await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "iceServers": [], "ttl": 43_200 })));
    assert_eq!(reply.header("cache-control"), "no-store");
    let nobody = app.get("/ice-servers").await;
    assert_eq!((nobody.status, &nobody.json()["code"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn turn_credentials_are_a_user_s_own() {
    let app = App::builder()
        .environment("STUN_URLS", "stun:stun.example")
        .environment("TURN_URLS", "turn:turn.example,turns:turn.example")
        .environment("TURN_SECRET", "a secret")
        .start()
        .await;
    let mut names = Vec::new();
    for user in ["alice", "bob:{},"] {
        let servers = app.get(&format!("/ice-servers?user={}", encoded(user))).await.json();
        assert_eq!(servers["iceServers"][0], json!({ "urls": ["stun:stun.example"] }));
        let turn = &servers["iceServers"][1];
        assert_eq!(turn["urls"], json!(["turn:turn.example", "turns:turn.example"]));
        let name = turn["username"].as_str().expect("a name").to_owned();
        let (expiry, opaque) = name.split_once(':').expect("two parts");
        let left = expiry.parse::<i64>().expect("seconds") - chrono::Utc::now().timestamp();
        assert!((43_100..=43_200).contains(&left), "{left}");
        assert_eq!(opaque.len(), 16);
        assert!(!name.contains(user), "{name}");
        names.push(opaque.to_owned());
    }
    assert_ne!(names[0], names[1]);
}
