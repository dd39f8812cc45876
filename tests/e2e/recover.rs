//! `"recover":true`: a connection that misses a push is closed, so that its client comes back and reads.

use rstest::rstest;
use serde_json::{Value, json};
use support::StoreKind::SecureCluster;
use support::{App, Device, User, encoded};

async fn connect(user: &User, app: &App, recover: Value) -> Device {
    let mut device = app.connect().await;
    device.send(json!({ "type": "register", "userKey": user.key, "recover": recover })).await;
    device.expect("registered").await;
    device
}

fn set(app: &App, fault: &str) {
    app.gateway().faults().set(fault).expect("a fault");
}

#[rstest]
#[tokio::test]
async fn a_connection_that_missed_a_push_is_closed_and_its_client_reads_on(
    #[values("push:500=1", "push:429=1", "push:403=1", "push:delay=20s")] fault: &str,
) {
    let app = App::builder().on(SecureCluster).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut recovering = connect(&bob, &app, json!(true)).await;
    let mut others = [
        connect(&bob, &app, Value::Null).await,
        connect(&bob, &app, json!("true")).await,
        connect(&bob, &app, json!(false)).await,
        connect(&app.user("carol"), &app, json!(true)).await,
    ];
    let position = app.get(&format!("/events?user={}", encoded(&bob.key))).await.json()["event_id"].clone();

    set(&app, fault);
    let message = alice.post_message(&bob, "missed").await;
    assert_eq!(recovering.expect_close().await, 1000);
    app.gateway().faults().clear();

    let since = position.as_str().expect("a position");
    let mut recovering = connect(&bob, &app, json!(true)).await;
    let reply = app.get(&format!("/events?user={}&since={since}", encoded(&bob.key))).await;
    assert_eq!(reply.json()["events"][0]["data"], message);
    recovering.expect_silence().await;
    for other in &mut others {
        other.expect_silence().await;
    }
    let message = alice.post_message(&bob, "told").await;
    for device in others[..3].iter_mut().chain([&mut recovering]) {
        assert_eq!(device.next().await["data"], message);
    }
}

#[tokio::test]
async fn every_push_counts() {
    let app = App::builder().on(SecureCluster).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "hello").await;
    let mut phone = alice.connect().await;
    let fail = || set(&app, "push:500=1");

    let mut recovering = connect(&bob, &app, json!(true)).await;
    fail();
    alice.edit_message(&message, "edited").await;
    recovering.expect_close().await;
    app.gateway().faults().clear();

    let mut recovering = connect(&bob, &app, json!(true)).await;
    fail();
    alice.delete_message(&message).await;
    recovering.expect_close().await;
    app.gateway().faults().clear();

    let mut recovering = connect(&bob, &app, json!(true)).await;
    fail();
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    recovering.expect_close().await;
    app.gateway().faults().clear();

    let mut recovering = app.connect().await;
    fail();
    recovering.send(json!({ "type": "register", "userKey": bob.key, "recover": true })).await;
    recovering.expect_close().await;
}

#[tokio::test]
async fn a_push_that_finds_the_connection_gone_closes_nothing() {
    let app = App::builder().on(SecureCluster).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut recovering = connect(&bob, &app, json!(true)).await;
    set(&app, "push:410=1");
    alice.post_message(&bob, "missed").await;
    app.gateway().faults().clear();
    recovering.expect_silence().await;
    // It is forgotten, until it registers again.
    alice.post_message(&bob, "missed").await;
    recovering.expect_silence().await;
    recovering.register(&bob.key).await;
    let message = alice.post_message(&bob, "told").await;
    assert_eq!(recovering.next().await["data"], message);
}

#[tokio::test]
async fn the_last_register_says_whether_a_connection_recovers() {
    let app = App::builder().on(SecureCluster).start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut device = connect(&bob, &app, json!(true)).await;
    device.register(&bob.key).await;
    set(&app, "push:500=1");
    alice.post_message(&bob, "missed").await;
    app.gateway().faults().clear();
    device.expect_silence().await;

    device.send(json!({ "type": "register", "userKey": bob.key, "recover": true })).await;
    device.expect("registered").await;
    set(&app, "push:500=1");
    alice.post_message(&bob, "missed").await;
    assert_eq!(device.expect_close().await, 1000);
}
