//! Authorization over REST: every route, every kind of token, every part that a user may have in a message.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Method;
use serde_json::{Value, json};
use support::StoreKind::SecureCluster;
use support::issuer::now;
use support::{AUDIENCE, ApiClient, App, Message, Reply, Token, User, encoded};

/// The parts that users have in a message.
const PARTS: [&str; 3] = ["sender", "receiver", "stranger"];

struct People {
    users: [User; 3],
    clients: [ApiClient; 3],
}

impl People {
    fn of(app: &App) -> Self {
        let users = PARTS.map(|part| app.user(part));
        let clients = std::array::from_fn(|part| app.sign_in(&users[part]));
        Self { users, clients }
    }

    async fn exchange_message(&self) -> Message {
        self.clients[0].post_message(&self.users[1], "hello").await
    }
}

/// A request that a route would do something with.
fn request(route: &str, message: &Message, sender: Option<&User>) -> (Method, String, Option<Value>) {
    let (method, path) = route.split_once(' ').expect("a method and a path");
    let method: Method = method.parse().expect("a method");
    let path = path.replace("{id}", message["id"].as_str().expect("an id")).replace("{peer}", "somebody");
    let body = match method.as_str() {
        "POST" if path == "/messages" => {
            let mut draft = json!({ "receiver_id": message["receiver_id"], "content": "new" });
            if let Some(sender) = sender {
                draft["sender_id"] = sender.key.as_str().into();
            }
            Some(draft)
        }
        "POST" if path.ends_with("/end") => Some(json!({ "call_id": "call-one" })),
        "PUT" if path.ends_with("/read") => Some(json!({ "message_id": message["id"] })),
        "PUT" => Some(json!({ "content": "edited" })),
        _ => None,
    };
    (method, path, body)
}

/// Every route of the template.
fn routes(app: &App) -> Vec<String> {
    let api = app.gateway().project().http_api.as_ref().expect("an HTTP API");
    api.routes.iter().map(|route| route.route_key.clone()).collect()
}

/// Routes whose query may name a user.
const OF_A_USER: [&str; 10] = [
    "GET /messages",
    "GET /events",
    "GET /conversations",
    "PUT /conversations/{peer}/read",
    "GET /calls",
    "GET /calls/{peer}",
    "POST /calls/{peer}/end",
    "GET /ice-servers",
    "GET /me/export",
    "DELETE /me",
];

/// Tokens that the platform must refuse.
fn bad_tokens(user: &User) -> Vec<(&'static str, Option<String>)> {
    let token = App::issuer().token(&user.key);
    let good = token.sign();
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let (head, _) = signed.split_once('.').expect("three parts");
    let other = URL_SAFE_NO_PAD.encode(json!({ "sub": "somebody else" }).to_string());
    let cases: [(&str, Token); 10] = [
        ("bad signature", token.clone().forged()),
        ("unknown key", token.clone().headed("kid", "another").forged()),
        ("expired", token.clone().claiming("exp", now() - 1)),
        ("without expiry", token.clone().without("exp")),
        ("not valid yet", token.clone().claiming("nbf", now() + 600)),
        ("wrong audience", token.clone().claiming("aud", "another")),
        ("without audience", token.clone().without("aud")),
        ("wrong issuer", token.clone().claiming("iss", "https://issuer.example")),
        ("without issuer", token.clone().without("iss")),
        ("symmetric", token.headed("alg", "HS256")),
    ];
    let mut tokens = vec![
        ("no token", None),
        ("empty", Some(String::new())),
        ("rubbish", Some("rubbish".to_owned())),
        ("unsigned", Some(format!("{signed}."))),
        ("another payload", Some(format!("{head}.{other}.{signature}"))),
    ];
    tokens.extend(cases.into_iter().map(|(name, token)| (name, Some(token.sign()))));
    tokens
}

#[tokio::test]
async fn a_request_without_a_good_token_is_refused_on_any_route() {
    let app = App::guarded().await;
    let people = People::of(&app);
    let message = people.exchange_message().await;
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    let routes = routes(&app);
    assert!(routes.len() >= 6, "{routes:?}");
    for route in &routes {
        for (user, part) in people.users.iter().zip(PARTS) {
            for (flaw, token) in bad_tokens(user) {
                let (method, path, body) = request(route, &message, None);
                let reply = app.client(token).send(method, &path, body).await;
                let what = format!("{route}, {part}, {flaw}: {}", reply.text());
                assert_eq!((reply.status, reply.text()), (401, r#"{"message":"Unauthorized"}"#), "{what}");
                assert!(reply.header("www-authenticate").starts_with("Bearer"), "{what}");
            }
        }
    }
    assert_eq!(people.clients[0].get(&path).await.json(), message, "nothing was changed");
    assert_eq!(people.clients[0].get("/messages").await.json(), json!([message]), "nothing was sent");
}

/// The outcome of a request that names one user and has the token of another (or the same).
fn expected(route: &str, said: usize, holder: usize) -> (u16, Option<&'static str>) {
    let of_message = |status| match holder {
        0 => (status, None),
        1 => (403, Some("forbidden")),
        _ => (404, Some("not_found")),
    };
    match route {
        "GET /messages" if said != holder => (403, Some("forbidden")),
        "GET /messages" => (200, None),
        "GET /events"
        | "GET /conversations"
        | "PUT /conversations/{peer}/read"
        | "GET /calls"
        | "GET /calls/{peer}"
        | "POST /calls/{peer}/end"
        | "GET /ice-servers"
        | "GET /me/export"
        | "DELETE /me"
            if said != holder =>
        {
            (403, Some("forbidden"))
        }
        "GET /events" | "GET /conversations" | "PUT /conversations/{peer}/read" => (200, None),
        "GET /calls" | "POST /calls/{peer}/end" => (200, None),
        "GET /calls/{peer}" => (404, Some("not_found")),
        "GET /messages/{id}" if holder == 2 => (404, Some("not_found")),
        "GET /messages/{id}" => (200, None),
        "POST /messages" if said != holder => (403, Some("forbidden")),
        "POST /messages" => (201, None),
        "PUT /messages/{id}" | "DELETE /messages/{id}" => of_message(200),
        "POST /tickets" => (201, None),
        "GET /me/export" => (200, None),
        // The receiver's step takes the stranger's messages as well, so nothing is left of the stranger.
        "DELETE /me" => (if holder == 2 { 200 } else { 202 }, None),
        "GET /ice-servers" => (200, None),
        other => panic!("{other} is missing in this matrix"),
    }
}

#[tokio::test]
async fn a_good_token_does_what_its_user_may_on_any_route() {
    let app = App::guarded_on(SecureCluster).await;
    let people = People::of(&app);
    for route in routes(&app) {
        for (said, user) in people.users.iter().enumerate() {
            for (holder, client) in people.clients.iter().enumerate() {
                let message = people.exchange_message().await;
                let (method, mut path, body) = request(&route, &message, Some(user));
                if OF_A_USER.contains(&route.as_str()) {
                    path = format!("{path}?user={}", encoded(&user.key));
                }
                let reply = client.send(method, &path, body).await;
                // An export is lines of JSON.
                let code = || {
                    (reply.status >= 300).then(|| reply.json()["code"].as_str().map(str::to_owned)).flatten()
                };
                let (status, expected_code) = expected(&route, said, holder);
                let what = format!(
                    "{route} for the {}, token of the {}: {}",
                    PARTS[said],
                    PARTS[holder],
                    reply.text()
                );
                assert_eq!(reply.status, status, "{what}");
                assert_eq!(code().as_deref(), expected_code, "{what}");
                if status != 202 {
                    assert_kept(&people, &route, holder, &message).await;
                }
            }
        }
    }
}

/// The message is as it should be after somebody tried this.
async fn assert_kept(people: &People, route: &str, holder: usize, message: &Message) {
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    let found = people.clients[0].get(&path).await;
    match (route, holder) {
        ("DELETE /messages/{id}", 0) => found.assert_not_found(),
        ("PUT /messages/{id}", 0) => assert_eq!(found.json()["content"], "edited"),
        _ => assert_eq!(found.json(), *message),
    }
}

#[tokio::test]
async fn one_lists_ones_own_messages_only() {
    let app = App::guarded().await;
    let people = People::of(&app);
    let [sender, receiver, stranger] = &people.clients;
    let [_, bob, mallory] = &people.users;
    let message = people.exchange_message().await;
    let other = stranger.post_message(bob, "to the receiver").await;
    assert_eq!(sender.get("/messages").await.json(), json!([message]));
    assert_eq!(receiver.get("/messages").await.json(), json!([message, other]));
    assert_eq!(stranger.get("/messages").await.json(), json!([other]));
    let with = |user: &User| format!("/messages?with={}", encoded(&user.key));
    assert_eq!(sender.get(&with(bob)).await.json(), json!([message]));
    assert_eq!(sender.get(&with(mallory)).await.json(), json!([]), "others' conversations stay hidden");
    let between = format!("/messages?user={}&with={}", encoded(&mallory.key), encoded(&bob.key));
    assert_eq!(sender.get(&between).await.status, 403);
}

#[tokio::test]
async fn a_message_without_a_sender_is_its_writers() {
    let app = App::guarded().await;
    let people = People::of(&app);
    let message = people.exchange_message().await;
    assert_eq!(message["sender_id"], people.users[0].key);
    let draft =
        json!({ "sender_id": people.users[0].key, "receiver_id": people.users[1].key, "content": "x" });
    let reply = people.clients[0].send(Method::POST, "/messages", draft).await;
    assert_eq!(reply.data()["sender_id"], people.users[0].key);
    let nameless = json!({ "sender_id": "", "receiver_id": people.users[1].key, "content": "x" });
    let reply = people.clients[0].send(Method::POST, "/messages", nameless).await;
    reply.assert_refused(400, "invalid_request", "sender_id, receiver_id, and content are required");
}

#[tokio::test]
async fn a_deleted_message_tells_a_stranger_nothing() {
    let app = App::guarded().await;
    let people = People::of(&app);
    let message = people.exchange_message().await;
    let (method, path, _) = request("DELETE /messages/{id}", &message, None);
    assert_eq!(people.clients[0].send(method, &path, None).await.status, 200);
    for client in &people.clients {
        let edit = json!({ "content": "back" });
        client.get(&path).await.assert_not_found();
        client.send(Method::PUT, &path, edit).await.assert_not_found();
        client.send(Method::DELETE, &path, None).await.assert_not_found();
    }
}

fn assert_unauthenticated(reply: &Reply) {
    reply.assert_refused(401, "unauthenticated", "Authentication is required");
}

#[tokio::test]
async fn a_token_that_names_no_user_is_no_good() {
    let app = App::guarded().await;
    let token = App::issuer().token("");
    let long = "x".repeat(129);
    for token in [
        token.clone(),
        token.clone().without("sub"),
        token.clone().claiming("sub", "line\nbreak"),
        token.clone().claiming("sub", long),
    ] {
        for route in routes(&app) {
            let message = json!({ "id": uuid::Uuid::now_v7(), "receiver_id": "b" });
            let (method, path, body) = request(&route, &message, None);
            assert_unauthenticated(&app.client(token.sign()).send(method, &path, body).await);
        }
    }
}

#[tokio::test]
async fn the_claim_that_names_the_user_can_be_chosen() {
    let app = App::builder().guarded().parameter("UserClaim", "email").start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let token = App::issuer().token("3f5c").claiming("email", alice.key.as_str()).claiming("aud", AUDIENCE);
    let client = app.client(token.sign());
    let message = client.post_message(&bob, "hello").await;
    assert_eq!(message["sender_id"], alice.key);
    assert_eq!(client.get("/messages").await.json(), json!([message]));
    let mut device = client.connect().await;
    device.send(json!({ "type": "register" })).await;
    assert_eq!(device.expect("registered").await["userKey"], alice.key);
    let subject_only = app.client(App::issuer().token(&alice.key).sign());
    assert_unauthenticated(&subject_only.get("/messages").await);
}
