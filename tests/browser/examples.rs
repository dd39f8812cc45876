//! The examples of the client package, as its documents show them, in browsers with real video.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use support::{TestGateway, root, skip};
use tokio::process::Command;

use crate::browser::{Browsers, Tab, tell};

const MOST_LINES_OF_THE_APP: usize = 60;
const MOST_LINES_WITH_REACT: usize = 80;

/// A page of an example, whichever it is: both name their parts alike.
struct Example {
    tab: Tab,
}

impl Example {
    async fn open(browsers: &Browsers, url: &str, user: &str, peer: &str) -> Self {
        let tab = browsers.open(user).await;
        tab.goto(&format!("{url}{}user={user}&peer={peer}", if url.contains('?') { '&' } else { '?' })).await;
        let example = Self { tab };
        example.expect_text("#state", "online").await;
        example.tab.watch_calls().await;
        example
    }

    async fn expect_text(&self, selector: &str, text: &str) {
        let shown = "document.querySelector(arguments[0])?.textContent.includes(arguments[1])";
        self.tab.until(shown, vec![json!(selector), json!(text)]).await;
    }

    async fn send(&self, text: &str) {
        self.tab.type_into("#draft", text).await;
        self.tab.click("#composer button:last-of-type").await;
    }

    async fn expect_live_call(&self) {
        self.expect_text("#call-state", "active").await;
        self.tab.expect_live_video("#remote").await;
    }
}

/// Two people chat, call each other and hang up.
async fn chat_and_call(browsers: &Browsers, url: &str, names: [&str; 2]) -> [Example; 2] {
    let [one, other] = names;
    let alice = Example::open(browsers, url, one, other).await;
    let bob = Example::open(browsers, url, other, one).await;
    alice.send("Hello Bob").await;
    bob.expect_text("#messages", &format!("{one}: Hello Bob")).await;
    bob.send("Hello Alice").await;
    alice.expect_text("#messages", &format!("{other}: Hello Alice")).await;

    alice.tab.click("#call").await;
    bob.tab.click("#accept").await;
    alice.expect_live_call().await;
    bob.expect_live_call().await;
    bob.tab.click("#hang-up").await;
    for example in [&alice, &bob] {
        let over = "window.watched.every((connection) => connection.signalingState === 'closed')";
        example.tab.until(over, Vec::new()).await;
        example.tab.until("!document.querySelector('#call').disabled", Vec::new()).await;
    }
    [alice, bob]
}

fn example(name: &str) -> PathBuf {
    root().join("client/examples").join(name)
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).expect("an example").lines().count()
}

#[test]
fn the_examples_are_short() {
    let [app, react] = ["app.html", "react.jsx"].map(|name| lines(&example(name)));
    assert!(app <= MOST_LINES_OF_THE_APP, "{app} lines");
    assert!(react <= MOST_LINES_WITH_REACT, "{react} lines");
}

#[test]
fn the_app_of_the_documents_chats_and_calls() {
    tell(async |browsers| {
        let gateway = TestGateway::shared(support::StoreKind::Single);
        let url = format!("{}/examples/app.html", gateway.url().trim_end_matches('/'));
        chat_and_call(browsers, &url, ["alice-app", "bob-app"]).await;
    });
}

#[test]
fn the_app_with_react_chats_and_calls_and_registers_once() {
    tell(async |browsers| {
        let folder = tempfile::tempdir().expect("a folder");
        if !bundle(&example("react.jsx"), folder.path()).await {
            return skip("the client's development dependencies are not installed (npm ci in client/)");
        }
        let gateway = TestGateway::shared(support::StoreKind::Single);
        let page = serve(folder.path()).await;
        let url = format!("{page}/?api={}", gateway.url().trim_end_matches('/'));
        let people = chat_and_call(browsers, &url, ["alice-reacts", "bob-reacts"]).await;
        for person in &people {
            person.tab.until("window.registered === 1", Vec::new()).await;
        }
    });
}

/// Bundles an example with React in its development mode, in which strict mode mounts everything twice; counts how
/// often the page is told that it registered.
async fn bundle(source: &Path, folder: &Path) -> bool {
    let esbuild = root().join("client/node_modules/.bin/esbuild");
    let mut command = Command::new(esbuild);
    command
        .arg(source)
        .args(["--bundle", "--format=esm", "--jsx=automatic", "--jsx-dev"])
        .arg("--define:process.env.NODE_ENV=\"development\"")
        .arg(format!("--alias:@nowoptics/client={}", root().join("client/src/index.js").display()))
        .arg(format!("--outfile={}", folder.join("react.js").display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let page = "<!doctype html><meta charset=utf-8><body><script>
        window.registered = 0;
        const Native = window.WebSocket;
        window.WebSocket = class extends Native {
          constructor(url) {
            super(url);
            this.addEventListener('message', ({ data }) => {
              if (JSON.parse(data).type === 'registered') window.registered++;
            });
          }
        };
        </script><script type=module src=react.js></script>";
    std::fs::write(folder.join("index.html"), page).expect("a page");
    command.status().await.is_ok_and(|status| status.success())
}

/// Serves the two files of a bundled example on a port of their own; returns its URL.
async fn serve(folder: &Path) -> String {
    use axum::response::Html;
    use axum::routing::get;
    let page = std::fs::read_to_string(folder.join("index.html")).expect("a page");
    let script = std::fs::read_to_string(folder.join("react.js")).expect("a script");
    let script = ([("content-type", "text/javascript")], script);
    let router = axum::Router::new()
        .route("/", get(|| async { Html(page) }))
        .route("/react.js", get(|| async { script }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    #[expect(clippy::disallowed_methods, reason = "serves as long as the story is told")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://localhost:{port}")
}
