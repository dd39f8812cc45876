//! Requests that nobody thought of, 500 of each kind: each is answered, and none breaks anything.

use futures_util::stream::{self, StreamExt};
use hyper::Method;
use serde_json::{Value, json};
use support::StoreKind::SecureCluster;
use support::{App, Generator, Reply, encoded};

const COUNT: usize = 500;
/// How many are under way at once.
const AT_ONCE: usize = 8;

#[derive(Clone, Debug)]
struct Request {
    method: Method,
    path: String,
    body: Vec<u8>,
}

/// Sends them all; each answer must have a form that the protocol knows.
async fn send_all(app: &App, requests: Vec<Request>) -> Vec<u16> {
    stream::iter(requests)
        .map(|request| async move {
            let reply = app.send(request.method.clone(), &request.path, request.body.clone()).await;
            assert_answered(&request, &reply);
            reply.status
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

fn assert_answered(request: &Request, reply: &Reply) {
    let what = || format!("{} {} to {request:?}", reply.status, String::from_utf8_lossy(&reply.body));
    assert!(reply.status < 500, "{}", what());
    let body: Value =
        serde_json::from_slice(&reply.body).unwrap_or_else(|error| panic!("{error}: {}", what()));
    if reply.status >= 400 {
        let by_function = body["error"].is_string() && body["code"].is_string();
        let by_platform = body["message"].is_string();
        assert!(by_function != by_platform, "{}", what());
    }
}

/// Bodies that are drafts but for something.
fn body(generator: &mut Generator, fields: &[(&str, Value)]) -> Vec<u8> {
    let object = generator.object(fields);
    let mut body = match generator.below(4) {
        0 => generator.broken_object(&object),
        1 => generator.value().to_string(),
        _ => Value::Object(object).to_string(),
    }
    .into_bytes();
    if generator.chance(10) && !body.is_empty() {
        let place = generator.below(body.len());
        body[place] |= 0x80;
    }
    body
}

#[tokio::test]
async fn any_body_to_create_is_answered() {
    let app = App::open_on(SecureCluster).await;
    let mut generator = Generator::seeded();
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let requests = (0..COUNT)
        .map(|_| {
            let content = json!(generator.text());
            let fields =
                [("sender_id", json!(alice.key)), ("receiver_id", json!(bob.key)), ("content", content)];
            Request {
                method: Method::POST,
                path: "/messages".to_owned(),
                body: body(&mut generator, &fields),
            }
        })
        .collect();
    let statuses = send_all(&app, requests).await;
    let created = statuses.iter().filter(|status| **status == 201).count();
    assert!(0 < created && created < COUNT, "the input is one-sided: {created} of {COUNT} were created");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 400 | 413)), "{statuses:?}");
    alice.post_message(&bob, "all is well").await;
}

#[tokio::test]
async fn any_body_to_edit_is_answered() {
    let app = App::open().await;
    let mut generator = Generator::seeded();
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "hello").await;
    let path = format!("/messages/{}", message["id"].as_str().expect("an id"));
    let requests = (0..COUNT)
        .map(|_| {
            let content = json!(generator.text());
            Request {
                method: Method::PUT,
                path: path.clone(),
                body: body(&mut generator, &[("content", content)]),
            }
        })
        .collect();
    let statuses = send_all(&app, requests).await;
    let edited = statuses.iter().filter(|status| **status == 200).count();
    assert!(0 < edited && edited < COUNT, "the input is one-sided: {edited} of {COUNT} were edits");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 400 | 413)), "{statuses:?}");
    alice.edit_message(&message, "all is well").await;
}

#[tokio::test]
async fn any_query_is_answered() {
    let app = App::open_on(SecureCluster).await;
    let mut generator = Generator::seeded();
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    alice.post_message(&bob, "hello").await;
    let names = ["user", "with", "limit", "before", "after", "x"];
    let requests = (0..COUNT)
        .map(|_| {
            let mut parameters = Vec::new();
            for _ in 0..generator.below(5) {
                let name = generator.pick(&names).to_owned();
                let value = match (generator.below(3), name.as_str()) {
                    (0, _) => generator.url_text(),
                    (_, "limit") => generator.below(1100).to_string(),
                    (_, "before" | "after") => generator.id(),
                    _ => encoded(&alice.key),
                };
                let name = if generator.chance(10) { generator.url_text() } else { name };
                parameters.push(if generator.chance(20) { name } else { format!("{name}={value}") });
            }
            let path = format!("/messages?{}", parameters.join("&"));
            Request { method: Method::GET, path, body: Vec::new() }
        })
        .collect();
    let statuses = send_all(&app, requests).await;
    let listed = statuses.iter().filter(|status| **status == 200).count();
    assert!(0 < listed && listed < COUNT, "the input is one-sided: {listed} of {COUNT} were listed");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 400)), "{statuses:?}");
    assert_eq!(alice.list_messages().await.len(), 1);
}

#[tokio::test]
async fn any_path_is_answered() {
    let app = App::open().await;
    let mut generator = Generator::seeded();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let requests = (0..COUNT)
            .map(|_| {
                let id = if generator.chance(4) { generator.id() } else { generator.url_text() };
                let tail =
                    if generator.chance(10) { format!("/{}", generator.url_text()) } else { String::new() };
                let body = br#"{"content":"x"}"#.to_vec();
                Request { method: method.clone(), path: format!("/messages/{id}{tail}"), body }
            })
            .collect();
        let statuses = send_all(&app, requests).await;
        assert!(statuses.iter().all(|status| matches!(status, 400 | 404 | 414 | 431)), "{statuses:?}");
    }
    app.user("alice").post_message(&app.user("bob"), "all is well").await;
}
