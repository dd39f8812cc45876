//! Many at once: nothing is lost, and nothing fails that would not fail for one alone.

use std::time::Duration;

use futures_util::future::join_all;
use gateway::lambda::{InvokeError, Lambda, Options};
use gateway::websocket_api::WebSocketOptions;
use serde_json::json;

use crate::support::{Gateway, api, eventually, options};

const CONNECTIONS: usize = 2000;

#[tokio::test]
async fn two_thousand_connections_open_at_once_and_each_gets_its_answer() {
    let gateway = Gateway::start_with(api(), WebSocketOptions::default()).await;
    let mut clients = join_all((0..CONNECTIONS).map(|_| gateway.open("/"))).await;
    assert_eq!(gateway.websocket.connections(), CONNECTIONS);
    let answers = clients.iter_mut().enumerate().map(|(number, client)| async move {
        let raw = json!({ "statusCode": 200, "body": number.to_string() });
        client.send(&json!({ "action": "echo", "raw": raw }).to_string()).await;
        client.text().await
    });
    let answers = join_all(answers).await;
    let expected: Vec<_> = (0..CONNECTIONS).map(|number| number.to_string()).collect();
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn an_event_that_nobody_waits_for_any_more_is_not_delivered() {
    let lambda = Lambda::start(Options { concurrency: 1, ..options() });
    let ask = |wish: serde_json::Value| {
        lambda.invoke("Echo", json!({ "queryStringParameters": wish }).to_string().into())
    };
    ask(json!({})).await.unwrap();
    let busy = ask(json!({ "sleep": 300 }));
    let others = async {
        eventually("one at work", || (lambda.busy("Echo") == 1).then_some(())).await;
        let abandoned = tokio::time::timeout(Duration::from_millis(50), ask(json!({ "exit": 1 }))).await;
        assert!(abandoned.is_err(), "it waits");
        ask(json!({})).await
    };
    let (first, last): (_, Result<_, InvokeError>) = tokio::join!(busy, others);
    assert!(first.is_ok() && last.is_ok(), "{last:?}");
    assert_eq!(lambda.started("Echo"), 1, "the abandoned event would have ended the instance");
}
