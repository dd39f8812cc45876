//! The store: a private Valkey that is started on loopback and ends with the gateway, or the check of a given one.

mod program;
mod supervised;

use std::error::Error;
use std::fs::{File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use redis::{
    AsyncConnectionConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError,
};
use rustls::Error as TlsError;
use rustls::crypto::ring;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

pub use program::{NoProgram, Program, fetch, find, find_on_path};
pub use supervised::Supervised;

const READY_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a store may take to end after its gateway was killed.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long connecting, and then each answer, may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Of a server that died, so many of its log's last lines are told.
const LAST_LINES: usize = 5;
/// How much of a log's end is read for them.
const LOG_END: u64 = 16 * 1024;

/// Runs the server and, beside it, a watchdog that ends it when our end of the pipe closes: then even a
/// killed gateway leaves no server behind.
const WATCHED: &str = r#"exec 3<&0 </dev/null; (cat <&3; kill $$) >/dev/null 2>&1 & exec 3<&- "$@""#;

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keeps the data here, in an append-only file; `None` keeps it in memory.
    pub dir: Option<PathBuf>,
    /// Where a server is fetched to if the machine has none; by default `.local` in the current folder.
    pub tools: Option<PathBuf>,
    /// The server to run, if it was found already.
    pub program: Option<Program>,
}

/// Why there is no store, in a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValkeyError(String);

impl From<NoProgram> for ValkeyError {
    fn from(error: NoProgram) -> Self {
        Self(error.to_string())
    }
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
        for _ in 0..5 {
            valkey.port = free_port()
                .map_err(|error| ValkeyError(format!("There is no free port for the store: {error}")))?;
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

/// Whether there is a store at this URL that lets its user in. A URL with several nodes of a cluster, with commas between
/// them, is good if one of them is.
///
/// Where the URL asks for TLS, a server with a certificate that is unknown here passes without a login: functions may
/// trust it, and a password is not for the gateway to send to it.
pub async fn check(url: &str) -> Result<(), ValkeyError> {
    let mut checked = Ok(());
    for url in each_node(url) {
        checked = check_one(&url).await;
        if checked.is_ok() {
            break;
        }
    }
    checked
}

/// The URL of each node that this one names.
fn each_node(url: &str) -> Vec<String> {
    let start = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |end| start + end);
    let start = url[start..end].rfind('@').map_or(start, |login| start + login + 1);
    url[start..end].split(',').map(|node| format!("{}{node}{}", &url[..start], &url[end..])).collect()
}

async fn check_one(url: &str) -> Result<(), ValkeyError> {
    let Ok(info) = url.into_connection_info() else {
        return Err(ValkeyError(
            "--redis-url or REDIS_URL must look like redis://host:6379 or rediss://host:6379".to_owned(),
        ));
    };
    let address = info.addr().to_string();
    let tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let anonymous = info.redis_settings().username().is_none() && info.redis_settings().password().is_none();
    let Err(error) = ping(info).await else { return Ok(()) };
    let why = match (tls_error(&error), error.code()) {
        (Some(TlsError::InvalidMessage(_)), _) => format!("what listens on {address} speaks no TLS"),
        // An unknown certificate and an alert both come from a server that speaks TLS.
        (Some(_), _) => return Ok(()),
        (None, Some(code)) if code == "WRONGPASS" || anonymous && code == "NOAUTH" => {
            format!("{address} says {code} {}", error.detail().unwrap_or_default())
        }
        // Any other error is a server's answer: it is there, even if it still loads its data.
        (None, Some(_)) => return Ok(()),
        // A server without TLS takes the greeting for a command that has not ended, and waits.
        (None, None) if tls && error.is_timeout() => {
            format!("{address} did not answer in TLS within {} s", ANSWER_TIMEOUT.as_secs())
        }
        (None, None) if tls && ended(&error) => format!("what listens on {address} speaks no TLS"),
        (None, None) if tls && error.kind() == ErrorKind::Parse => {
            format!("what listens on {address} is no Redis")
        }
        (None, None) if error.kind() == ErrorKind::Parse || ended(&error) => {
            format!("what listens on {address} is no Redis, or one that wants TLS: rediss://")
        }
        (None, None) => format!("{address}: {error}"),
    };
    Err(ValkeyError(format!(
        "The store at --redis-url or REDIS_URL cannot be used ({why}): start it, correct the URL, or unset it to get a private store"
    )))
}

/// Logs in with what the URL says and asks for a sign of life.
async fn ping(server: impl IntoConnectionInfo) -> Result<(), RedisError> {
    let info = server.into_connection_info()?;
    // The library picks no provider; installing one twice is harmless.
    let _ = ring::default_provider().install_default();
    let login = info.redis_settings().clone();
    // The library's own login drops the server's reason for a refusal.
    let client = redis::Client::open(info.set_redis_settings(RedisConnectionInfo::default()))?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    if let Some(password) = login.password() {
        let mut auth = redis::cmd("AUTH");
        auth.arg(login.username()).arg(password).exec_async(&mut connection).await?;
    }
    redis::cmd("PING").exec_async(&mut connection).await
}

/// The error of TLS in this one, if there is one; the library wraps it twice.
fn tls_error(error: &RedisError) -> Option<&TlsError> {
    io_error(error)?.get_ref()?.downcast_ref()
}

fn io_error(error: &RedisError) -> Option<&io::Error> {
    let shared = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    shared.downcast_ref()
}

/// Whether the server ended the connection.
fn ended(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_connection_refusal()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn log_path(dir: &Path) -> PathBuf {
    dir.join("valkey.log")
}

/// A log of a server without a folder: its file has no name, so that it goes with the server.
fn open_nameless_log() -> Result<File, ValkeyError> {
    let path = std::env::temp_dir().join(format!("valkey-{}.log", uuid::Uuid::new_v4().simple()));
    let log = File::options().create_new(true).read(true).append(true).open(&path);
    let _ = std::fs::remove_file(&path);
    log.map_err(|error| ValkeyError(format!("{} cannot be written for the store: {error}", path.display())))
}

/// The last lines of a log that are wanted.
fn last_lines(log: &File, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut end = Vec::new();
    let length = log.metadata().map_or(0, |metadata| metadata.len());
    let start = length.saturating_sub(LOG_END);
    end.resize(usize::try_from(length - start).unwrap_or_default(), 0);
    // The server appends, so the position in the file, which it shares, may not be moved.
    if log.read_exact_at(&mut end, start).is_err() {
        return Vec::new();
    }
    let end = String::from_utf8_lossy(&end);
    let mut lines: Vec<_> = end
        .lines()
        .rev()
        .map(str::trim)
        .filter(|line| !line.is_empty() && wanted(line))
        .take(LAST_LINES)
        .map(str::to_owned)
        .collect();
    lines.reverse();
    lines
}

/// The server's log is also a lock on the folder. The server inherits it, so the folder stays locked until both the
/// gateway and the server have ended.
async fn open_log(dir: &Path) -> Result<File, ValkeyError> {
    let unusable =
        |error: io::Error| ValkeyError(format!("{} cannot be used for the store: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(unusable)?;
    let log = File::options().create(true).read(true).append(true).open(log_path(dir)).map_err(unusable)?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match log.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(POLL_INTERVAL).await,
            Err(TryLockError::WouldBlock) => {
                return Err(ValkeyError(format!(
                    "The store in {} is in use: stop the other gateway, or run this one with --ephemeral for a store of its own",
                    dir.display()
                )));
            }
        }
    }
    log.set_len(0).map_err(unusable)?;
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    pub(super) fn tools() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../.local")
    }

    async fn start(dir: Option<PathBuf>) -> Result<Valkey, ValkeyError> {
        Valkey::start(Options { dir, tools: Some(tools()), program: None }).await
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
