//! One instance of a function: its process, the Runtime API that it polls, and what it has cost.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::cgroup::Share;

/// No step of an instance takes that long, even of a slow one.
const LIMIT: Duration = Duration::from_secs(60);

/// How an instance is started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// The executable and its arguments.
    pub(crate) command: Vec<PathBuf>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Of a core, where that is limited.
    pub(crate) share: Option<Arc<Share>>,
    /// Whether the lines that it logs of invocations are read, and not dropped.
    pub(crate) is_heard: bool,
    /// Whether what it warns of is shown.
    pub(crate) warns: bool,
}

/// What something has taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

/// What an instance took until it was ready for its first event.
pub(crate) struct Instance {
    pub(crate) ready: Cost,
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
    api: Arc<Api>,
    events: mpsc::Sender<Bytes>,
    server: AbortHandle,
}

/// What the instance and its owner share.
struct Api {
    pid: Mutex<Option<u32>>,
    events: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
    /// Told of the next poll, of when it came and of the CPU time until then.
    polled: Mutex<Option<oneshot::Sender<(Instant, Duration)>>>,
    answered: Mutex<Option<oneshot::Sender<(Instant, Bytes)>>>,
}

impl Instance {
    pub(crate) async fn start(program: &Program) -> Self {
        let (events, receiver) = mpsc::channel(1);
        let (told, polled) = oneshot::channel();
        let api = Arc::new(Api {
            pid: Mutex::default(),
            events: receiver.into(),
            polled: Some(told).into(),
            answered: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(fail))
            .route("/2018-06-01/runtime/init/error", post(fail_init))
            .with_state(Arc::clone(&api));
        let server = spawn(async move {
            let _ = axum::serve(listener, router).await;
        });

        let started = Instant::now();
        let mut command = Command::new(&program.command[0]);
        let mut child = command
            .args(&program.command[1..])
            .envs(&program.environment)
            .env("AWS_LAMBDA_FUNCTION_NAME", &program.name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdin(Stdio::null())
            .stdout(if program.is_heard { Stdio::piped() } else { Stdio::null() })
            .stderr(if program.warns { Stdio::inherit() } else { Stdio::null() })
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        *api.pid.lock().unwrap() = child.id();
        if let (Some(share), Some(pid)) = (&program.share, child.id()) {
            share.add(pid);
        }
        let (at, cpu) = timeout(LIMIT, polled).await.expect("it polls in time").expect("it polls");
        let ready = Cost { wall: at - started, cpu };
        let lines = child.stdout.take().map(|output| BufReader::new(output).lines());
        Self { ready, child, lines, api, events, server }
    }

    /// The line that it has logged of the last event.
    pub(crate) async fn line(&mut self) -> String {
        let lines = self.lines.as_mut().expect("it is heard");
        timeout(LIMIT, lines.next_line()).await.expect("a line in time").unwrap().expect("a line")
    }

    /// Has it handle one event: what that took, with what it does until its next poll, and the answer.
    pub(crate) async fn invoke(&mut self, event: Bytes) -> (Cost, Bytes) {
        let (told, polled) = oneshot::channel();
        let (answering, answered) = oneshot::channel();
        *self.api.polled.lock().unwrap() = Some(told);
        *self.api.answered.lock().unwrap() = Some(answering);
        let before = self.cpu();
        let started = Instant::now();
        self.events.send(event).await.expect("it waits for events");
        let (at, answer) = timeout(LIMIT, answered).await.expect("it answers in time").expect("it answers");
        let (_, cpu) = timeout(LIMIT, polled).await.expect("it polls in time").expect("it polls");
        (Cost { wall: at - started, cpu: cpu.saturating_sub(before) }, answer)
    }

    /// The most memory that it had, in megabytes.
    pub(crate) fn peak_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() / 1024.0
    }

    pub(crate) async fn stop(mut self) {
        self.child.kill().await.unwrap();
        self.server.abort();
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    fn cpu(&self) -> Duration {
        cpu_of(self.pid())
    }
}

/// CPU time of all threads of a process so far, to the nanosecond.
fn cpu_of(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let of = |thread: std::io::Result<fs::DirEntry>| -> Option<u64> {
        let schedstat = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        schedstat.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(threads.filter_map(of).sum())
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let at = Instant::now();
    let pid = api.pid.lock().unwrap().expect("it has started");
    if let Some(told) = api.polled.lock().unwrap().take() {
        let _ = told.send((at, cpu_of(pid)));
    }
    let event = api.events.lock().await.recv().await.unwrap_or_default();
    let deadline = (chrono::Utc::now().timestamp_millis() + 60_000).to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", deadline),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-west-1:123456789012:function:f".to_owned(),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event)
}

async fn respond(State(api): State<Arc<Api>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    if let Some(answering) = api.answered.lock().unwrap().take() {
        let _ = answering.send((Instant::now(), body));
    }
    StatusCode::ACCEPTED
}

async fn fail(Path(_): Path<String>, body: Bytes) -> StatusCode {
    panic!("a function failed: {}", String::from_utf8_lossy(&body));
}

async fn fail_init(body: Bytes) -> StatusCode {
    panic!("a function could not start: {}", String::from_utf8_lossy(&body));
}

#[expect(clippy::disallowed_methods, reason = "nothing freezes here")]
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    tokio::spawn(future).abort_handle()
}
