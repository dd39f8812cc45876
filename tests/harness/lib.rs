//! What tests run against: the functions, built once, a private store, and gateways in this process.
//!
//! A test target whose name ends in `secure` has a store like the one that a deployment creates.
//!
//! What gateways and functions log stands beside the test's executable, in a file with its name and `.log`.

pub mod access;
pub mod certificates;
mod clock;
mod cluster;
pub mod gate;
pub mod iam;
pub mod resp;
pub mod servers;
pub mod tls;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use gateway::server::{Gateway, Options, Store};
use gateway::{executables, template};
use servers::Servers;
use tokio::runtime::Runtime;

pub use clock::Clock;

/// A gateway; its functions end with this process.
#[derive(Debug)]
pub struct Served {
    port: u16,
    gateway: Option<Gateway>,
}

/// What gateways are started with. They run on threads of their own: those of a test end with it.
#[derive(Debug)]
struct Ground {
    runtime: Runtime,
    executables: BTreeMap<String, PathBuf>,
    store: Servers,
}

/// The gateway that all tests share.
pub fn shared() -> &'static Served {
    static SHARED: OnceLock<Served> = OnceLock::new();
    SHARED.get_or_init(|| Served::start(Options::default()))
}

impl Served {
    /// A gateway of one's own, on the store that all share unless the options name another.
    pub fn start(options: Options) -> Self {
        let gateway = start(options);
        Self { port: gateway.port(), gateway: Some(gateway) }
    }

    /// Stops the gateway in order: every connection is closed.
    pub fn stop(&mut self) {
        let gateway = self.gateway.take().expect("it is started");
        outside(|| ground().runtime.block_on(gateway.stop()));
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        self.gateway = Some(start(Options { port: self.port, ..Options::default() }));
    }

    /// Kills a function's instance, a busy one first; false where there is none.
    pub fn kill(&self, function: &str) -> bool {
        self.gateway.as_ref().is_some_and(|gateway| gateway.lambda().kill(function))
    }

    /// What runs here.
    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("it is started")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// As browsers know it; without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Says that something is skipped, and why; in CI nothing may be.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    // Not by a macro: what those say is kept back while a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

fn start(options: Options) -> Gateway {
    let ground = ground();
    let mut options = Options {
        template: root().join("template.yaml"),
        executables: Some(ground.executables.clone()),
        ..options
    };
    if !matches!(options.store, Store::Url(_)) {
        options.store = Store::Url(ground.store.url().to_owned());
        let authority = ground.store.authority().map(|pem| ("RedisTlsCa".to_owned(), pem.to_owned()));
        options.parameters.extend(authority);
    }
    let started = outside(|| ground.runtime.block_on(Gateway::start(options)));
    started.unwrap_or_else(|error| panic!("{error}"))
}

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| outside(prepare))
}

/// Where gateways run; whatever else tests serve to them can run there too.
pub fn runtime() -> &'static Runtime {
    &ground().runtime
}

/// What gateways and functions of this process log, in full: what must never be logged is looked for there.
pub fn log_file() -> PathBuf {
    std::env::current_exe().expect("a test is a file").with_extension("log")
}

/// Whether this test target's name, with which its executable's begins, says so.
fn is_secure() -> bool {
    let log = log_file();
    let name = log.file_stem().and_then(OsStr::to_str).expect("a test has a name");
    name.rsplit_once('-').is_some_and(|(target, _hash)| target.ends_with("secure"))
}

fn prepare() -> Ground {
    let log = File::create(log_file()).expect("a log beside the test");
    let lines = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
    lines.with_ansi(false).with_writer(Mutex::new(log)).init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("gateway")
        .enable_all()
        .build()
        .expect("threads for the gateway");
    let folder = root();
    let (executables, store) = runtime.block_on(async {
        let project = template::read(&folder.join("template.yaml"), &BTreeMap::new())
            .unwrap_or_else(|error| panic!("{error}"))
            .project;
        let executables =
            executables::build(&project, &folder).await.unwrap_or_else(|error| panic!("{error}"));
        let store = match is_secure() {
            true => Servers::secure(runtime.handle()).await,
            false => Servers::single().await,
        };
        (executables, store)
    });
    Ground { runtime, executables, store }
}

/// Runs this on a thread that is not part of any runtime, as starting or blocking on one demands.
pub fn outside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
