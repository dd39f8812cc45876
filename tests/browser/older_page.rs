//! A front end as older ones are (`naive.html`), served from a port of its own as a development server would.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::browser::{Browsers, Tab};

const PAGE: &str = include_str!("naive.html");

/// Serves the page; returns its URL.
pub(crate) async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let app = Router::new().route("/", get(async || Html(PAGE)));
    #[expect(clippy::disallowed_methods, reason = "it ends with the runtime of its story")]
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://localhost:{port}/")
}

/// A user of the older page, who has one peer.
pub(crate) struct Older {
    tab: Tab,
}

impl Older {
    pub(crate) async fn open(browsers: &Browsers, page: &str, api: &str, user: &str, peer: &str) -> Self {
        let tab = browsers.open(user).await;
        tab.goto(&format!("{page}?api={api}&user={user}&peer={peer}")).await;
        tab.watch_calls().await;
        let older = Self { tab };
        older.expect_text("#status", "online").await;
        older
    }

    pub(crate) async fn send(&self, text: &str) {
        self.tab.type_into("#text", text).await;
        self.tab.click("#send").await;
    }

    pub(crate) async fn expect_messages(&self, lines: &[&str]) {
        let shown =
            "JSON.stringify([...document.querySelectorAll('#messages li')].map((it) => it.textContent))
            === JSON.stringify(arguments[0])";
        self.tab.until(shown, vec![json!(lines)]).await;
    }

    pub(crate) async fn call(&self) {
        self.tab.click("#start-call").await;
    }

    pub(crate) async fn hang_up(&self) {
        self.tab.click("#end-call").await;
    }

    /// In a call with live sound and picture, and no candidate came before its description.
    pub(crate) async fn expect_live_call(&self) {
        self.expect_text("#call", "connected").await;
        self.tab.expect_live_video("#remote").await;
        assert_eq!(self.tab.run("return window.lostCandidates", Vec::new()).await, json!(0));
    }

    pub(crate) async fn expect_idle(&self) {
        self.expect_text("#call", "idle").await;
    }

    /// How often a frame of this type came.
    pub(crate) async fn count(&self, kind: &str) -> Value {
        let script = "return window.received.filter((type) => type === arguments[0]).length";
        self.tab.run(script, vec![json!(kind)]).await
    }

    pub(crate) async fn expect_no_failure(&self) {
        assert_eq!(self.tab.run("return window.failures", Vec::new()).await, json!([]));
    }

    async fn expect_text(&self, selector: &str, text: &str) {
        let shown = "document.querySelector(arguments[0]).textContent === arguments[1]";
        self.tab.until(shown, vec![json!(selector), json!(text)]).await;
    }
}
