//! A client of the API that shows a token with every request, or none.

use hyper::Method;
use hyper::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::{App, Device, Message, Reply, User};

/// A client and its token.
#[derive(Clone, Debug)]
pub struct ApiClient {
    app: App,
    token: Option<String>,
}

impl App {
    /// A client that shows this token.
    pub fn client(&self, token: impl Into<Option<String>>) -> ApiClient {
        ApiClient { app: self.clone(), token: token.into() }
    }

    /// A client of this user, with a token of the issuer.
    pub fn sign_in(&self, user: &User) -> ApiClient {
        self.client(App::issuer().token(&user.key).sign())
    }

    /// Opens a WebSocket with this ticket; the status if it is refused.
    pub async fn enter(&self, ticket: &str) -> Result<Device, u16> {
        self.try_connect(&format!("/?ticket={ticket}"), &[]).await
    }
}

impl ApiClient {
    pub async fn send(&self, method: Method, path: &str, body: impl Into<Option<Value>>) -> Reply {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers = bearer.iter().map(|bearer| (AUTHORIZATION.as_str(), bearer.as_str()));
        let body = body.into().map(|body| body.to_string()).unwrap_or_default();
        self.app.send_with(method, path, &headers.collect::<Vec<_>>(), body).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    /// Posts a message without naming its sender.
    pub async fn post_message(&self, receiver: &User, content: &str) -> Message {
        let draft = json!({ "receiver_id": receiver.key, "content": content });
        let reply = self.send(Method::POST, "/messages", draft).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.data()
    }

    pub async fn take_ticket(&self) -> String {
        let reply = self.send(Method::POST, "/tickets", None).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.json()["expires_in"], 30);
        reply.json()["ticket"].as_str().expect("a ticket is a text").to_owned()
    }

    /// Opens a WebSocket with a ticket, not registered.
    pub async fn connect(&self) -> Device {
        let opened = self.app.enter(&self.take_ticket().await).await;
        opened.unwrap_or_else(|status| panic!("refused with {status}"))
    }

    /// Opens a WebSocket and registers on it without a user key.
    pub async fn register(&self) -> Device {
        let mut device = self.connect().await;
        device.send(json!({ "type": "register" })).await;
        device.expect("registered").await;
        device
    }
}
