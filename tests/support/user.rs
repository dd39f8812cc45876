//! A user of the REST API.

use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use serde_json::{Value, json};
use shared::message::CONTENT_BYTES;

use crate::{App, Device, Mode, Reply, Watch};

/// `AWS::StackId` of the local gateway, under which functions hash users.
const STACK_ID: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/local/local";

/// A message as clients get it.
pub type Message = Value;

/// Somebody with a user key of their own.
#[derive(Clone, Debug)]
pub struct User {
    pub(crate) app: App,
    pub key: String,
}

impl User {
    /// The app whose user this is.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// What stands for this user in the logs of functions: 16 digits of what `openssl dgst -sha256 -hmac KEY` says of the
    /// user key.
    pub fn in_logs(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, STACK_ID.as_bytes());
        let hash = hmac::sign(&key, self.key.as_bytes());
        hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Begins to keep what functions log of this user's requests and frames.
    pub fn watch(&self) -> Watch {
        Watch::start(format!(r#""user":"{}""#, self.in_logs()))
    }

    /// Opens a WebSocket and registers on it.
    pub async fn connect(&self) -> Device {
        let mut device = self.open().await;
        device.register(&self.key).await;
        device
    }

    /// Opens a WebSocket, with a ticket where one is asked for; not registered.
    pub async fn open(&self) -> Device {
        match self.app.mode() {
            Mode::Open => self.app.connect().await,
            Mode::Guarded => self.app.sign_in(self).connect().await,
        }
    }

    /// Sends a request as this user: with a token where one is asked for, named in the query elsewhere.
    pub async fn request(&self, method: Method, path: &str, body: impl Into<Option<Value>>) -> Reply {
        match self.app.mode() {
            Mode::Open => {
                let path = format!("{path}?user={}", encoded(&self.key));
                self.app.client(None).send(method, &path, body).await
            }
            Mode::Guarded => self.app.sign_in(self).send(method, path, body).await,
        }
    }

    pub async fn post_message(&self, receiver: &User, content: &str) -> Message {
        let reply = self.try_post_message(receiver, content).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.data()
    }

    pub async fn try_post_message(&self, receiver: &User, content: &str) -> Reply {
        let draft = json!({ "sender_id": self.key, "receiver_id": receiver.key, "content": content });
        self.app.post("/messages", draft.to_string()).await
    }

    /// Posts so many of the largest messages there are, one after the other: each of their control characters is six bytes
    /// in JSON, and seven escaped once more.
    pub async fn post_largest_messages(&self, receiver: &User, count: usize) -> Vec<Message> {
        let largest = "\u{1}".repeat(CONTENT_BYTES);
        let mut posted = Vec::new();
        for _ in 0..count {
            posted.push(self.post_message(receiver, &largest).await);
        }
        posted
    }

    pub async fn edit_message(&self, message: &Message, content: &str) -> Message {
        let reply = self.try_edit_message(message, content).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.data()
    }

    pub async fn try_edit_message(&self, message: &Message, content: &str) -> Reply {
        self.app.put(&path(message), json!({ "content": content }).to_string()).await
    }

    pub async fn delete_message(&self, message: &Message) {
        let reply = self.try_delete_message(message).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    pub async fn try_delete_message(&self, message: &Message) -> Reply {
        self.app.delete(&path(message)).await
    }

    pub async fn read_message(&self, message: &Message) -> Reply {
        self.app.get(&path(message)).await
    }

    /// The messages this user takes part in.
    pub async fn list_messages(&self) -> Vec<Message> {
        self.app.list(&format!("user={}", encoded(&self.key))).await
    }

    /// As `list_messages`, page by page, where there may be more than one page holds.
    pub async fn list_every_message(&self) -> Vec<Message> {
        let mut messages = self.list_messages().await;
        let mut page = messages.clone();
        while let Some(oldest) = page.first() {
            let before = oldest["id"].as_str().expect("a message has an id");
            page = self.app.list(&format!("user={}&before={before}", encoded(&self.key))).await;
            messages.splice(0..0, page.iter().cloned());
        }
        messages
    }

    /// The messages between the two.
    pub async fn list_conversation(&self, with: &User) -> Vec<Message> {
        self.app.list(&format!("user={}&with={}", encoded(&self.key), encoded(&with.key))).await
    }
}

/// Text as it stands in a query or path.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn path(message: &Message) -> String {
    format!("/messages/{}", message["id"].as_str().expect("a message has an id"))
}
