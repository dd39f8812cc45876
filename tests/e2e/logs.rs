//! What functions log of each invocation: what it was about and did, with its metrics, and nothing that is anybody's.
//!
//! That no line of any test holds a token, a ticket or a user key is seen to by `support::log`.

use hyper::Method;
use serde_json::{Value, json};
use support::StoreKind::{SecureCluster, Single};
use support::{App, Device, TestStore, User, Watch, encoded, wait_until};

use crate::calling::Phone;

/// The lines of a user's invocations.
struct Lines(Watch);

impl Lines {
    fn of(user: &User) -> Self {
        Self(user.watch())
    }

    /// Those of a route, once there are so many.
    async fn of_route(&self, route: &str, count: usize) -> Vec<Value> {
        let find = || -> Vec<Value> {
            let lines = self.0.lines();
            let lines = lines.iter().map(|line| serde_json::from_str(line).expect("a line is JSON"));
            lines.filter(|line: &Value| line["route"] == route).collect()
        };
        wait_until("the lines of its invocations", async || find().len() >= count).await;
        find()
    }
}

/// The metrics that a line declares, with their values.
fn metrics(line: &Value) -> Value {
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        (&directive["Namespace"], &directive["Dimensions"]),
        (&json!("local"), &json!([[]])),
        "{line}"
    );
    assert!(line["_aws"]["Timestamp"].is_u64(), "{line}");
    let mut values = json!({});
    for metric in directive["Metrics"].as_array().expect("metrics") {
        let name = metric["Name"].as_str().expect("a name");
        match (name, metric["Unit"].as_str()) {
            ("StoreTime", Some("Milliseconds")) => assert!(line[name].as_f64() > Some(0.0), "{line}"),
            (name, Some("Count")) => values[name] = line[name].clone(),
            other => panic!("{other:?}"),
        }
    }
    values
}

#[tokio::test]
async fn a_line_tells_of_a_send_and_of_catching_up() {
    let app = App::guarded_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (of_alice, of_bob) = (Lines::of(&alice), Lines::of(&bob));
    let phone = bob.connect().await;
    let client = app.sign_in(&alice);
    let draft = json!({ "receiver_id": bob.key, "content": "hello", "client_id": "one" });
    for _ in 0..2 {
        assert_eq!(client.send(Method::POST, "/messages", draft.clone()).await.status, 201);
    }
    let sends = of_alice.of_route("POST /messages", 2).await;
    assert_eq!(metrics(&sends[0]), json!({ "Sends": 1, "PushesDelivered": 1 }));
    assert_eq!(metrics(&sends[1]), json!({}), "a repeated send is one");
    assert!(sends[0]["apiRequestId"].is_string() && sends[0]["requestId"].is_string(), "{}", sends[0]);

    assert_eq!(app.sign_in(&bob).get("/events?since=0-0").await.status, 200);
    assert_eq!(metrics(&of_bob.of_route("GET /events", 1).await[0]), json!({ "CatchUps": 1 }));

    let registered = &of_bob.of_route("register", 1).await[0];
    assert_eq!(registered["connection"], of_bob.of_route("$connect", 1).await[0]["connection"]);
    phone.close().await;
    assert_eq!(of_bob.of_route("$disconnect", 1).await[0]["connection"], registered["connection"]);
}

#[tokio::test]
async fn lines_tell_why_a_call_did_not_ring_and_how_it_ended() {
    let app = App::guarded_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (of_alice, of_bob) = (Lines::of(&alice), Lines::of(&bob));
    let mut caller = Phone::of(&alice).await;
    caller.offer(&bob, Some("call-nobody")).await;
    caller.sees("error").await;
    let offer = &of_alice.of_route("offer", 1).await[0];
    assert_eq!((&offer["code"], &offer["peer"]), (&json!("peer_unavailable"), &json!(bob.in_logs())));
    assert_eq!(offer["calls"], json!([{ "id": "call-nobody", "state": "ringing" }]));

    let mut callee = Phone::of(&bob).await;
    callee.sees("offer").await;
    callee.end(&alice, Some("call-nobody"), Some("declined")).await;
    caller.sees_end("call-nobody", "declined").await;
    let end = &of_bob.of_route("end_call", 1).await[0];
    assert_eq!(end["calls"], json!([{ "id": "call-nobody", "state": "ended", "reason": "declined" }]));
    assert_eq!(metrics(end), json!({ "CallsRefused": 1, "PushesDelivered": 1 }));

    for (id, answers, reason, outcome) in [
        ("call-answered", true, "hangup", "CallsCompleted"),
        ("call-broken", true, "failed", "CallsFailed"),
        ("call-missed", false, "cancelled", "CallsMissed"),
    ] {
        caller.offer(&bob, Some(id)).await;
        callee.sees("offer").await;
        if answers {
            callee.answer(&alice, Some(id)).await;
            caller.sees("answer").await;
        }
        caller.end(&bob, Some(id), Some(reason)).await;
        callee.sees_end(id, reason).await;
        let told = async || {
            let ends = of_alice.of_route("end_call", 1).await;
            ends.into_iter().find(|line| line["calls"][0]["id"] == id)
        };
        wait_until("the line of its end", async || told().await.is_some()).await;
        let end = told().await.expect("it was there");
        assert_eq!(metrics(&end), json!({ outcome: 1, "PushesDelivered": 1 }), "{id}");
    }
}

#[tokio::test]
async fn failed_and_gone_pushes_are_counted() {
    let app = App::builder().guarded().start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let of_alice = Lines::of(&alice);
    let _phone = bob.connect().await;
    let client = app.sign_in(&alice);
    app.gateway().faults().set("push:400=1").expect("a fault");
    client.post_message(&bob, "hello").await;
    for fault in ["push:400=0", "push:410=1"] {
        app.gateway().faults().set(fault).expect("a fault");
    }
    client.post_message(&bob, "hello").await;
    let sends = of_alice.of_route("POST /messages", 2).await;
    assert_eq!(metrics(&sends[0]), json!({ "Sends": 1, "PushesFailed": 1 }));
    assert_eq!(metrics(&sends[1]), json!({ "Sends": 1, "PushesGone": 1 }));
}

/// Uses every route, with the user's key wherever a client may put a text of its own.
async fn use_everything(app: &App, user: &User) {
    let (client, mark) = (app.sign_in(user), user.key.as_str());
    let api = app.gateway().project().http_api.as_ref().expect("an HTTP API");
    let routes: Vec<_> = api.routes.iter().map(|route| route.route_key.clone()).collect();
    for route in routes {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let ids = [mark.to_owned(), uuid::Uuid::new_v4().to_string()];
        for id in ids {
            let path = path.replace("{id}", &id).replace("{peer}", &encoded(mark));
            let path = format!("{path}?user={0}&with={0}&since={0}&before={0}&limit={0}", encoded(mark));
            let body = json!({
                "receiver_id": mark, "content": mark, "client_id": mark, "metadata": { "x": mark }, "message_id": id,
                "call_id": "call-0001", "reason": mark,
            });
            let method: Method = method.parse().expect("a method");
            client.send(method.clone(), &path, body).await;
            client
                .send(method.clone(), path.split('?').next().expect("a path"), json!({ "content": mark }))
                .await;
            client
                .send(method, path.split('?').next().expect("a path"), json!({ "content": { "x": mark } }))
                .await;
        }
    }
    let _ = app.enter(mark).await;
}

/// Likewise every frame.
async fn send_every_frame(app: &App, device: &mut Device, mark: &str) {
    let api = app.gateway().project().websocket_api.as_ref().expect("a WebSocket API");
    for kind in api.routes.keys().map(String::as_str).filter(|key| !key.starts_with('$')).chain([mark]) {
        let frame = json!({
            "type": kind, "target": mark, "userKey": mark, "ref": mark, "reason": mark,
            "data": { "sdp": mark, "candidate": mark },
        });
        device.send(frame).await;
        device.send(json!({ "type": kind, "target": { "x": mark }, "call_id": { "x": mark } })).await;
    }
    device.send_text(format!("{{{mark}")).await;
}

#[tokio::test]
async fn nothing_that_is_anybodys_is_logged() {
    let store = TestStore::start(Single).await;
    let app = App::builder().guarded().on_store(&store).start().await;
    let mark = format!("mark{}", uuid::Uuid::new_v4().simple());
    let told = Watch::start(mark.as_str());
    let user = app.user_called(&mark);
    let lines = user.watch();
    use_everything(&app, &user).await;
    let mut device = app.sign_in(&user).register().await;
    send_every_frame(&app, &mut device, &mark).await;
    // Whatever cannot be done is logged with its cause.
    drop(store);
    use_everything(&app, &user).await;
    send_every_frame(&app, &mut device, &mark).await;
    let functions = || app.gateway().project().functions.keys();
    wait_until("the end of the functions' work", async || {
        functions().all(|function| app.gateway().lambda().busy(function) == 0)
    })
    .await;
    assert!(lines.lines().iter().any(|line| line.contains(r#""level":"ERROR""#)), "{:#?}", lines.lines());
    assert!(told.lines().is_empty(), "{:#?}", told.lines());
}
