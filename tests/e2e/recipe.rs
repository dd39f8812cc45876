//! The client of docs/protocol.md, run as it stands there by Node.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use support::StoreKind::SecureCluster;
use support::{ApiClient, App, Message, User, in_time, root, skip};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

/// Most lines that the recipe may have.
const MOST_LINES: usize = 10;

const RETRY_INTERVAL: Duration = Duration::from_millis(20);

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A process of Node that runs the recipe's clients; dropped, it ends.
pub(crate) struct Recipe {
    stdin: tokio::sync::Mutex<ChildStdin>,
    waiting: Waiting,
    last_number: AtomicU64,
    _node: Child,
}

/// A client that runs the recipe.
pub(crate) struct RecipeClient {
    recipe: Arc<Recipe>,
    name: String,
}

/// The messages that a client shows, and how that came.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Shown {
    pub(crate) messages: Vec<Message>,
    /// Requests to `GET /events`.
    pub(crate) requests: usize,
    /// Those that were answered with 410.
    pub(crate) resyncs: usize,
    /// Events that no push had told.
    pub(crate) recovered: usize,
}

/// The lines of the only JavaScript in the protocol document.
fn recipe() -> String {
    let document = std::fs::read_to_string(root().join("docs/protocol.md")).expect("docs/protocol.md");
    let mut blocks = document.split("```js\n").skip(1);
    let block = blocks.next().and_then(|rest| rest.split("```").next()).expect("a block of JavaScript");
    assert!(blocks.next().is_none(), "which block is the recipe?");
    block.to_owned()
}

impl Recipe {
    /// `None` where Node is not installed.
    pub(crate) fn start(app: &App) -> Option<Arc<Self>> {
        let server = format!("http://localhost:{}", app.port());
        let mut command = Command::new("node");
        command.arg(root().join("tests/e2e/recipe.mjs")).arg(recipe()).arg(server).kill_on_drop(true);
        let Ok(mut node) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            skip("node is not installed");
            return None;
        };
        let stdin = tokio::sync::Mutex::new(node.stdin.take().expect("a pipe"));
        let mut lines = BufReader::new(node.stdout.take().expect("a pipe")).lines();
        let waiting = Waiting::default();
        let answered = Arc::clone(&waiting);
        #[expect(clippy::disallowed_methods, reason = "reads as long as the process runs")]
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let answer: Value = serde_json::from_str(&line).expect("a line of JSON");
                let number = answer["number"].as_u64().expect("a number");
                let waiting = answered.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
                // One that is not waited for any more is of no interest.
                let _ = waiting.map(|waiting| waiting.send(answer));
            }
        });
        Some(Arc::new(Self { stdin, waiting, last_number: AtomicU64::new(0), _node: node }))
    }

    /// A client that knows nothing yet.
    pub(crate) async fn client(self: &Arc<Self>, user: &User) -> RecipeClient {
        let name = uuid::Uuid::now_v7().to_string();
        let client = RecipeClient { recipe: Arc::clone(self), name };
        client.call("start", json!(App::issuer().token(&user.key).sign())).await.expect("it starts");
        client
    }

    async fn call(&self, client: &str, call: &str, argument: Value) -> Result<Value, String> {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, answer);
        let line = json!({ "number": number, "client": client, "call": call, "argument": argument });
        self.stdin.lock().await.write_all(format!("{line}\n").as_bytes()).await.expect("Node reads");
        let mut answer = in_time(call, answered).await.expect("Node answers");
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["result"].take()),
        }
    }
}

impl RecipeClient {
    /// Follows, and again where a request fails, as the document says.
    pub(crate) async fn follow(&self) {
        let following = async {
            while self.call("follow", Value::Null).await.is_err() {
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        };
        in_time("events", following).await;
    }

    pub(crate) async fn apply(&self, frame: &Value) {
        self.call("apply", frame.clone()).await.expect("a frame is applied");
    }

    pub(crate) async fn show(&self) -> Shown {
        let shown = self.call("show", Value::Null).await.expect("it shows what it holds");
        serde_json::from_value(shown).expect("what it holds")
    }

    async fn call(&self, call: &str, argument: Value) -> Result<Value, String> {
        self.recipe.call(&self.name, call, argument).await
    }
}

/// All messages of a user, page by page.
pub(crate) async fn list_all(client: &ApiClient) -> Vec<Message> {
    let (mut path, mut all) = ("/messages".to_owned(), Vec::new());
    loop {
        let reply = client.get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page: Vec<Message> = serde_json::from_value(reply.json()).expect("an array");
        all.splice(0..0, page);
        let link = reply.header("link");
        let Some((target, _)) = link.strip_prefix('<').and_then(|link| link.split_once('>')) else {
            return all;
        };
        path = target.to_owned();
    }
}

#[test]
fn the_recipe_is_short() {
    let lines = recipe().lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= MOST_LINES, "{lines} lines");
}

#[tokio::test]
async fn the_recipe_shows_what_it_was_told_and_what_it_was_not() {
    let app = App::guarded_on(SecureCluster).await;
    let Some(recipe) = Recipe::start(&app) else { return };
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let sender = app.sign_in(&alice);
    let before = sender.post_message(&bob, "before").await;
    let client = recipe.client(&bob).await;
    client.follow().await;
    let shown = client.show().await;
    assert_eq!((shown.messages, shown.resyncs), (vec![before.clone()], 1));

    let mut device = app.sign_in(&bob).register().await;
    let message = sender.post_message(&bob, "told").await;
    let created = device.expect("new_message").await;
    client.apply(&created).await;
    assert_eq!(client.show().await.messages, [before.clone(), message.clone()]);

    // Told later than what came after them, and twice.
    edit(&sender, &message, "once").await;
    let earlier = device.expect("update_message").await;
    let edited = edit(&sender, &message, "twice").await;
    let later = device.expect("update_message").await;
    for frame in [&later, &earlier, &created, &later] {
        client.apply(frame).await;
    }
    assert_eq!(client.show().await.messages, [before.clone(), edited]);

    let missed = sender.post_message(&bob, "missed").await;
    delete(&sender, &before).await;
    delete(&sender, &message).await;
    client.follow().await;
    for frame in [&created, &earlier, &later] {
        client.apply(frame).await;
    }
    let shown = client.show().await;
    assert_eq!((shown.messages, shown.resyncs), (vec![missed], 1));
}

#[tokio::test]
async fn a_client_that_was_away_for_too_long_lists_again() {
    let app = App::guarded().await;
    let Some(recipe) = Recipe::start(&app) else { return };
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let sender = app.sign_in(&alice);
    let first = sender.post_message(&bob, "first").await;
    let second = sender.post_message(&bob, "second").await;
    let client = recipe.client(&bob).await;
    client.follow().await;
    let edited = edit(&sender, &first, "edited").await;
    delete(&sender, &second).await;
    for _ in 0..10 {
        join_all((0..100).map(|_| sender.post_message(&bob, "one of many"))).await;
    }
    client.follow().await;
    let shown = client.show().await;
    assert_eq!((shown.messages.len(), shown.resyncs), (1001, 2));
    assert_eq!(shown.messages[0], edited);
    assert!(shown.messages == list_all(&app.sign_in(&bob)).await, "it shows what is listed");
}

async fn edit(client: &ApiClient, message: &Message, content: &str) -> Message {
    let reply = client.send(Method::PUT, &path(message), json!({ "content": content })).await;
    reply.data()
}

async fn delete(client: &ApiClient, message: &Message) {
    let reply = client.send(Method::DELETE, &path(message), None).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn path(message: &Message) -> String {
    format!("/messages/{}", message["id"].as_str().expect("an id"))
}
