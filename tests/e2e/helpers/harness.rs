//! What is built and started once for all tests: the functions, a private store, a gateway.
//!
//! What gateway and functions log stands in `target/tmp/e2e.log`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use gateway::server::{Gateway, Options, Store};
use gateway::valkey::{self, Valkey};
use gateway::{executables, template};
use tokio::runtime::Runtime;

/// A gateway that lives as long as this process; its store and functions end with it.
#[derive(Debug)]
pub(crate) struct Served {
    pub(super) port: u16,
    gateway: Gateway,
}

impl Served {
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

/// A store of one's own, which survives a restart; its data goes with it.
#[derive(Debug)]
pub(crate) struct OwnStore {
    pub(crate) valkey: Valkey,
    dir: PathBuf,
}

impl OwnStore {
    pub(crate) async fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("e2e-{}", uuid::Uuid::now_v7()));
        let options =
            valkey::Options { dir: Some(dir.clone()), tools: Some(root().join(".local")), program: None };
        let valkey = Valkey::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        Self { valkey, dir }
    }

    pub(crate) async fn restart(&mut self) {
        self.valkey.restart().await.unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for OwnStore {
    fn drop(&mut self) {
        // What cannot be removed is the operating system's to tidy up.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn keep(served: Served) -> &'static Served {
    Box::leak(Box::new(served))
}

fn start(options: Options) -> Served {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    let ground = GROUND.get_or_init(|| outside(prepare));
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

fn prepare() -> Ground {
    let log = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e.log")).expect("a log file");
    tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(log)).init();
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
    Ground { runtime, executables, store }
}

/// Runs this on a thread that is not part of any runtime, as starting or blocking on one demands.
fn outside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
