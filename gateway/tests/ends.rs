//! How functions end: with all that they started, with time for a farewell where they ask for it, and not while they
//! work.

use std::process::Stdio;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use gateway::lambda::{Lambda, Options};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::program::Program;
use crate::support::{eventually, executables, options, project_folder, within};

async fn ask(lambda: &Lambda, wish: Value) -> Value {
    let event = json!({ "queryStringParameters": wish }).to_string();
    let answer = within("an answer", lambda.invoke("Echo", event.into())).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}

/// Whether a process has ended; who inherited it may not have asked for its status yet.
async fn has_ended(process: &str) -> bool {
    let shown = Command::new("ps").args(["-o", "stat=", "-p", process]).stdin(Stdio::null()).output();
    let state = String::from_utf8(shown.await.unwrap().stdout).unwrap();
    state.trim().is_empty() || state.trim_start().starts_with('Z')
}

async fn wait_for_end(process: &str) {
    within("the child's end", async {
        while !has_ended(process).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_function_started_ends_with_it() {
    let lambda = Lambda::start(Options { concurrency: 1, ..options() });
    let child = ask(&lambda, json!({ "child": 1 })).await["child"].to_string();
    assert!(!has_ended(&child).await);
    assert!(lambda.kill("Echo"));
    wait_for_end(&child).await;

    let child = ask(&lambda, json!({ "child": 1 })).await["child"].to_string();
    let process = lambda.processes("Echo")[0].to_string();
    assert!(Command::new("kill").args(["-9", &process]).status().await.unwrap().success());
    wait_for_end(&child).await;

    let child = ask(&lambda, json!({ "child": 1 })).await["child"].to_string();
    lambda.stop().await;
    wait_for_end(&child).await;

    let lambda = Lambda::start(options());
    let child = ask(&lambda, json!({ "child": 1 })).await["child"].to_string();
    drop(lambda);
    assert!(!has_ended(&child).await, "the instance runs on in its task");
}

#[tokio::test]
async fn a_function_with_an_extension_is_asked_to_end_before_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let farewell = folder.path().join("farewell");
    let start = |idle| {
        let environment = [("FAREWELL".to_owned(), farewell.display().to_string())].into();
        Lambda::start(Options { environment, idle, concurrency: 1, ..options() })
    };
    let take =
        || std::fs::read_to_string(&farewell).ok().inspect(|_| std::fs::remove_file(&farewell).unwrap());

    let lambda = start(Duration::from_secs(60));
    ask(&lambda, json!({})).await;
    within("the stop", lambda.stop()).await;
    assert_eq!(take().as_deref(), Some("ended by itself"));

    let lambda = start(Duration::from_millis(50));
    ask(&lambda, json!({})).await;
    assert_eq!(eventually("the end of an idle one", take).await, "ended by itself");
    ask(&lambda, json!({})).await;
    lambda.stop().await;
    take();

    let lambda = start(Duration::from_secs(60));
    ask(&lambda, json!({})).await;
    assert!(lambda.kill("Echo"));
    eventually("its end", || (lambda.instances("Echo") == 0).then_some(())).await;
    assert_eq!(take(), None, "a crash that is asked for is none with a farewell");
}

#[tokio::test]
async fn ctrl_c_in_a_terminal_lets_a_busy_request_finish() {
    executables();
    let mut program = Program::start(&project_folder(), &["-v"]).await;
    let url = format!("{}/echo/slow?sleep=1500", program.url());
    let request = Request::get(url).body(Body::empty()).unwrap();
    let http: Http<_, Body> = Http::builder(TokioExecutor::new()).build_http();
    let answer = http.request(request);
    let interrupted = async {
        program.wait_for_line("echo starts").await;
        program.interrupt().await;
    };
    let (answer, ()) = within("the answer", async { tokio::join!(answer, interrupted) }).await;
    assert_eq!(answer.unwrap().status(), 200);
    assert!(program.wait().await.success());
}
