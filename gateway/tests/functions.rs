//! Functions run as on Lambda: started on need, one event each, bounded, and every failure told apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{eventually, executables, functions, options, spawn, within};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use futures_util::future::join_all;
use gateway::lambda::{InvokeError, Lambda, Options};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Invokes the echo function with what it is asked for.
async fn ask(lambda: &Lambda, behavior: Value) -> Result<Value, InvokeError> {
    let event = json!({ "queryStringParameters": behavior }).to_string();
    let answer = within("an answer", lambda.invoke("Echo", event.into())).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

fn with_timeout(timeout: Duration) -> Options {
    let mut options = options();
    options.functions.values_mut().for_each(|function| function.timeout = timeout);
    options
}

#[tokio::test]
async fn a_function_sees_the_environment_that_lambda_sets() {
    let environment: BTreeMap<_, _> =
        [("GREETING", "hi"), ("EXTRA", "1")].map(|(name, value)| (name.into(), value.into())).into();
    let lambda = Lambda::start(Options { environment, ..options() });
    let answer = ask(&lambda, json!({ "environment": 1 })).await.unwrap();
    let seen: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(seen["AWS_LAMBDA_FUNCTION_NAME"], "Echo");
    assert_eq!(seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "128");
    assert_eq!(seen["AWS_LAMBDA_FUNCTION_VERSION"], "$LATEST");
    assert_eq!(seen["AWS_LAMBDA_LOG_GROUP_NAME"], "/aws/lambda/Echo");
    assert_eq!(seen["AWS_REGION"], "us-east-1");
    assert_eq!(seen["_HANDLER"], "bootstrap");
    assert_eq!(seen["TZ"], ":UTC");
    assert_eq!(seen["GREETING"], "hi", "extra variables win over the template's");
    assert_eq!(seen["EXTRA"], "1");
    assert!(seen["AWS_SECRET_ACCESS_KEY"].is_string());
    assert!(seen["PATH"].is_string());
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() && seen.get("CARGO_MANIFEST_DIR").is_none());
}

#[tokio::test]
async fn instances_start_on_need_and_are_used_again() {
    let lambda = Lambda::start(options());
    assert_eq!(lambda.instances("Echo"), 0);
    for _ in 0..20 {
        ask(&lambda, json!({})).await.unwrap();
        eventually("the instance returns", || (lambda.busy("Echo") == 0).then_some(())).await;
    }
    assert!(lambda.instances("Echo") <= 2, "one, or two where the machine was slow");
    assert_eq!(lambda.instances("Authorize"), 0);
}

#[tokio::test]
async fn each_instance_handles_one_event_at_a_time_up_to_the_limit() {
    let lambda = Lambda::start(Options { concurrency: 3, ..options() });
    let all = (0..9).map(|_| ask(&lambda, json!({ "sleep": 100 })));
    let peak = async {
        eventually("three at work", || (lambda.busy("Echo") == 3).then_some(())).await;
    };
    let (answers, ()) = tokio::join!(join_all(all), peak);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(lambda.instances("Echo"), 3);
    let processes = BTreeSet::from_iter(lambda.processes("Echo"));
    assert_eq!(processes.len(), 3, "{processes:?}");
}

#[tokio::test]
async fn slow_events_bring_more_instances_than_a_burst() {
    let lambda = Lambda::start(Options { burst: 2, ..options() });
    let all = join_all((0..5).map(|_| ask(&lambda, json!({ "sleep": 2000 }))));
    let peak = eventually("five at work", || (lambda.busy("Echo") == 5).then_some(()));
    let (answers, ()) = tokio::join!(all, peak);
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn quick_events_are_left_to_a_burst_of_instances() {
    // On a busy machine one of the events may wait long enough to count as slow; not every time.
    for _ in 0..10 {
        let lambda = Lambda::start(Options { burst: 2, ..options() });
        let answers = join_all((0..20).map(|_| ask(&lambda, json!({})))).await;
        assert!(answers.iter().all(Result::is_ok));
        let started = lambda.instances("Echo");
        lambda.stop().await;
        if started == 2 {
            return;
        }
    }
    panic!("never did two instances do");
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test]
async fn functions_are_scheduled_in_batches() {
    const SCHED_BATCH: &str = "3";
    let lambda = Lambda::start(options());
    ask(&lambda, json!({})).await.unwrap();
    let process = lambda.processes("Echo")[0];
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // proc(5): the policy is field 41, and the second field, in brackets, may hold spaces.
    let policy = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(41 - 3);
    assert_eq!(policy, Some(SCHED_BATCH), "{stat}");
}

#[tokio::test]
async fn an_event_that_no_instance_takes_in_time_is_throttled() {
    let lambda = Lambda::start(Options { concurrency: 1, ..with_timeout(Duration::from_secs(2)) });
    ask(&lambda, json!({})).await.unwrap();
    // The first two keep the only instance busy for longer than the third may wait.
    let waits = json!({ "sleep": 1500 });
    let (first, second, third) =
        tokio::join!(ask(&lambda, waits.clone()), ask(&lambda, waits.clone()), ask(&lambda, waits));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(third, Err(InvokeError::Throttled));
}

#[tokio::test]
async fn an_event_over_its_time_limit_ends_its_instance() {
    let lambda = Lambda::start(with_timeout(Duration::from_millis(500)));
    let started = Instant::now();
    assert_eq!(
        ask(&lambda, json!({ "sleep": 60_000 })).await,
        Err(InvokeError::TimedOut { limit: Duration::from_millis(500) })
    );
    assert!(started.elapsed() < Duration::from_secs(5), "the limit counts for an instance's first event too");
    eventually("the instance is gone", || (lambda.instances("Echo") == 0).then_some(())).await;
    ask(&lambda, json!({})).await.unwrap();
}

#[tokio::test]
async fn a_crash_fails_its_event_with_the_cause_and_the_next_one_works() {
    let lambda = Lambda::start(options());
    let Err(InvokeError::Crashed { cause }) = ask(&lambda, json!({ "exit": 3 })).await else {
        panic!("a crash was expected");
    };
    assert!(cause.contains("exit status: 3") && cause.contains("told to exit"), "{cause}");
    ask(&lambda, json!({})).await.unwrap();
}

#[tokio::test]
async fn a_crash_is_not_explained_by_what_was_said_before_its_event() {
    let lambda = Lambda::start(Options { concurrency: 1, ..options() });
    assert!(ask(&lambda, json!({ "panic": 1 })).await.is_err());
    ask(&lambda, json!({})).await.unwrap();
    let process = lambda.processes("Echo")[0].to_string();
    let killing = async {
        eventually("one at work", || (lambda.busy("Echo") == 1).then_some(())).await;
        assert!(Command::new("kill").args(["-9", &process]).status().await.unwrap().success());
    };
    let (crashed, ()) = tokio::join!(ask(&lambda, json!({ "sleep": 9000 })), killing);
    let cause = "its process ended (signal: 9 (SIGKILL))".to_owned();
    assert_eq!(crashed, Err(InvokeError::Crashed { cause }));
}

#[tokio::test]
async fn errors_and_panics_are_reported_and_leave_the_instance_alive() {
    let lambda = Lambda::start(options());
    let Err(InvokeError::Function { message, .. }) = ask(&lambda, json!({ "error": "no luck" })).await else {
        panic!("an error was expected");
    };
    assert_eq!(message, "no luck");
    let Err(InvokeError::Function { message, .. }) = ask(&lambda, json!({ "panic": 1 })).await else {
        panic!("a panic was expected");
    };
    assert!(message.contains("told to panic"), "{message}");
    ask(&lambda, json!({})).await.unwrap();
}

#[tokio::test]
async fn a_function_that_cannot_start_fails_every_event_with_the_cause() {
    let environment: BTreeMap<_, _> = [("FAIL_TO_START".to_owned(), "1".to_owned())].into();
    let lambda = Lambda::start(Options { environment, ..options() });
    let answers = join_all((0..5).map(|_| ask(&lambda, json!({})))).await;
    for answer in answers {
        let Err(InvokeError::Crashed { cause }) = answer else { panic!("a crash was expected: {answer:?}") };
        assert!(cause.contains("told not to start"), "{cause}");
    }
    eventually("no instance is left", || (lambda.instances("Echo") == 0).then_some(())).await;

    let missing = [("Echo".to_owned(), PathBuf::from("/nowhere/echo"))].into();
    let lambda = Lambda::start(Options { executables: missing, ..options() });
    let Err(InvokeError::Crashed { cause }) = ask(&lambda, json!({})).await else {
        panic!("a crash was expected")
    };
    assert!(cause.contains("cannot start /nowhere/echo"), "{cause}");
    let unknown = lambda.invoke("Nothing", Bytes::new()).await;
    assert!(matches!(unknown, Err(InvokeError::Crashed { .. })));
}

#[tokio::test]
async fn an_answer_may_have_6_mb_and_no_more() {
    let lambda = Lambda::start(Options { concurrency: 1, ..options() });
    let answer = ask(&lambda, json!({ "bytes": 6 * 1024 * 1024 - 1000 })).await.unwrap();
    assert_eq!(answer["body"].as_str().unwrap().len(), 6 * 1024 * 1024 - 1000);
    assert_eq!(ask(&lambda, json!({ "bytes": 6 * 1024 * 1024 })).await, Err(InvokeError::ResponseTooLarge));
    ask(&lambda, json!({})).await.unwrap();
}

#[tokio::test]
async fn killing_takes_a_busy_instance_first() {
    let lambda = Lambda::start(options());
    assert!(!lambda.kill("Echo"));
    let slow = ask(&lambda, json!({ "sleep": 9000 }));
    let other = async {
        eventually("one at work", || (lambda.busy("Echo") == 1).then_some(())).await;
        ask(&lambda, json!({})).await.unwrap();
        eventually("one idle", || (lambda.instances("Echo") == 2 && lambda.busy("Echo") == 1).then_some(()))
            .await;
        assert!(lambda.kill("Echo"));
    };
    let (killed, ()) = tokio::join!(slow, other);
    assert!(matches!(killed, Err(InvokeError::Crashed { .. })), "{killed:?}");
    assert_eq!(lambda.instances("Echo"), 1);
}

#[tokio::test]
async fn idle_instances_are_let_go() {
    let lambda =
        Lambda::start(Options { idle: Duration::from_millis(50), ..with_timeout(Duration::from_secs(1)) });
    ask(&lambda, json!({})).await.unwrap();
    eventually("the instance is gone", || (lambda.instances("Echo") == 0).then_some(())).await;
    ask(&lambda, json!({})).await.unwrap();
}

#[tokio::test]
async fn stopping_fails_what_runs_and_what_waits() {
    let lambda = Lambda::start(Options { concurrency: 1, ..options() });
    let running = ask(&lambda, json!({ "sleep": 9000 }));
    let waiting = ask(&lambda, json!({ "sleep": 9000 }));
    let stopping = async {
        eventually("one at work", || (lambda.busy("Echo") == 1).then_some(())).await;
        within("the stop", lambda.stop()).await;
    };
    let (running, waiting, ()) = tokio::join!(running, waiting, stopping);
    assert_eq!((running, waiting), (Err(InvokeError::Stopped), Err(InvokeError::Stopped)));
    assert_eq!(lambda.instances("Echo"), 0);
    assert_eq!(ask(&lambda, json!({})).await, Err(InvokeError::Stopped));
}

/// A killed gateway leaves its functions behind, but their connections to it close.
#[tokio::test]
async fn a_function_does_not_outlive_a_gateway_that_was_killed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut child = Command::new(&executables()["Echo"])
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "Echo")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "x")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "x")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (polling, _) = within("its poll", listener.accept()).await.unwrap();
    drop((polling, listener));
    let status = within("its end", child.wait()).await.unwrap();
    assert!(!status.success());
}

/// An Invoke endpoint of the kind that `cargo lambda watch` serves.
async fn invoke_endpoint(
    invoked: State<tokio::sync::mpsc::UnboundedSender<String>>,
    path: Path<String>,
    body: String,
) -> axum::response::Response {
    invoked.send(path.0.clone()).unwrap();
    match body.as_str() {
        "fail" => ([("x-amz-function-error", "Unhandled")], r#"{"errorType":"T","errorMessage":"m"}"#)
            .into_response(),
        "fail as watch does" => {
            (StatusCode::INTERNAL_SERVER_ERROR, r#"{"errorType":"T","errorMessage":"m"}"#).into_response()
        }
        "busy" => StatusCode::TOO_MANY_REQUESTS.into_response(),
        "missing" => (StatusCode::NOT_FOUND, "no such function").into_response(),
        _ => body.into_response(),
    }
}

#[tokio::test]
async fn functions_may_run_behind_an_invoke_endpoint() {
    let (invoked, mut names) = tokio::sync::mpsc::unbounded_channel();
    let app = Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke_endpoint))
        .with_state(invoked);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    spawn(async move { axum::serve(listener, app).await.unwrap() });
    let remote = |base: &str| {
        Lambda::start(Options { functions: functions(), remote: Some(base.to_owned()), ..Options::default() })
    };
    let lambda = remote(&base);
    assert_eq!(lambda.invoke("Echo", "hello".into()).await, Ok("hello".into()));
    assert_eq!(names.recv().await.as_deref(), Some("echo"));
    let failed = InvokeError::Function { error_type: "T".into(), message: "m".into() };
    assert_eq!(lambda.invoke("Echo", "fail".into()).await, Err(failed.clone()));
    assert_eq!(lambda.invoke("Echo", "fail as watch does".into()).await, Err(failed));
    assert_eq!(lambda.invoke("Echo", "busy".into()).await, Err(InvokeError::Throttled));
    let Err(InvokeError::Unreachable { cause }) = lambda.invoke("Echo", "missing".into()).await else {
        panic!("an unreachable function was expected");
    };
    assert!(cause.contains("404") && cause.contains("no such function"), "{cause}");
    assert_eq!(lambda.instances("Echo"), 0);

    for nowhere in ["http://127.0.0.1:1", "not a url"] {
        let unreachable = remote(nowhere).invoke("Echo", "x".into()).await;
        assert!(matches!(unreachable, Err(InvokeError::Unreachable { .. })), "{nowhere}: {unreachable:?}");
    }
}
