//! The gateway in a process of its own, so that its CPU time and memory can be told from the load's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gateway::executables::cargo;
use gateway::server::{Gateway, Options, Store};
use support::root;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::server_process::ServerProcess;

const SERVE: &str = "serve-the-gateway";
const FUNCTIONS: [(&str, &str); 5] = [
    ("Connect", "connect"),
    ("CreateMessage", "create-message"),
    ("Disconnect", "disconnect"),
    ("Register", "register"),
    ("Signaling", "signaling"),
];

/// Is that process if it was started as one, or else measures.
pub(crate) fn serve_or(measure: fn(&[String])) {
    let arguments: Vec<String> = std::env::args().collect();
    let is_asked_for = arguments.get(1).is_some_and(|first| first == SERVE);
    if is_asked_for { serve(&arguments) } else { measure(&arguments) }
}

/// Builds what the load needs, as it is deployed.
pub(crate) fn build_functions() {
    let mut command = cargo(&root());
    command.args(["build", "--release", "--locked"]);
    for (_, package) in FUNCTIONS {
        command.args(["-p", package]);
    }
    assert!(command.status().unwrap().success(), "the functions build");
}

/// Benchmarks lie beside the binaries, in `deps`.
fn executables() -> BTreeMap<String, PathBuf> {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap();
    FUNCTIONS.map(|(id, package)| (id.to_owned(), folder.join(package))).into()
}

/// The process: it serves until its input closes, on one thread as `cargo run` does.
#[tokio::main(flavor = "current_thread")]
async fn serve(arguments: &[String]) {
    let options = Options {
        template: root().join("template.yaml"),
        executables: Some(executables()),
        store: arguments.get(2).cloned().map_or(Store::Ephemeral, Store::Url),
        ..Options::default()
    };
    let gateway = Gateway::start(options).await.unwrap();
    println!("{}", gateway.port());
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    gateway.stop().await;
}

/// Starts it, with a store of its own or that at this URL.
pub(crate) async fn start(store: Option<&str>) -> ServerProcess {
    let mut command = Command::new(std::env::current_exe().unwrap());
    ServerProcess::start(command.arg(SERVE).args(store)).await
}
