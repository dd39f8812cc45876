//! Chromium under a WebDriver: one browser per user, all of them gone when the story is over.

use std::panic::AssertUnwindSafe;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::wd::{TimeoutConfiguration, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a page may take to show what it must. Only a failing test waits this long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How often a page is asked again whether it shows what is waited for, in milliseconds.
const POLL_INTERVAL: u64 = 25;

const DRIVER_STARTS: u32 = 5;

const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const FLAGS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // The second of them is a depth camera, whose picture no call sends.
    "--use-fake-device-for-media-stream=device-count=3",
    "--use-fake-ui-for-media-stream",
    // A machine without a network has no other address to offer.
    "--allow-loopback-in-peer-connection",
    "--window-size=1280,900",
];

/// Tells one story in browsers of its own, or says why it is skipped.
pub(crate) fn tell(story: impl AsyncFnOnce(&Browsers)) {
    /// Two browsers with video are all that a small machine can run at a time.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if !is_installed("chromedriver").await || !is_any_installed(&CHROMIUM).await {
            return support::skip("chromium and chromedriver are not installed");
        }
        let browsers = Browsers::start().await;
        let told = AssertUnwindSafe(story(&browsers)).catch_unwind().await;
        browsers.stop().await;
        told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

async fn is_any_installed(programs: &[&str]) -> bool {
    join_all(programs.iter().map(|program| is_installed(program))).await.contains(&true)
}

async fn is_installed(program: &str) -> bool {
    let mut version = Command::new(program);
    version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().await.is_ok_and(|status| status.success())
}

/// A driver and the browsers it has opened.
pub(crate) struct Browsers {
    driver: Child,
    /// Their files, some of which Chromium leaves behind.
    _folder: TempDir,
    url: String,
    open: Mutex<Vec<Client>>,
}

impl Browsers {
    /// Tries again where the driver does not start: it takes a port that is free on one loopback address and gives up
    /// if it is taken on the other.
    async fn start() -> Self {
        for _ in 0..DRIVER_STARTS {
            if let Some(started) = Self::try_start().await {
                return started;
            }
        }
        panic!("chromedriver does not say where it listens");
    }

    async fn try_start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts");
        let stdout = driver.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await.expect("text") {
            if let Some((_, port)) = line.rsplit_once("started successfully on port ") {
                let url = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
                return Some(Self { driver, _folder: folder, url, open: Mutex::default() });
            }
        }
        None
    }

    /// A browser that knows nothing yet.
    pub(crate) async fn open(&self, name: &str) -> Tab {
        let capabilities = json!({ "goog:chromeOptions": { "args": FLAGS } });
        let Value::Object(capabilities) = capabilities else { unreachable!("it is written as an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.url)
            .await
            .unwrap_or_else(|error| panic!("no browser for {name}: {error}"));
        self.open.lock().expect("no story panics here").push(client.clone());
        let timeouts = TimeoutConfiguration::new(Some(TIMEOUT), Some(TIMEOUT), None);
        client.update_timeouts(timeouts).await.expect("time limits");
        Tab { client, name: name.to_owned(), driver: self.url.clone() }
    }

    async fn stop(mut self) {
        let open = std::mem::take(&mut *self.open.lock().expect("no story panics here"));
        for closed in join_all(open.into_iter().map(Client::close)).await {
            if let Err(error) = closed {
                eprintln!("a browser did not close: {error}");
            }
        }
        let _ = self.driver.kill().await;
    }
}

/// One page in a browser of its own.
pub(crate) struct Tab {
    client: Client,
    name: String,
    driver: String,
}

impl Tab {
    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{}: {url}: {error}", self.name));
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Closes the page as a person closes a tab.
    pub(crate) async fn close(&self) {
        self.client.close_window().await.unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Types where the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let typed = async { self.client.active_element().await?.send_keys(keys).await };
        self.checked(keys, typed.await).await;
    }

    /// Gives the page a viewport of this size, which may be smaller than the smallest window.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 0, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
        let resized = "innerWidth === arguments[0] && innerHeight === arguments[1]";
        self.until(resized, vec![json!(width), json!(height)]).await;
    }

    /// Puts the window out of sight.
    pub(crate) async fn minimize(&self) {
        self.checked("minimize", self.client.minimize_window().await).await;
    }

    /// The person lets all pages of this browser show notifications.
    pub(crate) async fn allow_notifications(&self) {
        self.command("Browser.grantPermissions", json!({ "permissions": ["notifications"] })).await;
    }

    /// Opens another tab of the same browser, which is before the person from now on.
    pub(crate) async fn open_beside(&self) -> WindowHandle {
        let opened = async { self.client.new_window(true).await.map(|window| window.handle) };
        let window = self.checked("another tab", opened.await).await;
        self.switch(&window).await;
        // The driver opens it behind the one that is there.
        self.command("Page.bringToFront", json!({})).await;
        window
    }

    pub(crate) async fn present(&self) -> WindowHandle {
        self.checked("the tab", self.client.window().await).await
    }

    /// What follows is about this tab. It does not come before the person by that.
    pub(crate) async fn switch(&self, window: &WindowHandle) {
        self.checked("another tab", self.client.switch_to_window(window.clone()).await).await;
    }

    /// Gives a command of the browser's own protocol, for what WebDriver has no word for.
    async fn command(&self, name: &str, parameters: Value) {
        let session = self.client.session_id().await.expect("a driver").expect("a session");
        let body = json!({ "cmd": name, "params": parameters }).to_string();
        let request = Request::post(format!("{}/session/{session}/goog/cdp/execute", self.driver))
            .body(Full::new(bytes::Bytes::from(body)))
            .expect("a request");
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        let response = http.request(request).await.expect("an answer of the driver");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a whole body").to_bytes();
        assert!(status.is_success(), "{}: {name}: {}", self.name, String::from_utf8_lossy(&body));
    }

    /// Runs a script; returns its result.
    pub(crate) async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.checked(script, self.client.execute(script, arguments).await).await
    }

    /// Waits until an expression of `arguments` is true; it may await.
    pub(crate) async fn until(&self, expression: &str, arguments: Vec<Value>) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const holds = async (arguments) => ({expression});
             const poll = async () => {{
               if (await holds(arguments)) done(true);
               else setTimeout(poll, {POLL_INTERVAL});
             }};
             poll();"
        );
        self.checked(expression, self.client.execute_async(&script, arguments).await).await;
    }

    /// Clicks as a person does: on what is there, visible and enabled.
    pub(crate) async fn click(&self, selector: &str) {
        let ready = "(() => {
            const it = document.querySelector(arguments[0]);
            return it && it.checkVisibility() && !it.disabled;
        })()";
        self.until(ready, vec![json!(selector)]).await;
        let clicked = async { self.client.find(Locator::Css(selector)).await?.click().await };
        self.checked(selector, clicked.await).await;
    }

    /// Chooses an entry of a list, the first being 0.
    pub(crate) async fn select(&self, selector: &str, index: usize) {
        let selected = async { self.client.find(Locator::Css(selector)).await?.select_by_index(index).await };
        self.checked(selector, selected.await).await;
    }

    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let typed = async {
            let field = self.client.find(Locator::Css(selector)).await?;
            field.clear().await?;
            field.send_keys(text).await
        };
        self.checked(selector, typed.await).await;
    }

    /// The value, or a failure that shows what the page looked like.
    async fn checked<T>(&self, what: &str, result: Result<T, CmdError>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => {
                let path = format!("{}/{}.png", env!("CARGO_TARGET_TMPDIR"), self.name);
                let picture = self.client.screenshot().await.unwrap_or_default();
                let seen = match std::fs::write(&path, picture) {
                    Ok(()) => path,
                    Err(_) => "no screenshot".to_owned(),
                };
                let text = self.client.execute("return document.body.innerText", Vec::new()).await;
                panic!("{}: {what}: {error}\nIt showed ({seen}):\n{}", self.name, text.unwrap_or_default());
            }
        }
    }
}
