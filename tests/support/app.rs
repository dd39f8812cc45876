//! The project, served by a gateway of this process, and a client for it.

mod builder;
mod test_gateway;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use gateway::server::Gateway;
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use strum::EnumCount as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::issuer::Issuer;
use crate::{Device, Message, PausedProcess, Reply, StoreKind, User, in_time, recording, wait_until};

pub use builder::AppBuilder;
pub use test_gateway::TestGateway;

/// Whether an app believes a client's own word about who it is, or asks for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Open,
    Guarded,
}

/// A gateway and a client of the test's own; cheap to clone.
///
/// Tests that share a gateway have users of their own on it. A gateway of one's own ends with its last `App`.
#[derive(Clone, Debug)]
pub struct App {
    gateway: Arc<TestGateway>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl App {
    /// The gateway in open mode that all tests share, on the single server.
    pub async fn open() -> Self {
        Self::open_on(StoreKind::Single).await
    }

    /// The same on the shared store of this kind.
    pub async fn open_on(kind: StoreKind) -> Self {
        Self::of(TestGateway::shared(kind))
    }

    /// The gateway that asks for tokens of the [`Issuer`] and that all tests share, on the single server.
    pub async fn guarded() -> Self {
        Self::guarded_on(StoreKind::Single).await
    }

    /// The same on the shared store of this kind.
    pub async fn guarded_on(kind: StoreKind) -> Self {
        static SHARED: [OnceLock<Arc<TestGateway>>; StoreKind::COUNT] =
            [const { OnceLock::new() }; StoreKind::COUNT];
        let start = || Arc::new(Self::builder().on(kind).guarded().start_gateway());
        Self::of(Arc::clone(SHARED[kind as usize].get_or_init(start)))
    }

    /// The gateway of this mode and store that all tests share.
    pub async fn shared(mode: Mode, kind: StoreKind) -> Self {
        match mode {
            Mode::Open => Self::open_on(kind).await,
            Mode::Guarded => Self::guarded_on(kind).await,
        }
    }

    /// A gateway of the test's own.
    pub fn builder() -> AppBuilder {
        AppBuilder::default()
    }

    /// A client of this gateway.
    pub(crate) fn of(gateway: Arc<TestGateway>) -> Self {
        Self { gateway, client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()) }
    }

    /// The issuer whose tokens guarded gateways take.
    pub fn issuer() -> &'static Issuer {
        Issuer::shared()
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.running()
    }

    /// How many instances of a function have ended; `None` if it never ran.
    pub fn ended(&self, function: &str) -> Option<u64> {
        let lambda = self.gateway().lambda();
        let (started, running) = (lambda.started(function), lambda.instances(function) as u64);
        (started > 0).then(|| started - running)
    }

    /// Kills an instance of a function, a busy one first; false where there is none.
    pub fn try_kill(&self, function: &str) -> bool {
        self.gateway().lambda().kill(function)
    }

    /// Pauses functions of one instance each as soon as they are idle, as the platform does.
    pub async fn freeze(&self, functions: &[&str]) -> Vec<PausedProcess> {
        let lambda = self.gateway().lambda();
        wait_until("the end of the functions' work", async || {
            functions.iter().all(|function| lambda.idle(function) == 1)
        })
        .await;
        let processes: Vec<_> = functions.iter().flat_map(|function| lambda.processes(function)).collect();
        assert_eq!(processes.len(), functions.len());
        join_all(processes.into_iter().map(PausedProcess::pause)).await
    }

    pub fn port(&self) -> u16 {
        self.gateway.port()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.gateway.mode()
    }

    /// A new user whose key starts with this name.
    pub fn user(&self, name: &str) -> User {
        self.user_called(&format!("{name}-{}", uuid::Uuid::now_v7()))
    }

    /// The user with exactly this key.
    pub fn user_called(&self, key: &str) -> User {
        User { app: self.clone(), key: key.to_owned() }
    }

    /// Opens a WebSocket, not registered.
    pub async fn connect(&self) -> Device {
        self.try_connect("/", &[]).await.unwrap_or_else(|status| panic!("refused with {status}"))
    }

    /// Opens a WebSocket with these headers; the status if it is refused.
    pub async fn try_connect(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Device, u16> {
        let mut request = format!("ws://localhost:{}{path}", self.port())
            .into_client_request()
            .expect("a URL is a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header value"));
        }
        let stream = TcpStream::connect(("127.0.0.1", self.port())).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket takes options");
        let opened = tokio_tungstenite::client_async(request, stream);
        match in_time("the answer to an upgrade", opened.boxed()).await {
            Ok((socket, _response)) => Ok(Device::new(socket, self.mode())),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no WebSocket: {error}"),
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "").await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(Method::POST, path, body).await
    }

    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(Method::PUT, path, body).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, "").await
    }

    /// The messages that a query selects.
    pub async fn list(&self, query: &str) -> Vec<Message> {
        let reply = self.get(&format!("/messages?{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        match reply.json() {
            Value::Array(messages) => messages,
            other => panic!("not a bare array: {other}"),
        }
    }

    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send_with(method, path, &[(CONTENT_TYPE.as_str(), "application/json")], body).await
    }

    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request =
            Request::builder().method(method.clone()).uri(format!("http://localhost:{}{path}", self.port()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request a client can send");
        let what = format!("the answer to {method} {path}");
        let response = in_time(&what, self.client.request(request)).await;
        let (head, body) = response.unwrap_or_else(|error| panic!("{what}: {error}")).into_parts();
        let body = in_time(&what, body.collect()).await.expect("a whole body").to_bytes();
        let reply = Reply { status: head.status.as_u16(), headers: head.headers, body };
        recording::answered(&method, path, &reply);
        reply
    }
}
