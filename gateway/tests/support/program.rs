//! The gateway as a command, in a process group of its own, as a terminal would run it.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::within;

/// The gateway's program; whoever drops it kills it.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    group: String,
    port: u16,
    log: Lines<BufReader<ChildStderr>>,
}

impl Program {
    /// Starts it in `folder` at a free port, and waits until it serves. A store needs no place in a test.
    pub(crate) async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(["--port", "0"]).args(arguments).current_dir(folder);
        for (name, _) in std::env::vars_os() {
            // Cargo sets these variables for the package of this test.
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_") && name != "CARGO_HOME") {
                command.env_remove(name);
            }
        }
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let group = child.id().unwrap().to_string();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut summary = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = within("its start", async {
            loop {
                let line = summary.next_line().await.unwrap().expect("it starts");
                if let Some((_, port)) = line.rsplit_once("localhost:") {
                    return port.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
                }
            }
        });
        let port = port.await;
        Self { child, group, port, log }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Reads its log up to a line that contains `part`, and returns that line.
    pub(crate) async fn wait_for_line(&mut self, part: &str) -> String {
        within(part, async {
            loop {
                let line = self.log.next_line().await.unwrap().expect("it still runs");
                if line.contains(part) {
                    return line;
                }
            }
        })
        .await
    }

    /// As a terminal does with Ctrl-C: the signal goes to everything in the foreground.
    pub(crate) async fn interrupt(&self) {
        let status = Command::new("kill").args(["-INT", "--", &format!("-{}", self.group)]).status().await;
        assert!(status.unwrap().success());
    }

    pub(crate) async fn wait(&mut self) -> ExitStatus {
        within("its end", self.child.wait()).await.unwrap()
    }
}
