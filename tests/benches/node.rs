//! The plain Node servers to compare with, and their own stores.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::StoreKind::Single;
use support::TestStore;
use tokio::process::Command as AsyncCommand;

use crate::clients::Wire;
use crate::server_process::ServerProcess;

/// The servers: by the name that `server.mjs` knows, the one that is printed, and what their clients speak.
const KINDS: [(&str, &str, Wire); 3] = [
    ("plain", "node", Wire::Plain),
    ("socket.io", "socket.io", Wire::SocketIo),
    ("least", "node, least", Wire::Plain),
];

pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) wire: Wire,
    pub(crate) server: ServerProcess,
    pub(crate) store_pid: u32,
    store: TestStore,
}

impl Node {
    /// None where Node or its packages cannot be had.
    pub(crate) async fn start_all() -> Vec<Self> {
        let folder = match install() {
            Ok(folder) => folder,
            Err(why) => {
                println!("node: skipped: {why}");
                return Vec::new();
            }
        };
        let mut all = Vec::new();
        for (kind, name, wire) in KINDS {
            let store = TestStore::start(Single).await;
            let mut command = AsyncCommand::new("node");
            command.arg(folder.join("server.mjs")).arg(store.url()).arg(kind);
            let server = ServerProcess::start(command.env("NODE_ENV", "production")).await;
            let store_pid = store.info("process_id").await.parse().unwrap();
            all.push(Self { name, wire, server, store_pid, store });
        }
        all
    }

    pub(crate) async fn stop(mut self) {
        self.server.stop().await;
        self.store.stop_node().await;
    }
}

/// Installs the servers' packages outside the source tree, once.
fn install() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["package.json", "server.mjs", "store.mjs"] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    let quiet = ["--silent", "--no-package-lock", "--no-audit", "--no-fund"];
    let installed = Command::new("npm")
        .args(["install", "--prefer-offline"])
        .args(quiet)
        .current_dir(&folder)
        .stdout(Stdio::null())
        .status();
    match installed {
        Err(_) => Err("node and npm are not installed".to_owned()),
        Ok(status) if status.success() => Ok(folder),
        Ok(_) => Err("npm cannot install its packages".to_owned()),
    }
}
