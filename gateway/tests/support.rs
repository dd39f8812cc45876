//! The echo project, built and served with just the WebSocket API; and a client for it.

pub(crate) mod echo;
pub(crate) mod form;
#[cfg(unix)]
pub(crate) mod program;
pub(crate) mod sdk_http;
pub(crate) mod tiny;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use gateway::connections_api;
use gateway::lambda::{Lambda, Options};
use gateway::project::{
    Function, Integration, RequestAuthorizer, RouteSelection, WebSocketApi, WebSocketRoute,
};
use gateway::websocket_api::{WebSocketApiServer, WebSocketOptions};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as SocketError;
use tokio_tungstenite::tungstenite::handshake::client::Response as UpgradeResponse;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

pub(crate) const STAGE: &str = "dev";

/// A test fails instead of waiting longer than this.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(TIMEOUT, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {} s", TIMEOUT.as_secs()),
    }
}

/// Waits until `find` finds something.
pub(crate) async fn eventually<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = find() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, search).await
}

/// Says that something is skipped, and why; in CI nothing may be.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    // Not by a macro: what those say is kept back while a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

pub(crate) fn project_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/echo-project")
}

/// Builds the functions once per test binary; by logical id.
pub(crate) fn executables() -> BTreeMap<String, PathBuf> {
    static BUILT: OnceLock<()> = OnceLock::new();
    let folder = project_folder();
    let target = folder.join("target");
    BUILT.get_or_init(|| {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--target-dir"])
            .arg(&target)
            .current_dir(&folder)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the echo project builds");
    });
    let named = [("Echo", "echo"), ("Authorize", "authorize")];
    named.map(|(id, file)| (id.to_owned(), target.join("debug").join(file))).into()
}

pub(crate) fn functions() -> BTreeMap<String, Function> {
    let named = [("Echo", "echo"), ("Authorize", "authorize")];
    named
        .map(|(id, folder)| {
            let function = Function {
                name: id.to_owned(),
                program: folder.to_owned(),
                code_uri: project_folder().join(folder),
                binary: None,
                handler: "bootstrap".into(),
                environment: [("GREETING".to_owned(), "hello".to_owned())].into(),
                timeout: Duration::from_secs(10),
                memory_mb: 128,
            };
            (id.to_owned(), function)
        })
        .into()
}

/// Options to start the echo project's functions with.
pub(crate) fn options() -> Options {
    Options { functions: functions(), executables: executables(), ..Options::default() }
}

/// A file that the echo function appends its events to.
#[derive(Clone, Debug)]
pub(crate) struct EventLog(PathBuf);

impl EventLog {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("events-{}-{number}.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) fn of_type(&self, event_type: &str) -> Vec<Value> {
        // An authorizer's event has the same type as the CONNECT that it decides on.
        let is_wanted =
            |event: &Value| event["requestContext"]["eventType"] == event_type && event["type"] != "REQUEST";
        self.events().into_iter().filter(is_wanted).collect()
    }

    pub(crate) async fn wait_for(&self, event_type: &str) -> Value {
        eventually(event_type, || self.of_type(event_type).into_iter().next()).await
    }

    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        [("EVENT_LOG".to_owned(), self.0.display().to_string())].into()
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn lambda_route(two_way: bool) -> WebSocketRoute {
    WebSocketRoute { integration: Integration::Lambda("Echo".into()), two_way, authorizer: None }
}

/// An API with the usual routes to the echo function; `$default` is left out.
pub(crate) fn api() -> WebSocketApi {
    let mock = |response: Option<&str>, two_way| WebSocketRoute {
        integration: Integration::Mock { response: response.map(str::to_owned) },
        two_way,
        authorizer: None,
    };
    let routes = [
        ("$connect", lambda_route(false)),
        ("$disconnect", lambda_route(false)),
        ("send", lambda_route(false)),
        ("echo", lambda_route(true)),
        ("1", lambda_route(true)),
        ("ping", mock(Some(r#"{"action":"pong"}"#), true)),
        ("hint", mock(None, false)),
    ];
    WebSocketApi {
        closed: None,
        api_id: "abcdef1234".into(),
        stage: STAGE.into(),
        stage_variables: BTreeMap::new(),
        route_selection: RouteSelection::parse("$request.body.action"),
        routes: routes.map(|(key, route)| (key.to_owned(), route)).into(),
    }
}

pub(crate) fn authorizer() -> RequestAuthorizer {
    RequestAuthorizer {
        name: "authorizer".into(),
        function: "Authorize".into(),
        identity_sources: vec!["route.request.querystring.token".into()],
    }
}

/// A running gateway with the echo project.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) websocket: WebSocketApiServer,
    pub(crate) lambda: Lambda,
    pub(crate) log: EventLog,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::start_with(api(), WebSocketOptions::default()).await
    }

    pub(crate) async fn start_with(api: WebSocketApi, websocket: WebSocketOptions) -> Self {
        let log = EventLog::new();
        let lambda = Lambda::start(Options { environment: log.environment(), ..options() });
        let websocket = WebSocketApiServer::new(api, lambda.clone(), websocket);
        let app = Router::new().fallback(answer).with_state(websocket.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, websocket, lambda, log }
    }

    /// Opens a WebSocket; `path` may have a query string.
    pub(crate) async fn open(&self, path: &str) -> Client {
        match self.try_open(path, &[]).await {
            Ok((client, _)) => client,
            Err(error) => panic!("{path} was not accepted: {error}"),
        }
    }

    pub(crate) async fn try_open(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Client, UpgradeResponse), SocketError> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let opening = tokio_tungstenite::client_async(request, stream);
        let (socket, response) = within("the upgrade's answer", opening).await?;
        Ok((Client { socket }, response))
    }

    /// The status with which an upgrade is refused.
    pub(crate) async fn refusal(&self, path: &str) -> StatusCode {
        match self.try_open(path, &[]).await {
            Err(SocketError::Http(response)) => response.status(),
            Err(error) => panic!("{path} failed otherwise: {error}"),
            Ok(_) => panic!("{path} was accepted"),
        }
    }

    /// The id of the only connection so far.
    pub(crate) async fn connection_id(&self) -> String {
        let event = self.log.wait_for("CONNECT").await;
        event["requestContext"]["connectionId"].as_str().unwrap().to_owned()
    }
}

async fn answer(
    State(websocket): State<WebSocketApiServer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    if request.headers().contains_key(header::UPGRADE) {
        return websocket.upgrade(request, peer).await;
    }
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let Some(id) = path.strip_prefix("/dev/@connections/") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    connections_api::handle(&websocket, &parts.method, id, body).await
}

/// A WebSocket client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next text frame.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match within("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Pong(_) | Message::Ping(_))) => {}
                other => panic!("a text frame was expected, not {other:?}"),
            }
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Sends a message that the platform answers itself, so that what comes before its answer can be seen.
    pub(crate) async fn ping(&mut self) {
        self.send(r#"{"action":"ping"}"#).await;
        assert_eq!(self.text().await, r#"{"action":"pong"}"#);
    }

    /// Reads up to the server's close frame and the end of the connection.
    pub(crate) async fn close_frame(&mut self) -> CloseFrame {
        let mut closing = None;
        loop {
            match within("a close frame", self.socket.next()).await {
                Some(Ok(Message::Close(frame))) => closing = frame,
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("the connection broke off: {error}"),
                None => return closing.expect("a close frame with a code"),
            }
        }
    }
}

/// Runs something beside the test; it ends with the test's runtime.
#[expect(clippy::disallowed_methods, reason = "nothing freezes here")]
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}
