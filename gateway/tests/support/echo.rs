//! The whole gateway on the echo project's own template, and ways to use it from outside.

use aws_credential_types::Credentials;
use aws_sdk_apigatewaymanagement::Client as Management;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use gateway::server::{Gateway, Options};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as SocketError;

use super::{Client, EventLog, executables, project_folder, sdk_http, within};

/// A whole gateway on the echo project, and what its function saw.
pub(crate) struct Echo {
    pub(crate) gateway: Gateway,
    pub(crate) log: EventLog,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Echo {
    pub(crate) async fn start(options: Options) -> Self {
        let log = EventLog::new();
        let options = Options {
            template: project_folder().join("template.yaml"),
            environment: log.environment(),
            executables: options.executables.clone().or_else(|| Some(executables())),
            ..options
        };
        Self { gateway: Gateway::start(options).await.unwrap(), log }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.gateway.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    pub(crate) async fn try_open(&self, path: &str) -> Result<Client, SocketError> {
        let mut request =
            format!("ws://abcdxyz123.localhost:{}{path}", self.gateway.port()).into_client_request()?;
        request.headers_mut().insert("user-agent", "test/1".parse().unwrap());
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", self.gateway.port())).await?;
        let (socket, _) = within("the upgrade", tokio_tungstenite::client_async(request, stream)).await?;
        Ok(Client { socket })
    }

    pub(crate) async fn open(&self) -> Client {
        self.try_open("/?token=allow").await.unwrap()
    }

    /// The id of the connection opened last.
    pub(crate) async fn connection_id(&self) -> String {
        self.log.wait_for("CONNECT").await;
        let connect = self.log.of_type("CONNECT").pop().unwrap();
        connect["requestContext"]["connectionId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn management(&self, stage: &str) -> Management {
        let config = aws_sdk_apigatewaymanagement::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .region(Region::new("us-east-1"))
            .http_client(sdk_http::plain())
            .endpoint_url(format!("{}{stage}", self.gateway.url()))
            .build();
        Management::from_conf(config)
    }

    pub(crate) async fn admin(&self, method: Method, path: &str, body: &'static str) -> StatusCode {
        let uri = format!("http://127.0.0.1:{}/_gateway{path}", self.gateway.admin_port().unwrap());
        let request = Request::builder().method(method).uri(uri).body(Body::from(body)).unwrap();
        answer(request).await.status
    }
}

async fn answer(request: Request<Body>) -> Answer {
    let http: Http<_, Body> = Http::builder(TokioExecutor::new()).build_http();
    let response = within("an answer", http.request(request)).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(Body::new(body), 16 << 20).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}
