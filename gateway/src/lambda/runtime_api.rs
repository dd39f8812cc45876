//! The Lambda Runtime API that one instance polls: it takes events there, answers them and reports errors.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use chrono::Utc;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::{InvokeError, ReportedError};
use super::extensions::{Extensions, Invoke};
use super::invocation::{Answer, Invocation};
use super::peer;
use super::pool::Slot;
use crate::aws;
use crate::aws::answers;
use crate::aws::limits::PAYLOAD;
use crate::project::Function;

/// The most of a too large answer that is read to the end, so that the function learns it was too large.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;

/// The Lambda Runtime API that one instance polls.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    function: Arc<Function>,
    slot: Slot,
    /// Whether each invocation logs a `REPORT` line.
    report: bool,
    started: Instant,
    /// The first part of every path, where only that keeps strangers out; the instance's own process is told.
    token: Option<String>,
    extensions: Arc<Extensions>,
    init_error: watch::Sender<Option<String>>,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    running: Option<Running>,
    /// When the instance last changed between working and waiting.
    since: Instant,
    /// How long it took to its first poll; reported once.
    init: Option<Duration>,
    polled: bool,
    /// The last line on its standard error since it took its event, often the reason why it ended.
    last_stderr_line: String,
}

/// The event an instance works on.
#[derive(Debug)]
struct Running {
    id: String,
    answer: Answer,
    since: Instant,
    deadline: Instant,
}

/// The state of an instance as its supervision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// It has not polled yet.
    Starting,
    /// It works on an event.
    Working { deadline: Instant },
    /// It has no event.
    Waiting { since: Instant },
}

impl RuntimeApi {
    pub(super) fn new(function: Arc<Function>, slot: Slot, report: bool) -> Arc<Self> {
        let now = Instant::now();
        let progress = Progress {
            running: None,
            since: now,
            init: None,
            polled: false,
            last_stderr_line: String::new(),
        };
        let init_error = watch::Sender::new(None);
        let token = (!peer::can_be_told()).then(|| Uuid::new_v4().simple().to_string());
        let progress = Mutex::new(progress);
        let extensions = Extensions::new(Arc::clone(&function), Arc::clone(slot.label()));
        Arc::new(Self { function, slot, report, started: now, token, extensions, init_error, progress })
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API` for a runtime API at this address: as on Lambda without a scheme, which
    /// most runtimes put before it themselves. That for Rust keeps a path in it where there is one, as
    /// `cargo lambda watch` writes it, so that a token can keep strangers out where their process cannot be told.
    pub(super) fn endpoint(&self, address: SocketAddr) -> String {
        match &self.token {
            Some(token) => format!("http://{address}/{token}"),
            None => address.to_string(),
        }
    }

    pub(super) fn router(self: &Arc<Self>) -> Router {
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(Arc::clone(self))
            .merge(self.extensions.router());
        match &self.token {
            Some(token) => Router::new().nest(&format!("/{token}"), routes),
            None => routes,
        }
    }

    /// How long the process may take to end by itself once it is asked to.
    pub(super) fn grace(&self) -> Duration {
        self.extensions.grace()
    }

    pub(super) fn activity(&self) -> Activity {
        let progress = self.lock();
        match &progress.running {
            Some(running) => Activity::Working { deadline: running.deadline },
            None if progress.polled => Activity::Waiting { since: progress.since },
            None => Activity::Starting,
        }
    }

    /// Records a line of the function's standard error.
    pub(super) fn record_stderr_line(&self, line: &str) {
        line.clone_into(&mut self.lock().last_stderr_line);
    }

    pub(super) fn last_stderr_line(&self) -> String {
        self.lock().last_stderr_line.clone()
    }

    /// Fails what the instance works on, if anything.
    pub(super) fn fail(&self, error: InvokeError) {
        let running = self.lock().running.take();
        if let Some(running) = running {
            running.answer.fail(error);
        }
    }

    /// Waits for the instance to report that it cannot start.
    pub(super) async fn init_error(&self) -> String {
        let mut reports = self.init_error.subscribe();
        // The sender lives as long as this, so the wait cannot fail.
        let cause = reports.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone());
        cause.unwrap_or_default()
    }

    fn begin(&self, invocation: Invocation) -> Response {
        let now = Instant::now();
        let function = &self.function;
        let deadline = SystemTime::now() + function.timeout;
        let deadline_ms = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let arn = aws::function_arn(&function.name);
        let trace = aws::invocation_trace(Utc::now());
        self.extensions.announce(Invoke {
            request_id: &invocation.id,
            deadline_ms,
            arn: &arn,
            trace: &trace,
        });
        let response = Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", &invocation.id)
            .header("Lambda-Runtime-Deadline-Ms", deadline_ms.to_string())
            .header("Lambda-Runtime-Invoked-Function-Arn", arn)
            .header("Lambda-Runtime-Trace-Id", trace)
            .body(Body::from(invocation.payload));
        match response {
            Ok(response) => {
                let Invocation { id, answer, .. } = invocation;
                let mut progress = self.lock();
                progress.last_stderr_line.clear();
                progress.since = now;
                progress.running = Some(Running { id, answer, since: now, deadline: now + function.timeout });
                response
            }
            Err(error) => {
                invocation.answer.fail(InvokeError::Crashed { cause: error.to_string() });
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// Ends the event of that id; `None` if the instance does not work on it.
    fn end(&self, id: &str) -> Option<Answer> {
        let mut progress = self.lock();
        let running = progress.running.take_if(|running| running.id == id)?;
        progress.since = Instant::now();
        let init = progress.init.take();
        drop(progress);
        self.slot.set_returning();
        if self.report {
            self.report(&running, init);
        }
        Some(running.answer)
    }

    fn report(&self, running: &Running, init: Option<Duration>) {
        let init = init.map_or_else(String::new, |init| format!("  Init Duration: {} ms", millis(init)));
        let used = self
            .slot
            .process()
            .and_then(peak_memory_mb)
            .map_or_else(String::new, |mb| format!("  Max Memory Used: {mb} MB"));
        tracing::info!(
            "[{}] REPORT RequestId: {}  Duration: {} ms  Memory Size: {} MB{used}{init}",
            self.slot.label(),
            running.id,
            millis(running.since.elapsed()),
            self.function.memory_mb,
        );
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    api.fail(InvokeError::Function {
        error_type: "Runtime.NoResponse".into(),
        message: "the function asked for its next event without answering this one".into(),
    });
    {
        let mut progress = api.lock();
        progress.since = Instant::now();
        if !progress.polled {
            progress.polled = true;
            api.extensions.close();
            progress.init = Some(api.started.elapsed());
        }
    }
    let taken = match api.slot.next() {
        Some(taken) => taken.await.ok(),
        None => None,
    };
    match taken {
        Some(invocation) => api.begin(invocation),
        // Another poll of the same instance has replaced this one.
        None if api.slot.is_in_service() => refuse(StatusCode::GONE, "Stopped"),
        // The process is about to be ended; a refusal would end it sooner, and without the time it is given.
        None => pending().await,
    }
}

async fn response(State(api): State<Arc<RuntimeApi>>, Path(id): Path<String>, body: Body) -> Response {
    let body = read(body).await;
    let Some(answer) = api.end(&id) else { return refuse(StatusCode::BAD_REQUEST, "InvalidRequestID") };
    match body {
        Ok(body) => {
            answer.succeed(body);
            accepted()
        }
        Err(ReadError::TooLarge) => {
            answer.fail(InvokeError::ResponseTooLarge);
            refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge")
        }
        Err(ReadError::Broken(cause)) => {
            answer.fail(InvokeError::Crashed { cause: format!("its answer broke off: {cause}") });
            refuse(StatusCode::BAD_REQUEST, "InvalidRequest")
        }
    }
}

async fn error(
    State(api): State<Arc<RuntimeApi>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let reported = parse_error(&headers, &read(body).await.unwrap_or_default());
    let Some(answer) = api.end(&id) else { return refuse(StatusCode::BAD_REQUEST, "InvalidRequestID") };
    answer.fail(InvokeError::Function { error_type: reported.error_type, message: reported.error_message });
    accepted()
}

async fn init_error(State(api): State<Arc<RuntimeApi>>, headers: HeaderMap, body: Body) -> Response {
    let reported = parse_error(&headers, &read(body).await.unwrap_or_default());
    let cause = format!("init error: {}: {}", reported.error_type, reported.error_message);
    api.init_error.send_replace(Some(cause));
    accepted()
}

fn parse_error(headers: &HeaderMap, body: &[u8]) -> ReportedError {
    let mut reported: ReportedError = serde_json::from_slice(body).unwrap_or_default();
    if reported.error_type.is_empty() {
        let stated = headers.get("lambda-runtime-function-error-type").and_then(|value| value.to_str().ok());
        reported.error_type = stated.unwrap_or("Unhandled").to_owned();
    }
    reported
}

#[derive(Debug)]
enum ReadError {
    TooLarge,
    Broken(axum::Error),
}

async fn read(body: Body) -> Result<Bytes, ReadError> {
    let mut chunks = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut total = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(ReadError::Broken)?;
        total += chunk.len();
        if total <= PAYLOAD {
            kept.extend_from_slice(&chunk);
        } else if total > DRAIN_LIMIT {
            break;
        }
    }
    if total > PAYLOAD { Err(ReadError::TooLarge) } else { Ok(kept.freeze()) }
}

fn accepted() -> Response {
    answers::json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

fn refuse(status: StatusCode, error_type: &str) -> Response {
    let body = format!(r#"{{"errorType":"{error_type}","errorMessage":"{error_type}"}}"#);
    answers::json(status, body)
}

fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1000.0)
}

/// The most memory a process has used; only where the system tells (Linux).
fn peak_memory_mb(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes.div_ceil(1024))
}
