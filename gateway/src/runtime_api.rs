//! The Lambda Runtime API as one instance sees it: asks for events, answers them, reports its errors.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::instances::{Answer, Invocation, Pool};
use crate::lambda::InvokeError;

/// The most a function may answer with.
pub(crate) const RESPONSE_LIMIT: usize = 6 * 1024 * 1024;
/// The most of a too large answer that is read to the end, so that the function learns it was too large.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;

/// Where one instance and the gateway meet.
#[derive(Debug)]
pub(crate) struct Desk {
    pool: Arc<Pool>,
    number: u64,
    started: Instant,
    init_error: watch::Sender<Option<String>>,
    state: Mutex<DeskState>,
}

#[derive(Debug)]
struct DeskState {
    running: Option<Running>,
    /// When the instance last changed between working and waiting.
    since: Instant,
    /// How long it took to its first poll; reported once.
    init: Option<Duration>,
    polled: bool,
    /// The last line on its standard error since it took its event, often the reason why it ended.
    last_words: String,
}

/// The event an instance works on.
#[derive(Debug)]
struct Running {
    id: String,
    answer: Answer,
    since: Instant,
    deadline: Instant,
}

/// What the instance's keeper has to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before then.
    Later(Instant),
    /// Kill it: the event took too long.
    TimedOut,
    /// Kill it: it never polled.
    InitTimedOut,
    /// Kill it: it answered and never polled again.
    Stuck,
    /// Kill it: it has had no work for long and is out of service already.
    Reaped,
}

/// An error as functions report it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ReportedError {
    pub(crate) error_type: String,
    pub(crate) error_message: String,
}

impl Desk {
    pub(crate) fn new(pool: Arc<Pool>, number: u64) -> Arc<Self> {
        let now = Instant::now();
        let state =
            DeskState { running: None, since: now, init: None, polled: false, last_words: String::new() };
        let init_error = watch::Sender::new(None);
        Arc::new(Self { pool, number, started: now, init_error, state: Mutex::new(state) })
    }

    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(Arc::clone(self))
    }

    /// What is due at `now`.
    pub(crate) fn due(&self, now: Instant, init_limit: Duration) -> Due {
        let state = self.lock();
        if let Some(running) = &state.running {
            return if now >= running.deadline { Due::TimedOut } else { Due::Later(running.deadline) };
        }
        // An event that arrives while nobody looks cannot run out of time before one whole time limit has passed.
        let unseen = now + self.pool.function.timeout.max(Duration::from_millis(1));
        if !state.polled {
            let limit = self.started + init_limit;
            return if now >= limit { Due::InitTimedOut } else { Due::Later(unseen.min(limit)) };
        }
        let since = state.since;
        drop(state);
        if now >= since + self.pool.function.timeout && self.pool.is_returning(self.number) {
            return Due::Stuck;
        }
        let reap_at = since + self.pool.settings.idle;
        if now < reap_at {
            return Due::Later(unseen.min(reap_at));
        }
        if self.pool.retire(self.number) { Due::Reaped } else { Due::Later(unseen) }
    }

    /// Remembers a line of the function's standard error.
    pub(crate) fn hear(&self, line: &str) {
        line.clone_into(&mut self.lock().last_words);
    }

    pub(crate) fn last_words(&self) -> String {
        self.lock().last_words.clone()
    }

    /// Fails what the instance works on, if anything: its time is over.
    pub(crate) fn time_out(&self) {
        self.fail(InvokeError::TimedOut { limit: self.pool.function.timeout });
    }

    /// Fails what the instance works on, if anything: the instance has ended.
    pub(crate) fn end_with_instance(&self, cause: &str) {
        self.fail(self.pool.settings.ended(cause));
    }

    /// Fails what the instance works on, if anything.
    fn fail(&self, error: InvokeError) {
        let running = self.lock().running.take();
        if let Some(running) = running {
            running.answer.fail(error);
        }
    }

    /// Waits for the instance to report that it cannot start.
    pub(crate) async fn init_error(&self) -> String {
        let mut reports = self.init_error.subscribe();
        // The sender lives as long as this, so the wait cannot fail.
        let cause = reports.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone());
        cause.unwrap_or_default()
    }

    fn begin(&self, invocation: Invocation) -> Response {
        let now = Instant::now();
        let function = &self.pool.function;
        let deadline = SystemTime::now() + function.timeout;
        let deadline_ms = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let arn = function_arn(&function.name);
        let response = Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", &invocation.id)
            .header("Lambda-Runtime-Deadline-Ms", deadline_ms.to_string())
            .header("Lambda-Runtime-Invoked-Function-Arn", arn)
            .header("Lambda-Runtime-Trace-Id", trace_id())
            .body(Body::from(invocation.payload));
        match response {
            Ok(response) => {
                let Invocation { id, answer, .. } = invocation;
                let mut state = self.lock();
                state.last_words.clear();
                state.since = now;
                state.running = Some(Running { id, answer, since: now, deadline: now + function.timeout });
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
        let mut state = self.lock();
        let running = state.running.take_if(|running| running.id == id)?;
        state.since = Instant::now();
        let init = state.init.take();
        drop(state);
        self.pool.returning(self.number);
        if self.pool.settings.report {
            self.report(&running, init);
        }
        Some(running.answer)
    }

    fn report(&self, running: &Running, init: Option<Duration>) {
        let init = init.map_or_else(String::new, |init| format!("  Init Duration: {} ms", millis(init)));
        let used = self
            .pool
            .process(self.number)
            .and_then(peak_memory_mb)
            .map_or_else(String::new, |mb| format!("  Max Memory Used: {mb} MB"));
        tracing::info!(
            "[{}] REPORT RequestId: {}  Duration: {} ms  Memory Size: {} MB{used}{init}",
            self.pool.label,
            running.id,
            millis(running.since.elapsed()),
            self.pool.function.memory_mb,
        );
    }

    fn lock(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(State(desk): State<Arc<Desk>>) -> Response {
    desk.fail(InvokeError::Function {
        error_type: "Runtime.NoResponse".into(),
        message: "the function asked for its next event without answering this one".into(),
    });
    {
        let mut state = desk.lock();
        state.since = Instant::now();
        if !state.polled {
            state.polled = true;
            state.init = Some(desk.started.elapsed());
        }
    }
    let Some(taken) = desk.pool.next(desk.number) else { return refuse(StatusCode::GONE, "Stopped") };
    match taken.await {
        Ok(invocation) => desk.begin(invocation),
        Err(_) => refuse(StatusCode::GONE, "Stopped"),
    }
}

async fn response(State(desk): State<Arc<Desk>>, Path(id): Path<String>, body: Body) -> Response {
    let body = read(body).await;
    let Some(answer) = desk.end(&id) else { return refuse(StatusCode::BAD_REQUEST, "InvalidRequestID") };
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
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let reported = parse_error(&headers, &read(body).await.unwrap_or_default());
    let Some(answer) = desk.end(&id) else { return refuse(StatusCode::BAD_REQUEST, "InvalidRequestID") };
    answer.fail(InvokeError::Function { error_type: reported.error_type, message: reported.error_message });
    accepted()
}

async fn init_error(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Body) -> Response {
    let reported = parse_error(&headers, &read(body).await.unwrap_or_default());
    let cause = format!("init error: {}: {}", reported.error_type, reported.error_message);
    desk.init_error.send_replace(Some(cause));
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
        if total <= RESPONSE_LIMIT {
            kept.extend_from_slice(&chunk);
        } else if total > DRAIN_LIMIT {
            break;
        }
    }
    if total > RESPONSE_LIMIT { Err(ReadError::TooLarge) } else { Ok(kept.freeze()) }
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], r#"{"status":"OK"}"#).into_response()
}

fn refuse(status: StatusCode, error_type: &str) -> Response {
    let body = format!(r#"{{"errorType":"{error_type}","errorMessage":"{error_type}"}}"#);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{}:{}:function:{name}", crate::process::REGION, crate::process::ACCOUNT)
}

/// A trace id shaped like X-Ray's; never sampled.
pub(crate) fn trace_id() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let random = Uuid::new_v4().simple().to_string();
    format!("Root=1-{seconds:08x}-{};Parent={};Sampled=0", &random[..24], &random[16..])
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
