//! A private Valkey: found or fetched, started on loopback, stopped with whoever started it.

mod program;

use std::fs::{File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

pub use program::{NoProgram, Program, find};

const READY_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a store whose gateway was killed may take to go.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

const PING: &[u8] = b"PING\r\n";

/// Runs the server and, beside it, a watchdog that ends it when our end of the pipe closes: then even a
/// killed gateway leaves no server behind.
const WATCHED: &str = r#"exec 3<&0 </dev/null; (cat <&3; kill $$) >/dev/null 2>&1 & exec 3<&- "$@""#;

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keeps the data here, in an append-only file; `None` keeps it in memory.
    pub dir: Option<PathBuf>,
    /// Where a server is fetched to if the machine has none; by default `.local` in the current folder.
    pub tools: Option<PathBuf>,
    /// Set where it is known already which server to run.
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

/// A running server; dropped, it stops.
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
        // Between choosing a free port and listening on it, somebody else may take it.
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

    /// Stops and starts on the same port; without a folder the data is gone.
    pub async fn restart(&mut self) -> Result<(), ValkeyError> {
        self.stop().await;
        self.launch().await.map_err(Failure::into_error)
    }

    async fn launch(&mut self) -> Result<(), Failure> {
        let log = match &self.dir {
            Some(dir) => Some(open_log(dir).await.map_err(Failure::Final)?),
            None => None,
        };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCHED, "sh"]).arg(&self.program.path).args(self.arguments());
        // Ctrl-C reaches the whole foreground group; the server goes last, when nobody needs it any more.
        command.process_group(0).stdin(Stdio::piped()).stderr(Stdio::null());
        command.stdout(log.map_or_else(Stdio::null, Stdio::from));
        command.current_dir(self.dir.clone().unwrap_or_else(std::env::temp_dir));
        let mut child = command.spawn().map_err(|error| {
            Failure::Final(ValkeyError(format!("{} cannot be run: {error}", self.program.path.display())))
        })?;
        let lifeline = child.stdin.take();
        let running = self.running.insert(Running { child, lifeline });
        let deadline = Instant::now() + READY_TIMEOUT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).to_string();
        loop {
            if let Ok(Some(status)) = running.child.try_wait() {
                let error = self.describe_end(&status.to_string());
                self.running = None;
                return Err(Failure::Ended(error));
            }
            // `-LOADING` while the append-only file is read.
            if matches!(exchange(&address, PING).await, Ok(reply) if reply.starts_with(b"+PONG")) {
                return Ok(());
            }
            if Instant::now() > deadline {
                self.stop().await;
                return Err(Failure::Final(ValkeyError("The store did not answer within 20 s".to_owned())));
            }
            sleep(POLL).await;
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--daemonize", "no"]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(["--appendonly", if self.dir.is_some() { "yes" } else { "no" }].map(str::to_owned));
        arguments.extend(self.settings.iter().cloned());
        arguments
    }

    fn describe_end(&self, status: &str) -> ValkeyError {
        let log = self.dir.as_ref().map(|dir| log_path(dir));
        let text = log.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let last =
            text.lines().map(str::trim).rfind(|line| line.contains('#') && !line.contains("# Warning"));
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

/// Whether something that speaks the protocol, and lets this user in, is at this URL; where that asks for TLS,
/// whether TLS is spoken there.
pub async fn check(url: &str) -> Result<(), ValkeyError> {
    let misspelled = || {
        ValkeyError(
            "--redis-url or REDIS_URL must look like redis://host:6379 or rediss://host:6379".to_owned(),
        )
    };
    let (tls, rest) = match url.split_once("://") {
        Some(("redis" | "valkey", rest)) => (false, rest),
        Some(("rediss" | "valkeys", rest)) => (true, rest),
        _ if url.starts_with("unix") => return Ok(()),
        _ => return Err(misspelled()),
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map(|(name, _)| name);
    let address = if name.is_some() { host.to_owned() } else { format!("{host}:6379") };
    let greeting = match tls {
        true => hello(name.unwrap_or(host)).ok_or_else(misspelled)?,
        false => login.split_once(':').map_or_else(|| PING.to_vec(), log_in),
    };
    let why = match exchange(&address, &greeting).await {
        // The start of a handshake, or of an alert about it.
        Ok(reply) if tls && matches!(*reply, [0x15 | 0x16, 3, ..]) => return Ok(()),
        Ok(_) if tls => format!("what listens on {address} speaks no TLS"),
        // A plain server waits for more.
        Err(error) if tls && error.kind() == io::ErrorKind::TimedOut => {
            format!("{address} did not answer in TLS within 2 s")
        }
        Ok(reply)
            if reply.starts_with(b"-WRONGPASS") || login.is_empty() && reply.starts_with(b"-NOAUTH") =>
        {
            format!("{address} says {}", String::from_utf8_lossy(&reply[1..]).trim())
        }
        // A server that is still loading is there, too.
        Ok(reply) if reply.starts_with(b"+") || reply.starts_with(b"-") => return Ok(()),
        Ok(_) => format!("what listens on {address} is no Redis, or one that wants TLS: rediss://"),
        Err(error) => format!("{address}: {error}"),
    };
    Err(ValkeyError(format!(
        "The store at --redis-url or REDIS_URL cannot be used ({why}): start it, correct the URL, or unset it to get a private store"
    )))
}

/// How a client logs in with what a URL says of it.
fn log_in((user, password): (&str, &str)) -> Vec<u8> {
    let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let words = ["AUTH".to_owned(), decode(user), decode(password)];
    // A password alone is the default user's.
    let words: Vec<_> = words.iter().filter(|word| !word.is_empty()).collect();
    let written: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{written}", words.len()).into_bytes()
}

/// How a TLS client greets this host; `None` where that is no name.
fn hello(host: &str) -> Option<Vec<u8>> {
    let name = host.trim_matches(['[', ']']).to_owned().try_into().ok()?;
    // Whom to trust is for the functions to say: nobody reads on here.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut hello = Vec::new();
    ClientConnection::new(Arc::new(config), name).ok()?.write_tls(&mut hello).ok()?;
    Some(hello)
}

/// The start of what a server says to this.
async fn exchange(address: &str, greeting: &[u8]) -> io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(greeting).await?;
        let mut reply = vec![0; 64];
        let length = stream.read(&mut reply).await?;
        reply.truncate(length);
        Ok(reply)
    };
    timeout(Duration::from_secs(2), exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn log_path(dir: &Path) -> PathBuf {
    dir.join("valkey.log")
}

/// The server's log is also its lock: the server inherits it, so it is held exactly as long as either lives.
async fn open_log(dir: &Path) -> Result<File, ValkeyError> {
    let unusable =
        |error: io::Error| ValkeyError(format!("{} cannot be used for the store: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(unusable)?;
    let log = File::options().create(true).append(true).open(log_path(dir)).map_err(unusable)?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match log.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(POLL).await,
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

    fn tools() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../.local")
    }

    async fn start(dir: Option<PathBuf>) -> Result<Valkey, ValkeyError> {
        Valkey::start(Options { dir, tools: Some(tools()), program: None }).await
    }

    async fn say(valkey: &Valkey, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", valkey.port())).await.expect("connected");
        stream.write_all(format!("{command}\r\n").as_bytes()).await.expect("written");
        let mut reply = [0; 256];
        let length = stream.read(&mut reply).await.expect("a reply");
        String::from_utf8_lossy(&reply[..length]).into_owned()
    }

    async fn wait_until_gone(port: u16) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            assert!(Instant::now() < deadline, "the server is still there");
            sleep(POLL).await;
        }
    }

    #[tokio::test]
    async fn what_was_stored_survives_a_restart_on_the_same_port() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut valkey = start(Some(dir.path().to_owned())).await.expect("a store");
        assert_eq!(say(&valkey, "SET key value").await, "+OK\r\n");
        let port = valkey.port();
        valkey.restart().await.expect("restarted");
        assert_eq!(valkey.port(), port);
        assert_eq!(say(&valkey, "GET key").await, "$5\r\nvalue\r\n");
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
        let error = check(&with("user:p%40ss")).await.expect_err("nobody is called so").to_string();
        assert!(error.contains(" says WRONGPASS invalid username-password pair"), "{error}");
        assert_eq!(say(&valkey, "ACL SETUSER user on >p@ss +ping").await, "+OK\r\n");
        assert_eq!(check(&with("user:p%40ss")).await, Ok(()));
        assert_eq!(say(&valkey, "CONFIG SET requirepass secret").await, "+OK\r\n");
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
