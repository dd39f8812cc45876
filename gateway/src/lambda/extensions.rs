//! The Extensions API, for extensions within a function's own process: a runtime that wants SIGTERM before its end
//! registers one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use uuid::Uuid;

use crate::aws::answers;
use crate::project::Function;

const NAME: HeaderName = HeaderName::from_static("lambda-extension-name");
const IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-identifier");
const EVENT_IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-event-identifier");

/// How many extensions a function may have.
const MOST: usize = 10;

/// How long a process with an extension of its own may take between SIGTERM and SIGKILL; without one it has no time.
const GRACE: Duration = Duration::from_millis(500);

/// The extensions of one instance. An instance takes its next event as soon as its runtime asks for it, whatever its
/// extensions still do: between events nothing freezes here.
#[derive(Debug)]
pub(super) struct Extensions {
    function: Arc<Function>,
    /// How log lines name the function.
    label: Arc<str>,
    state: Mutex<Registered>,
}

#[derive(Debug, Default)]
struct Registered {
    /// By identifier.
    extensions: BTreeMap<String, Extension>,
    /// The runtime has asked for its first event; nobody registers after that.
    closed: bool,
}

#[derive(Debug)]
struct Extension {
    name: String,
    /// Whether it is told of invocations.
    invoke: bool,
    sender: mpsc::UnboundedSender<String>,
    events: Arc<AsyncMutex<mpsc::UnboundedReceiver<String>>>,
}

#[derive(Deserialize)]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
}

/// The invocation that an instance begins, as its extensions are told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invoke<'a> {
    pub(super) request_id: &'a str,
    pub(super) deadline_ms: u128,
    pub(super) arn: &'a str,
    pub(super) trace: &'a str,
}

impl Extensions {
    pub(super) fn new(function: Arc<Function>, label: Arc<str>) -> Arc<Self> {
        Arc::new(Self { function, label, state: Mutex::default() })
    }

    pub(super) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/2020-01-01/extension/register", post(register))
            .route("/2020-01-01/extension/event/next", get(next))
            .route("/2020-01-01/extension/init/error", post(report))
            .route("/2020-01-01/extension/exit/error", post(report))
            .with_state(Arc::clone(self))
    }

    /// How long the process may take to end by itself.
    pub(super) fn grace(&self) -> Duration {
        if self.lock().extensions.is_empty() { Duration::ZERO } else { GRACE }
    }

    /// Takes no more registrations.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    /// Tells those that want to know of it.
    pub(super) fn announce(&self, invoke: Invoke<'_>) {
        let state = self.lock();
        for extension in state.extensions.values().filter(|extension| extension.invoke) {
            let event = json!({
                "eventType": "INVOKE",
                "deadlineMs": invoke.deadline_ms as u64,
                "requestId": invoke.request_id,
                "invokedFunctionArn": invoke.arn,
                "tracing": { "type": "X-Amzn-Trace-Id", "value": invoke.trace },
            });
            // The receiver is held beside it.
            let _ = extension.sender.send(event.to_string());
        }
    }

    fn register(&self, name: &str, events: &[String]) -> Result<String, Refusal> {
        if let Some(other) = events.iter().find(|event| *event != "INVOKE") {
            return Err(Refusal(
                "Extension.InvalidEventType",
                format!("{other}: not for an internal extension"),
            ));
        }
        let mut state = self.lock();
        if state.closed {
            return Err(refusal("Extension.RegistrationClosed", "Extension registration closed already"));
        }
        if state.extensions.values().any(|extension| extension.name == name) {
            let why = "Extension with this name already registered";
            return Err(refusal("Extension.InvalidExtensionState", why));
        }
        if state.extensions.len() >= MOST {
            return Err(refusal("Extension.TooManyExtensions", "Extension limit (10) reached"));
        }
        let (sender, events_to_come) = mpsc::unbounded_channel();
        let extension = Extension {
            name: name.to_owned(),
            invoke: !events.is_empty(),
            sender,
            events: Arc::new(AsyncMutex::new(events_to_come)),
        };
        let identifier = Uuid::new_v4().to_string();
        state.extensions.insert(identifier.clone(), extension);
        Ok(identifier)
    }

    fn is_registered(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let missing =
            || refusal("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header");
        let identifier = text(headers, &IDENTIFIER).ok_or_else(missing)?;
        match self.lock().extensions.contains_key(identifier) {
            true => Ok(identifier.to_owned()),
            false => {
                let why = format!("Unknown extension {identifier}");
                Err(Refusal("Extension.UnknownExtensionIdentifier", why))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The type of an error and its sentence.
#[derive(Debug)]
struct Refusal(&'static str, String);

fn refusal(error_type: &'static str, why: &str) -> Refusal {
    Refusal(error_type, why.to_owned())
}

impl From<Refusal> for Response {
    fn from(Refusal(error_type, why): Refusal) -> Self {
        let body = json!({ "errorType": error_type, "errorMessage": why });
        answers::json(StatusCode::FORBIDDEN, body.to_string())
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}

/// An answer that names an id in a header.
fn identified(name: HeaderName, id: &str, body: String) -> Response {
    let mut response = answers::json(StatusCode::OK, body);
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(name, id);
    }
    response
}

async fn register(State(extensions): State<Arc<Extensions>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(name) = text(&headers, &NAME) else {
        return refusal("Extension.InvalidExtensionName", "Empty extension name").into();
    };
    let registration: Registration = match serde_json::from_slice(&body) {
        Ok(registration) => registration,
        Err(error) => return Refusal("InvalidRequestFormat", error.to_string()).into(),
    };
    match extensions.register(name, &registration.events) {
        Ok(identifier) => {
            let Function { name, handler, .. } = &*extensions.function;
            let body: Value =
                json!({ "functionName": name, "functionVersion": "$LATEST", "handler": handler });
            identified(IDENTIFIER, &identifier, body.to_string())
        }
        Err(refused) => refused.into(),
    }
}

/// Waits for the next invocation; one that registered for none waits for as long as the process lives.
async fn next(State(extensions): State<Arc<Extensions>>, headers: HeaderMap) -> Response {
    let identifier = match extensions.is_registered(&headers) {
        Ok(identifier) => identifier,
        Err(refused) => return refused.into(),
    };
    let events = extensions.lock().extensions.get(&identifier).map(|extension| Arc::clone(&extension.events));
    let event = match events {
        Some(events) => events.lock().await.recv().await,
        None => None,
    };
    let id = Uuid::new_v4().to_string();
    identified(EVENT_IDENTIFIER, &id, event.unwrap_or_default())
}

/// An extension reports its own failure; the process ends by itself then.
async fn report(State(extensions): State<Arc<Extensions>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refused) = extensions.is_registered(&headers) {
        return refused.into();
    }
    let said = String::from_utf8_lossy(&body);
    tracing::error!("[{}] an extension failed: {said}", extensions.label);
    answers::json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}
