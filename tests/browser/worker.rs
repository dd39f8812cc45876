//! The client package in a worker, where there is no page: messages and events as anywhere, and no calls.

use serde_json::{Value, json};
use support::StoreKind::Single;
use support::TestGateway;

use crate::browser::{Browsers, Tab, tell};
use crate::page::Person;

/// The worker's program. It tells the page what it shows after each change, and does what the page says.
const PROGRAM: &str = r#"
    import { NowOptics } from "ORIGIN/client/index.js";
    const client = new NowOptics({ user: "USER", api: "ORIGIN" });
    const conversation = client.conversation("PEER");
    const told = { received: [], typing: false, isPage: "document" in globalThis };
    const tell = () => {
      const { messages, isTyping } = conversation.getSnapshot();
      told.state = client.getSnapshot().state;
      told.messages = messages.filter(({ state }) => state === "sent").map(({ content }) => content);
      told.typing ||= isTyping;
      postMessage(told);
    };
    for (const watched of [client, conversation]) watched.subscribe(tell);
    client.on("message", ({ content }) => {
      told.received.push(content);
      tell();
    });
    client.on("ring", (call) => {
      call.subscribe(() => {
        const { reason, error } = call.getSnapshot();
        Object.assign(told, { reason, failure: error?.message });
        tell();
      });
      call.accept();
    });
    onmessage = ({ data: [verb, ...rest] }) => {
      const key = conversation.getSnapshot().messages[0]?.key;
      try {
        if (verb === "send") conversation.send(...rest);
        else if (verb === "edit") conversation.edit(key, ...rest);
        else if (verb === "call") client.call("PEER");
        else client.close();
      } catch (error) {
        told.refused = error.message;
      }
      tell();
    };
    client.connect();
"#;

/// A user whose client is in a dedicated worker.
struct Worker {
    tab: Tab,
}

impl Worker {
    async fn start(browsers: &Browsers, url: &str, user: &str, peer: &str) -> Self {
        let tab = browsers.open(user).await;
        tab.goto(url).await;
        let origin = url.trim_end_matches('/');
        let program = PROGRAM.replace("ORIGIN", origin).replace("USER", user).replace("PEER", peer);
        let start = "
            const program = new Blob([arguments[0]], { type: 'text/javascript' });
            window.worker = new Worker(URL.createObjectURL(program), { type: 'module' });
            window.worker.onmessage = ({ data }) => (window.told = data);";
        tab.run(start, vec![json!(program)]).await;
        Self { tab }
    }

    async fn say(&self, command: Value) {
        self.tab.run("window.worker.postMessage(arguments[0])", vec![command]).await;
    }

    /// What the worker told last holds.
    async fn expect(&self, condition: &str, arguments: Vec<Value>) {
        self.tab.until(&format!("window.told && (({condition}))"), arguments).await;
    }

    async fn expect_messages(&self, contents: &[&str]) {
        let same = "JSON.stringify(window.told.messages) === JSON.stringify(arguments[0])";
        self.expect(same, vec![json!(contents)]).await;
    }
}

#[test]
fn a_worker_chats_and_says_that_it_cannot_call() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let alice = Worker::start(browsers, &url, "alice-works", "bob-meets-a-worker").await;
        alice.expect("told.state === 'online' && !told.isPage", Vec::new()).await;
        let bob = Person::sign_in(browsers, &url, "bob-meets-a-worker").await;
        bob.open_conversation("alice-works").await;

        alice.say(json!(["send", "From a worker"])).await;
        bob.expect_messages(&["From a worker"]).await;
        bob.send("To a worker").await;
        alice.expect_messages(&["From a worker", "To a worker"]).await;
        alice.expect("told.typing && told.received.join() === 'To a worker'", Vec::new()).await;
        alice.say(json!(["edit", "From a worker, edited"])).await;
        bob.expect_messages(&["From a worker, edited", "To a worker"]).await;
        bob.delete("To a worker").await;
        alice.expect_messages(&["From a worker, edited"]).await;

        alice.say(json!(["call"])).await;
        alice.expect("/workers do not have/.test(told.refused)", Vec::new()).await;
        bob.call().await;
        alice
            .expect("told.reason === 'failed' && /workers do not have/.test(told.failure)", Vec::new())
            .await;
        bob.expect_idle().await;
        alice.say(json!(["close"])).await;
        alice.expect("told.state === 'closed'", Vec::new()).await;
    });
}
