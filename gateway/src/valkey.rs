//! The store: a private Valkey that is started on loopback and ends with the gateway, or the check of a given one.

mod check;
mod error;
mod log;
mod program;
mod supervised;

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

pub use check::check;
pub use error::ValkeyError;
pub use program::{NoProgram, Program, fetch, find, find_on_path};
pub use supervised::Supervised;

use check::ping;
use log::{last_lines, open_log, open_nameless_log};

const READY_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Runs the server and, beside it, a watchdog that ends it when our end of the pipe closes: then even a
/// killed gateway leaves no server behind.
const WATCHED: &str = r#"exec 3<&0 </dev/null; (cat <&3; kill $$) >/dev/null 2>&1 & exec 3<&- "$@""#;

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keeps the data here, in an append-only file; `None` keeps it in memory.
    pub dir: Option<PathBuf>,
    /// Where a server is fetched to if the machine has none; by default `.local` in the current folder.
    pub tools: Option<PathBuf>,
    /// Where it listens; a free port otherwise.
    pub port: Option<u16>,
    /// The server to run, if it was found already.
    pub program: Option<Program>,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Valkey {
    program: Program,
    dir: Option<PathBuf>,
    settings: Vec<String>,
    port: u16,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Closing it ends the server.
    lifeline: Option<ChildStdin>,
    /// The file that the server writes; while it is open here or there, the folder is in use.
    log: File,
}

impl Valkey {
    pub async fn start(options: Options) -> Result<Self, ValkeyError> {
        Self::start_with(options, &[]).await
    }

    /// With more of the server's own settings, e.g. `["--maxmemory", "100mb"]`.
    pub async fn start_with(options: Options, settings: &[&str]) -> Result<Self, ValkeyError> {
        let program = match options.program {
            Some(program) => program,
            None => find(&options.tools.unwrap_or_else(|| PathBuf::from(".local"))).await?,
        };
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut valkey = Self { program, dir: options.dir, settings, port: 0, running: None };
        // Another process may take the port between its choice here and its use by the server.
        let mut last = None;
        let attempts = if options.port.is_some() { 1 } else { 5 };
        for _ in 0..attempts {
            valkey.port = match options.port {
                Some(port) => hold(port).map_err(|error| {
                    ValkeyError(format!(
                        "The store cannot listen, port {port} is taken ({error}): choose another one"
                    ))
                })?,
                None => free_port()
                    .map_err(|error| ValkeyError(format!("There is no free port for the store: {error}")))?,
            };
            match valkey.launch().await {
                Ok(()) => return Ok(valkey),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Ended(error)) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| ValkeyError("The store did not start".to_owned())))
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the program came from.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Ends the server and waits until it is gone; what was acknowledged is in the append-only file.
    pub async fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        drop(running.lifeline.take());
        if timeout(STOP_TIMEOUT, running.child.wait()).await.is_err() {
            let _ = running.child.kill().await;
        }
    }

    /// The server's process, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.running.as_ref()?.child.id()
    }

    /// Waits until the server has ended by itself; says how, and what it wrote last. Cancel-safe.
    async fn wait(&mut self) -> String {
        let Some(running) = &mut self.running else { return "it does not run".to_owned() };
        let status = match running.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let lines = last_lines(&running.log, |_| true);
        if lines.is_empty() { status } else { format!("{status}; it wrote last:\n  {}", lines.join("\n  ")) }
    }

    /// Stops and starts on the same port; without a folder the data is gone.
    pub async fn restart(&mut self) -> Result<(), ValkeyError> {
        self.stop().await;
        self.launch().await.map_err(Failure::into_error)
    }

    async fn launch(&mut self) -> Result<(), Failure> {
        self.running = None;
        let url = self.url();
        let log = match &self.dir {
            Some(dir) => open_log(dir).await,
            None => open_nameless_log(),
        };
        let log = log.map_err(Failure::Final)?;
        let outputs = log.try_clone().and_then(|output| Ok([output, log.try_clone()?]));
        let [stdout, stderr] = outputs.map_err(|error| Failure::Final(ValkeyError(error.to_string())))?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCHED, "sh"]).arg(&self.program.path).args(self.arguments());
        // Ctrl-C reaches the whole foreground group, but functions need the server until they have ended.
        command.process_group(0).stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
        command.current_dir(self.dir.clone().unwrap_or_else(std::env::temp_dir));
        let mut child = command.spawn().map_err(|error| {
            Failure::Final(ValkeyError(format!("{} cannot be run: {error}", self.program.path.display())))
        })?;
        let lifeline = child.stdin.take();
        let running = self.running.insert(Running { child, lifeline, log });
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            if let Ok(Some(status)) = running.child.try_wait() {
                let error = self.describe_end(&status.to_string());
                self.running = None;
                return Err(Failure::Ended(error));
            }
            // While it reads the append-only file, the server answers `-LOADING`.
            if ping(url.as_str()).await.is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                self.stop().await;
                let limit = READY_TIMEOUT.as_secs();
                return Err(Failure::Final(ValkeyError(format!(
                    "The store did not answer within {limit} s"
                ))));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--daemonize", "no"]
                .map(str::to_owned)
                .to_vec();
        // With `everysec` the server acknowledges up to two seconds of writes before it hands them to the system, whenever
        // an fsync takes long, and a server that is killed then loses them. `no` hands every write over first; the fsync
        // each second is `Supervised`'s.
        let persistence = match self.dir {
            Some(_) => ["--appendonly", "yes", "--appendfsync", "no"].as_slice(),
            None => &["--appendonly", "no"],
        };
        arguments.extend(persistence.iter().map(|&argument| argument.to_owned()));
        arguments.extend(self.settings.iter().cloned());
        arguments
    }

    fn describe_end(&self, status: &str) -> ValkeyError {
        let is_error = |line: &str| line.contains('#') && !line.contains("# Warning");
        let last = self.running.as_ref().and_then(|running| last_lines(&running.log, is_error).pop());
        let said = last.map_or_else(String::new, |line| format!(": {line}"));
        let hint = match &self.dir {
            Some(dir) => {
                format!("; if its files in {} are broken, remove them or run with --ephemeral", dir.display())
            }
            None => String::new(),
        };
        ValkeyError(format!("The store ended while starting ({status}){said}{hint}"))
    }
}

enum Failure {
    /// Trying again would not help.
    Final(ValkeyError),
    Ended(ValkeyError),
}

impl Failure {
    fn into_error(self) -> ValkeyError {
        match self {
            Self::Final(error) | Self::Ended(error) => error,
        }
    }
}

fn free_port() -> io::Result<u16> {
    hold(0)
}

/// Whether a port is free: another server there would answer in the place of ours.
fn hold(port: u16) -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    pub(super) fn tools() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../.local")
    }

    async fn start(dir: Option<PathBuf>) -> Result<Valkey, ValkeyError> {
        Valkey::start(Options { dir, tools: Some(tools()), ..Options::default() }).await
    }

    pub(super) async fn say(port: u16, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut reply = [0; 256];
        let length = stream.read(&mut reply).await?;
        Ok(String::from_utf8_lossy(&reply[..length]).into_owned())
    }

    async fn wait_until_gone(port: u16) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            assert!(Instant::now() < deadline, "the server is still there");
            sleep(POLL_INTERVAL).await;
        }
    }

    #[tokio::test]
    async fn what_was_stored_survives_a_restart_on_the_same_port() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut valkey = start(Some(dir.path().to_owned())).await.expect("a store");
        assert_eq!(say(valkey.port(), "SET key value").await.expect("a reply"), "+OK\r\n");
        let port = valkey.port();
        valkey.restart().await.expect("restarted");
        assert_eq!(valkey.port(), port);
        assert_eq!(say(valkey.port(), "GET key").await.expect("a reply"), "$5\r\nvalue\r\n");
        valkey.stop().await;
        wait_until_gone(port).await;
    }

    #[tokio::test]
    async fn one_folder_has_one_store_and_a_dropped_one_goes() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = start(Some(dir.path().to_owned())).await.expect("a store");
        let second = start(Some(dir.path().to_owned())).await.expect_err("in use");
        assert!(second.to_string().contains("is in use: stop the other gateway"), "{second}");
        let port = first.port();
        drop(first);
        wait_until_gone(port).await;
        let mut third = start(Some(dir.path().to_owned())).await.expect("free again");
        third.stop().await;
    }

    #[tokio::test]
    async fn a_url_is_checked_with_a_ping() {
        let mut valkey = start(None).await.expect("a store");
        assert_eq!(check(&valkey.url()).await, Ok(()));
        let with = |login: &str| format!("redis://{login}@127.0.0.1:{}/0", valkey.port());
        let error = check(&with("user:p%40ss")).await.expect_err("there is no such user").to_string();
        assert!(error.contains(" says WRONGPASS invalid username-password pair"), "{error}");
        assert_eq!(say(valkey.port(), "ACL SETUSER user on >p@ss +ping").await.expect("a reply"), "+OK\r\n");
        assert_eq!(check(&with("user:p%40ss")).await, Ok(()));
        assert_eq!(say(valkey.port(), "CONFIG SET requirepass secret").await.expect("a reply"), "+OK\r\n");
        assert_eq!(check(&with(":secret")).await, Ok(()));
        let error = check(&valkey.url()).await.expect_err("a password is wanted").to_string();
        assert!(error.contains(" says NOAUTH Authentication required"), "{error}");
        let secure = format!("rediss://user:p%40ss@127.0.0.1:{}/0", valkey.port());
        let error = check(&secure).await.expect_err("a server without TLS").to_string();
        assert!(error.contains("did not answer in TLS within 2 s): start it, correct"), "{error}");
        let url = valkey.url();
        valkey.stop().await;
        for url in [url, secure] {
            let error = check(&url).await.expect_err("stopped").to_string();
            assert!(
                error.starts_with("The store at --redis-url or REDIS_URL cannot be used (127.0.0.1:"),
                "{error}"
            );
        }
        assert!(check("http://127.0.0.1").await.is_err());
    }
}
