//! The Runtime API itself, with the test in the role of a function's runtime; and what the log says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{eventually, functions, options, spawn, within};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use gateway::lambda::{InvokeError, Lambda, Options};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// A function that does what the test says.
struct ManualFunction {
    lambda: Lambda,
    address_file: PathBuf,
    http: Http<HttpConnector, Body>,
}

impl ManualFunction {
    fn start(name: &str, timeout: Duration) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/manual-runtime");
        let address_file =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&address_file);
        let mut functions = functions();
        functions.values_mut().for_each(|function| function.timeout = timeout);
        let lambda = Lambda::start(Options {
            functions,
            executables: [("Echo".to_owned(), script)].into(),
            environment: [("ADDRESS_FILE".to_owned(), address_file.display().to_string())].into(),
            concurrency: 1,
            ..Options::default()
        });
        Self { lambda, address_file, http: Http::builder(TokioExecutor::new()).build_http() }
    }

    fn invoke(&self, event: &'static str) -> tokio::task::JoinHandle<Result<bytes::Bytes, InvokeError>> {
        let lambda = self.lambda.clone();
        spawn(async move { lambda.invoke("Echo", event.into()).await })
    }

    /// Where the function hands requests on to its runtime API, and where that is.
    async fn address(&self) -> String {
        eventually("the function's start", || std::fs::read_to_string(&self.address_file).ok()).await
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (StatusCode, HeaderMap, String) {
        self.try_send(method, path, body).await.unwrap()
    }

    async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<(StatusCode, HeaderMap, String), hyper_util::client::legacy::Error> {
        self.send_to(method, &format!("/2018-06-01/runtime{path}"), &[], body).await
    }

    /// A request of an extension.
    async fn extend(
        &self,
        path: &str,
        header: (&str, &str),
        body: Option<&str>,
    ) -> (StatusCode, HeaderMap, Value) {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let path = format!("/2020-01-01/extension{path}");
        let sent = self.send_to(method, &path, &[header], body.unwrap_or_default()).await;
        let (status, headers, body) = sent.unwrap();
        (status, headers, serde_json::from_str(&body).unwrap())
    }

    async fn send_to(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(StatusCode, HeaderMap, String), hyper_util::client::legacy::Error> {
        let address = self.address().await;
        let uri = format!("{}{path}", address.lines().next().unwrap());
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = within("an answer", self.http.request(request)).await?;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(Body::new(body), 1 << 20).await.unwrap();
        Ok((parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap()))
    }

    async fn next(&self) -> (HeaderMap, String) {
        let (status, headers, body) = self.send(Method::GET, "/invocation/next", "").await;
        assert_eq!(status, StatusCode::OK);
        (headers, body)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

#[tokio::test]
async fn an_event_comes_with_its_headers_and_takes_one_answer() {
    let function = ManualFunction::start("answer", Duration::from_secs(7));
    let invoked = function.invoke(r#"{"a":1}"#);
    let (headers, event) = function.next().await;
    assert_eq!(event, r#"{"a":1}"#);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let left = text(&headers, "lambda-runtime-deadline-ms").parse::<i64>().unwrap() - now;
    assert!((1..=7000).contains(&left), "{left}");
    let arn = text(&headers, "lambda-runtime-invoked-function-arn");
    assert_eq!(arn, "arn:aws:lambda:us-east-1:123456789012:function:Echo");
    assert!(text(&headers, "lambda-runtime-trace-id").starts_with("Root=1-"));

    let (status, _, _) = function.send(Method::POST, "/invocation/other/response", "1").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "an answer to another event");
    let path = format!("/invocation/{}/response", text(&headers, "lambda-runtime-aws-request-id"));
    assert_eq!(function.send(Method::POST, &path, "[2]").await.0, StatusCode::ACCEPTED);
    assert_eq!(invoked.await.unwrap().unwrap(), "[2]");
    assert_eq!(function.send(Method::POST, &path, "[3]").await.0, StatusCode::BAD_REQUEST, "a second answer");
    function.lambda.stop().await;
}

#[tokio::test]
async fn polling_without_an_answer_fails_the_event() {
    let function = ManualFunction::start("silent", Duration::from_secs(10));
    let (first, second) = (function.invoke("1"), function.invoke("2"));
    function.next().await;
    let (headers, _) = function.next().await;
    let failed = tokio::select! { result = first => result, result = second => result };
    let Err(InvokeError::Function { error_type, .. }) = failed.unwrap() else {
        panic!("an error was expected")
    };
    assert_eq!(error_type, "Runtime.NoResponse");
    assert!(headers.contains_key("lambda-runtime-aws-request-id"));
    function.lambda.stop().await;
}

#[tokio::test]
async fn an_instance_that_never_polls_again_is_killed() {
    let function = ManualFunction::start("stuck", Duration::from_millis(500));
    let invoked = function.invoke("1");
    let (headers, _) = function.next().await;
    let path = format!("/invocation/{}/error", text(&headers, "lambda-runtime-aws-request-id"));
    let error = r#"{"errorType":"Odd","errorMessage":"no luck"}"#;
    assert_eq!(function.send(Method::POST, &path, error).await.0, StatusCode::ACCEPTED);
    let expected = InvokeError::Function { error_type: "Odd".into(), message: "no luck".into() };
    assert_eq!(invoked.await.unwrap(), Err(expected));
    assert_eq!(function.lambda.instances("Echo"), 1);
    eventually("its end", || (function.lambda.instances("Echo") == 0).then_some(())).await;
}

#[tokio::test]
async fn an_init_error_is_the_cause_that_callers_see() {
    let function = ManualFunction::start("init", Duration::from_secs(5));
    let invoked = function.invoke("1");
    let error = r#"{"errorType":"Config","errorMessage":"REDIS_URL is missing"}"#;
    // Its process is ended at once, and may not have handed the answer on by then.
    if let Ok((status, _, _)) = function.try_send(Method::POST, "/init/error", error).await {
        assert_eq!(status, StatusCode::ACCEPTED);
    }
    let Err(InvokeError::Crashed { cause }) = invoked.await.unwrap() else { panic!("a crash was expected") };
    assert_eq!(cause, "init error: Config: REDIS_URL is missing");
}

/// The test is a stranger as long as it does not go through the function.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_runtime_api_answers_its_own_process_alone() {
    let function = ManualFunction::start("own", Duration::from_secs(5));
    let invoked = function.invoke("1");
    let address = function.address().await;
    let address = address.lines().nth(1).expect("the runtime API's own address");
    for (method, path) in [
        (Method::GET, "/invocation/next"),
        (Method::POST, "/init/error"),
        (Method::POST, "/invocation/1/response"),
    ] {
        let uri = format!("http://{address}/2018-06-01/runtime{path}");
        let request = Request::builder().method(method).uri(&uri).body(Body::empty()).unwrap();
        let error = within("the end", function.http.request(request)).await;
        assert!(error.is_err(), "{uri}: {error:?}");
    }
    let (headers, event) = function.next().await;
    assert_eq!(event, "1", "no stranger took it");
    let path = format!("/invocation/{}/response", text(&headers, "lambda-runtime-aws-request-id"));
    assert_eq!(function.send(Method::POST, &path, "2").await.0, StatusCode::ACCEPTED);
    assert_eq!(invoked.await.unwrap().unwrap(), "2");
    function.lambda.stop().await;
}

#[tokio::test]
async fn an_extension_of_the_process_is_told_of_invocations() {
    let function = ManualFunction::start("extension", Duration::from_secs(7));
    let invoked = function.invoke("1");
    let named = |name| ("Lambda-Extension-Name", name);
    let register = "/register";
    let all = Some(r#"{"events":["INVOKE"]}"#);
    let (status, headers, answer) = function.extend(register, named("tell"), all).await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({ "functionName": "Echo", "functionVersion": "$LATEST", "handler": "bootstrap" });
    assert_eq!(answer, expected);
    let identifier = text(&headers, "lambda-extension-identifier").to_owned();

    // What Lambda refuses, with the types that its own emulator gives.
    let shutdown = Some(r#"{"events":["SHUTDOWN"]}"#);
    let unknown = ("Lambda-Extension-Identifier", "7b4d4a2e-0000-4000-8000-000000000000");
    for (path, header, body, error_type) in [
        (register, named("tell"), all, "Extension.InvalidExtensionState"),
        (register, named("other"), shutdown, "Extension.InvalidEventType"),
        (register, named("other"), Some("?"), "InvalidRequestFormat"),
        (register, ("X", "y"), all, "Extension.InvalidExtensionName"),
        ("/event/next", ("X", "y"), None, "Extension.MissingExtensionIdentifier"),
        ("/event/next", unknown, None, "Extension.UnknownExtensionIdentifier"),
    ] {
        let (status, _, refused) = function.extend(path, header, body).await;
        assert_eq!((status, &refused["errorType"]), (StatusCode::FORBIDDEN, &json!(error_type)), "{refused}");
    }

    let (invocation, _) = function.next().await;
    let identity = ("Lambda-Extension-Identifier", identifier.as_str());
    let (status, headers, event) = function.extend("/event/next", identity, None).await;
    assert!(status.is_success() && headers.contains_key("lambda-extension-event-identifier"));
    let header = |name| text(&invocation, name);
    let expected = json!({
        "eventType": "INVOKE",
        "deadlineMs": header("lambda-runtime-deadline-ms").parse::<u64>().unwrap(),
        "requestId": header("lambda-runtime-aws-request-id"),
        "invokedFunctionArn": header("lambda-runtime-invoked-function-arn"),
        "tracing": { "type": "X-Amzn-Trace-Id", "value": header("lambda-runtime-trace-id") },
    });
    assert_eq!(event, expected);
    let (_, _, late) = function.extend(register, named("late"), all).await;
    assert_eq!(late["errorType"], "Extension.RegistrationClosed");
    let path = format!("/invocation/{}/response", header("lambda-runtime-aws-request-id"));
    assert_eq!(function.send(Method::POST, &path, "2").await.0, StatusCode::ACCEPTED);
    assert_eq!(invoked.await.unwrap().unwrap(), "2");
    function.lambda.stop().await;
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_shows_output_reports_and_each_failure_once() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    // Where there is just one subscriber, tracing asks the thread that first comes to a line of code whether anybody
    // wants what it logs. The threads of other tests have none, and this log would lack the line for good.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    // The test's runtime has this one thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let lambda = Lambda::start(Options { verbosity: 1, ..options() });
    let ask = async |behavior: serde_json::Value| {
        let event = json!({ "queryStringParameters": behavior }).to_string();
        lambda.invoke("Echo", event.into()).await
    };
    ask(json!({})).await.unwrap();
    ask(json!({ "exit": 3 })).await.unwrap_err();
    let read = || String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let complete = async {
        while !["crashed:", "REPORT"].iter().all(|part| read().contains(part)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let complete = tokio::time::timeout(Duration::from_secs(30), complete).await;
    let log = read();
    assert!(complete.is_ok(), "{log}");
    let having = |part: &str| log.lines().filter(|line| line.contains(part)).collect::<Vec<_>>();
    assert!(having("[echo] echo starts").len() == 1, "{log}");
    let reports = having("[echo] REPORT RequestId: ");
    assert!(reports.len() == 1 && reports[0].contains("Init Duration: "), "{log}");
    assert!(!cfg!(target_os = "linux") || reports[0].contains("Max Memory Used: "), "{log}");
    let failures = having("ERROR");
    assert_eq!(failures.len(), 1, "{log}");
    let cause = "[echo] crashed: its process ended (exit status: 3), last saying: told to exit";
    assert!(failures[0].ends_with(cause), "{log}");
}
