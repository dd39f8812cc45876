//! Signing in on one's own machine, where the user pool of the template does not exist yet.

use hyper::Method;
use serde_json::{Value, json};
use support::App;

async fn start() -> App {
    App::builder().guarded_by_development_issuer().start().await
}

/// Signs in as a client does that knows nothing but the issuer.
async fn sign_in(app: &App, body: &str) -> Value {
    let configuration = app.get("/.well-known/openid-configuration").await.json();
    let issuer = format!("http://localhost:{}", app.port());
    assert_eq!(configuration["issuer"], issuer);
    let endpoint = configuration["token_endpoint"].as_str().expect("a URL");
    let reply = app.post(endpoint.strip_prefix(&issuer).expect("our URL"), body.to_owned()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    reply.json()
}

#[tokio::test]
async fn anybody_signs_in_under_any_name_and_is_nobody_else() {
    let app = start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    app.get("/messages").await.assert_platform_refused(401, "Unauthorized");
    assert_eq!(app.try_connect("/", &[]).await.err(), Some(401));

    let answer = sign_in(&app, &json!({ "sub": alice.key }).to_string()).await;
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let client = app.client(answer["access_token"].as_str().map(str::to_owned));
    let answer = sign_in(&app, &format!("grant_type=password&username={}&password=x", bob.key)).await;
    let peer = app.client(answer["access_token"].as_str().map(str::to_owned));

    let mut device = peer.register().await;
    let message = client.post_message(&bob, "hello").await;
    assert_eq!(message["sender_id"], alice.key);
    assert_eq!(device.expect("new_message").await["data"], message);
    assert_eq!(peer.get("/messages").await.json(), json!([message]));
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    assert_eq!(peer.send(Method::DELETE, &path, None).await.status, 403);
}

#[tokio::test]
async fn a_token_that_was_asked_to_be_bad_is() {
    let app = start().await;
    for claims in [
        json!({ "sub": "alice", "exp": 1 }),
        json!({ "sub": "alice", "aud": "another" }),
        json!({ "sub": "alice", "iss": "https://issuer.example" }),
    ] {
        let answer = sign_in(&app, &claims.to_string()).await;
        let client = app.client(answer["access_token"].as_str().map(str::to_owned));
        client.get("/messages").await.assert_platform_refused(401, "Unauthorized");
    }
    let foreign = app.client(App::issuer().token("alice").sign());
    foreign.get("/messages").await.assert_platform_refused(401, "Unauthorized");
}

#[tokio::test]
async fn it_is_not_there_unless_it_is_needed() {
    for app in [App::open().await, App::guarded().await] {
        assert!(app.gateway().issuer().is_none());
        for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
            app.get(path).await.assert_platform_refused(404, "Not Found");
        }
        app.post("/_gateway/token", "sub=alice").await.assert_platform_refused(404, "Not Found");
    }
}
