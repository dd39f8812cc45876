//! What is built and started once for all tests: the functions, a private store, a gateway.
//!
//! What gateway and functions log stands in `target/tmp/e2e.log`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use gateway::http_api::Authorizers;
use gateway::server::{Gateway, Options, Store};
use gateway::valkey::{self, Valkey};
use gateway::{executables, template};
use tokio::runtime::Runtime;

use super::issuer::{AUDIENCE, Issuer};

/// A gateway that lives as long as this process; its store and functions end with it.
#[derive(Debug)]
pub(crate) struct Served {
    pub(super) port: u16,
    gateway: Gateway,
}

impl Served {
    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Kills a function's instance, a busy one first; false where there is none.
    pub(super) fn kill(&self, function: &str) -> bool {
        self.gateway.lambda().kill(function)
    }
}

/// What gateways are started with. They run on threads of their own: those of a test end with it.
#[derive(Debug)]
struct Ground {
    runtime: Runtime,
    executables: BTreeMap<String, PathBuf>,
    store: Valkey,
    issuer: Issuer,
}

/// The gateway that all tests share.
pub(super) fn shared() -> &'static Served {
    static SHARED: OnceLock<Served> = OnceLock::new();
    SHARED.get_or_init(|| start(Options::default()))
}

/// A gateway of one's own on the same store, where these faults happen.
pub(super) fn with_faults(faults: &[&str]) -> &'static Served {
    keep(start(Options {
        faults: faults.iter().map(|&fault| fault.to_owned()).collect(),
        ..Options::default()
    }))
}

/// A gateway of one's own whose functions are not told that anybody is welcome.
pub(super) fn not_open() -> &'static Served {
    let environment = BTreeMap::from([("ALLOW_ANONYMOUS".to_owned(), String::new())]);
    keep(start(Options { environment, ..Options::default() }))
}

/// A gateway of one's own on another store.
pub(super) fn on_store(url: String) -> &'static Served {
    keep(start(Options { store: Store::Url(url), ..Options::default() }))
}

/// The gateway that asks for tokens, which all tests share.
pub(super) fn guarded() -> &'static Served {
    static GUARDED: OnceLock<Served> = OnceLock::new();
    GUARDED.get_or_init(|| start(asking_for_tokens()))
}

/// A gateway of one's own, started like this.
pub(super) fn with(options: Options) -> &'static Served {
    keep(start(options))
}

/// What a gateway is told that asks for tokens of the [`issuer`].
pub(crate) fn asking_for_tokens() -> Options {
    let parameters = [("JwtIssuer", issuer().url.as_str()), ("JwtAudience", AUDIENCE)];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Options { parameters, authorizers: Authorizers::Enforced, ..Options::default() }
}

/// The issuer whose tokens are taken.
pub(super) fn issuer() -> &'static Issuer {
    &ground().issuer
}

/// What gateways and functions of this process have logged so far.
pub(crate) fn read_log() -> String {
    std::fs::read_to_string(log_file()).expect("a log file")
}

/// A store of one's own, which survives a restart.
pub(crate) async fn start_store() -> Valkey {
    let dir = std::env::temp_dir().join(format!("e2e-{}", uuid::Uuid::now_v7()));
    Valkey::start(valkey::Options { dir: Some(dir), tools: Some(root().join(".local")), program: None })
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn keep(served: Served) -> &'static Served {
    Box::leak(Box::new(served))
}

fn start(options: Options) -> Served {
    let ground = ground();
    let store = match options.store {
        Store::Url(url) => Store::Url(url),
        _ => Store::Url(ground.store.url()),
    };
    let options = Options {
        template: root().join("template.yaml"),
        executables: Some(ground.executables.clone()),
        store,
        ..options
    };
    let started = outside(|| ground.runtime.block_on(Gateway::start(options)));
    let gateway = started.unwrap_or_else(|error| panic!("{error}"));
    Served { port: gateway.port(), gateway }
}

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| outside(prepare))
}

fn log_file() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e.log")
}

fn prepare() -> Ground {
    let log = File::create(log_file()).expect("a log file");
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
        let options = valkey::Options { tools: Some(folder.join(".local")), ..valkey::Options::default() };
        let store = Valkey::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        (executables, store)
    });
    let issuer = Issuer::start(&runtime);
    Ground { runtime, executables, store, issuer }
}

/// Runs this on a thread that is not part of any runtime, as starting or blocking on one demands.
fn outside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
