//! The project, served by a gateway of this process, and a client for it.

use ::harness::Served;
use bytes::Bytes;
use futures_util::FutureExt;
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

use super::harness;
use super::{Device, Message, Reply, User, in_time};

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

    /// A gateway of this test's own, deployed: the functions were not told that anybody is welcome.
    pub(crate) async fn not_open() -> Self {
        Self::of(harness::not_open())
    }

    /// Kills an instance of a function, a busy one first; false where there is none.
    pub(crate) fn try_kill(&self, function: &str) -> bool {
        self.served.kill(function)
    }

    fn of(served: &'static Served) -> Self {
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
