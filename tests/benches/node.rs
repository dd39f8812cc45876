//! The plain Node server to compare with, and its own store.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::StoreKind::Single;
use support::TestStore;
use tokio::process::Command as AsyncCommand;

use crate::processes;
use crate::server_process::ServerProcess;

pub(crate) struct Node {
    pub(crate) server: ServerProcess,
    store: TestStore,
}

impl Node {
    /// `None` where Node or its packages cannot be had.
    pub(crate) async fn start() -> Option<Self> {
        let folder = match install() {
            Ok(folder) => folder,
            Err(why) => {
                println!("node: skipped: {why}");
                return None;
            }
        };
        let store = TestStore::start(Single).await;
        let mut command = AsyncCommand::new("node");
        command.arg(folder.join("server.mjs")).arg(store.url()).env("NODE_ENV", "production");
        Some(Self { server: ServerProcess::start(command).await, store })
    }

    pub(crate) fn store_pid(&self) -> Option<u32> {
        processes::store_below(std::process::id())
    }

    pub(crate) async fn stop(mut self) {
        self.server.stop().await;
        self.store.stop_node().await;
    }
}

/// Installs the server's packages outside the source tree, once.
fn install() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["package.json", "server.mjs"] {
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
