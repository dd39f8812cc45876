//! Two users at a gateway, and what they do to have each function do its work.

use hyper::Method;
use serde_json::{Value, json};
use support::{App, Device, Message, User};
use uuid::Uuid;

/// Alice on her laptop and Bob on his phone, with a message between them.
pub(crate) struct Scene {
    app: App,
    alice: User,
    bob: User,
    laptop: Device,
    phone: Device,
    message: Message,
}

impl Scene {
    pub(crate) async fn open(app: App) -> Self {
        let [alice, bob] = ["alice", "bob"].map(|name| app.user(name));
        let (mut laptop, mut phone) = (alice.connect().await, bob.connect().await);
        let message = alice.post_message(&bob, "What time shall we meet tomorrow?").await;
        laptop.expect("new_message").await;
        phone.expect("new_message").await;
        Self { app, alice, bob, laptop, phone, message }
    }

    /// Has a function work once, and sees that it did.
    pub(crate) async fn have_work(&mut self, function: &str) {
        let message = format!("/messages/{}", self.message["id"].as_str().unwrap());
        let bob = self.bob.key.clone();
        match function {
            "connect" => drop(self.app.connect().await),
            "disconnect" => {
                let device = self.bob.connect().await;
                device.close().await;
            }
            "register" => {
                self.laptop.register(&self.alice.key).await;
            }
            "default" => {
                self.laptop.send(json!({ "type": "nonsense" })).await;
                self.laptop.expect("error").await;
            }
            "signaling" => self.call_and_hang_up().await,
            "create-message" => {
                self.alice.post_message(&self.bob, "What time shall we meet tomorrow?").await;
                self.both_see("new_message").await;
            }
            "update-message" => {
                let message = self.message.clone();
                self.alice.edit_message(&message, &Uuid::new_v4().to_string()).await;
                self.both_see("update_message").await;
            }
            "delete-message" => {
                let message = self.alice.post_message(&self.bob, "not this").await;
                self.both_see("new_message").await;
                self.alice.delete_message(&message).await;
                self.both_see("delete_message").await;
            }
            "mark-read" => {
                let body = json!({ "message_id": self.message["id"] });
                let path = format!("/conversations/{bob}/read");
                self.ask(Method::PUT, &path, body).await;
            }
            "end-call" => {
                let path = format!("/calls/{bob}/end");
                self.ask(Method::POST, &path, json!({})).await;
            }
            "create-ticket" => self.ask(Method::POST, "/tickets", None).await,
            "get-message" => self.ask(Method::GET, &message, None).await,
            "get-call" => self.ask(Method::GET, &format!("/calls/{bob}"), None).await,
            "ice-servers" => self.ask(Method::GET, "/ice-servers", None).await,
            "list-calls" => self.ask(Method::GET, "/calls", None).await,
            "list-conversations" => self.ask(Method::GET, "/conversations", None).await,
            "list-events" => self.ask(Method::GET, "/events", None).await,
            "list-messages" => self.ask(Method::GET, "/messages", None).await,
            "export-me" => self.ask(Method::GET, "/me/export", None).await,
            "erase-me" => {
                let carol = self.app.user("carol");
                carol.post_message(&self.bob, "a word").await;
                self.phone.expect("new_message").await;
                carol.request(Method::DELETE, "/me", None).await;
                self.phone.expect("delete_message").await;
            }
            other => panic!("there is no scene for {other}"),
        }
        self.laptop.take_all().await;
        self.phone.take_all().await;
    }

    /// An offer that rings on the phone; two invocations, as the hang-up is one, too.
    async fn call_and_hang_up(&mut self) {
        let id = Uuid::new_v4().to_string();
        let offer = json!({
            "type": "offer", "target": self.bob.key, "call_id": id, "data": { "type": "offer", "sdp": "v=0" },
        });
        self.laptop.send(offer).await;
        self.phone.expect("offer").await;
        let end = json!({ "type": "end_call", "target": self.bob.key, "call_id": id });
        self.laptop.send(end).await;
        self.phone.expect("end_call").await;
    }

    async fn both_see(&mut self, kind: &str) {
        self.laptop.expect(kind).await;
        self.phone.expect(kind).await;
    }

    async fn ask(&self, method: Method, path: &str, body: impl Into<Option<Value>>) {
        let reply = self.alice.request(method, path, body).await;
        assert!((200..300).contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
    }
}
