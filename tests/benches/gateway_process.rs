//! The gateway in a process of its own, so that its CPU time and memory can be told from the load's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use gateway::executables::cargo;
use gateway::server::{Gateway, Options, Store};
use support::root;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command as AsyncCommand};

const SERVE: &str = "serve-the-gateway";
const FUNCTIONS: [(&str, &str); 4] = [
    ("Connect", "connect"),
    ("CreateMessage", "create-message"),
    ("Disconnect", "disconnect"),
    ("Register", "register"),
];

pub(crate) fn is_asked_for(arguments: &[String]) -> bool {
    arguments.get(1).is_some_and(|first| first == SERVE)
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
pub(crate) async fn serve() {
    let options = Options {
        template: root().join("template.yaml"),
        executables: Some(executables()),
        store: Store::Ephemeral,
        ..Options::default()
    };
    let gateway = Gateway::start(options).await.unwrap();
    println!("{}", gateway.port());
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    gateway.stop().await;
}

pub(crate) struct GatewayProcess {
    pub(crate) port: u16,
    pub(crate) pid: u32,
    child: Child,
    lifeline: ChildStdin,
}

impl GatewayProcess {
    pub(crate) async fn start() -> Self {
        let mut command = AsyncCommand::new(std::env::current_exe().unwrap());
        let mut child = command
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let port = read_port(&mut child).await;
        let (pid, lifeline) = (child.id().unwrap(), child.stdin.take().unwrap());
        Self { port, pid, child, lifeline }
    }

    pub(crate) async fn stop(mut self) {
        drop(self.lifeline);
        self.child.wait().await.unwrap();
    }
}

/// The one line that a server says when it is ready.
pub(crate) async fn read_port(child: &mut Child) -> u16 {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    line.trim().parse().unwrap_or_else(|_| panic!("a port was expected, not `{}`", line.trim()))
}
