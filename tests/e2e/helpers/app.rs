//! The project, served by a gateway of this process, and a client for it.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use gateway::server::{Gateway, Options};
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::harness::{self, Served};
use super::issuer::Issuer;
use super::{Device, Message, Reply, Standstill, User, in_time, wait_until};

/// A gateway and a client of the test's own; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    served: &'static Served,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl App {
    /// The gateway that all tests share, each with users of its own.
    pub(crate) async fn open() -> Self {
        Self::of(::harness::shared())
    }

    /// A gateway of this test's own on the same store, where these faults happen.
    pub(crate) async fn with_faults(faults: &[&str]) -> Self {
        Self::of(harness::with_faults(faults))
    }

    /// A gateway of this test's own on a store of its own.
    pub(crate) async fn on_store(url: String) -> Self {
        Self::of(harness::on_store(url))
    }

    /// The gateway that asks for tokens of the issuer, which all tests share.
    pub(crate) async fn guarded() -> Self {
        Self::of(harness::guarded())
    }

    /// A gateway of this test's own that asks for tokens of the issuer, but for what `change` does about it.
    pub(crate) async fn guarded_with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = harness::asking_for_tokens();
        change(&mut options);
        Self::of(harness::start(options))
    }

    /// A gateway of this test's own, in open mode but for what `change` does about it.
    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        Self::of(harness::start(options))
    }

    /// The issuer whose tokens guarded gateways take.
    pub(crate) fn issuer() -> &'static Issuer {
        harness::issuer()
    }

    pub(crate) fn gateway(&self) -> &'static Gateway {
        self.served.gateway()
    }

    /// A gateway of this test's own, deployed: the functions were not told that anybody is welcome.
    pub(crate) async fn not_open() -> Self {
        Self::of(harness::not_open())
    }

    /// How many instances of a function have ended; `None` if it never ran.
    pub(crate) fn ended(&self, function: &str) -> Option<u64> {
        let lambda = self.gateway().lambda();
        let (started, running) = (lambda.started(function), lambda.instances(function) as u64);
        (started > 0).then(|| started - running)
    }

    /// Kills an instance of a function, a busy one first; false where there is none.
    pub(crate) fn try_kill(&self, function: &str) -> bool {
        self.served.kill(function)
    }

    /// Stops functions of one instance each as soon as they have nothing to do, as the platform does.
    pub(crate) async fn freeze(&self, functions: &[&str]) -> Vec<Standstill> {
        let lambda = self.gateway().lambda();
        wait_until("the end of the functions' work", async || {
            functions.iter().all(|function| lambda.idle(function) == 1)
        })
        .await;
        let processes: Vec<_> = functions.iter().flat_map(|function| lambda.processes(function)).collect();
        assert_eq!(processes.len(), functions.len());
        join_all(processes.into_iter().map(Standstill::of)).await
    }

    pub(crate) fn of(served: &'static Served) -> Self {
        Self { served, client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.served.port()
    }

    /// Somebody nobody knows yet.
    pub(crate) fn user(&self, name: &str) -> User {
        self.user_called(&format!("{name}-{}", uuid::Uuid::now_v7()))
    }

    /// Somebody with exactly this key.
    pub(crate) fn user_called(&self, key: &str) -> User {
        User { app: self.clone(), key: key.to_owned() }
    }

    /// Opens a WebSocket, not registered.
    pub(crate) async fn connect(&self) -> Device {
        self.try_connect("/", &[]).await.unwrap_or_else(|status| panic!("refused with {status}"))
    }

    /// Opens a WebSocket with these headers; the status if it is refused.
    pub(crate) async fn try_connect(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Device, u16> {
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
            Ok((socket, _response)) => Ok(Device::new(socket)),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no WebSocket: {error}"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(Method::PUT, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, "").await
    }

    /// The messages that a query selects.
    pub(crate) async fn list(&self, query: &str) -> Vec<Message> {
        let reply = self.get(&format!("/messages?{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        match reply.json() {
            Value::Array(messages) => messages,
            other => panic!("not a bare array: {other}"),
        }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send_with(method, path, &[(CONTENT_TYPE.as_str(), "application/json")], body).await
    }

    pub(crate) async fn send_with(
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
        Reply { status: head.status.as_u16(), headers: head.headers, body }
    }
}
