//! The environment that gateways, stores and proxies of this process run in: threads that outlive each test, the
//! functions' binaries, built once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};

use gateway::template::Given;
use gateway::{executables, template};
use tokio::runtime::Runtime;

use crate::log;

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The threads that the environment runs on; a test's own end with the test.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("environment")
            .enable_all()
            .build()
            .expect("threads for the environment")
    })
}

/// Blocks until a future that runs in the environment is ready, wherever this is called.
pub(crate) fn block_on<F: Future<Output: Send>>(start: impl FnOnce() -> F + Send) -> F::Output {
    // A thread that already drives a runtime may not block on another.
    std::thread::scope(|scope| {
        let blocking = scope.spawn(|| runtime().block_on(start()));
        blocking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The functions' binaries, by logical id.
pub(crate) fn executables() -> &'static BTreeMap<String, PathBuf> {
    static EXECUTABLES: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    EXECUTABLES.get_or_init(|| {
        log::start();
        let folder = root();
        let project = template::read(&folder.join("template.yaml"), &Given::default())
            .unwrap_or_else(|error| panic!("{error}"))
            .project;
        block_on(|| executables::build(&project, &folder)).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// The administrator's tool.
pub fn admin() -> PathBuf {
    program("admin")
}

/// The gateway as a program of its own.
pub fn gateway_program() -> PathBuf {
    program("gateway")
}

fn program(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    // With the features of the workspace, so that nothing else is built anew.
    BUILT.call_once(|| {
        let mut command = executables::cargo(&root());
        command.args(["build", "--locked", "--workspace", "--bin", "admin", "--bin", "gateway"]);
        command.args((!cfg!(debug_assertions)).then_some("--release"));
        assert!(command.status().expect("cargo starts").success(), "the programs build");
    });
    let function = executables().values().next().expect("a function");
    function.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The functions' binaries, with some of them built as they are deployed.
pub(crate) fn released(functions: &[&str]) -> BTreeMap<String, PathBuf> {
    let mut executables = executables().clone();
    let mut command = executables::cargo(&root());
    command.args(["build", "--release", "--locked"]);
    for id in functions {
        let built = executables.get_mut(*id).unwrap_or_else(|| panic!("no function {id}"));
        let name = built.file_name().expect("a file").to_owned();
        let target = built.ancestors().nth(2).expect("a target folder").to_owned();
        command.arg("-p").arg(&name);
        *built = target.join("release").join(name);
    }
    assert!(command.status().expect("cargo starts").success(), "the functions build");
    executables
}
