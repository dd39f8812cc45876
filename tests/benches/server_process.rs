//! A server in a process of its own, which says its port when it is ready and ends when its input closes.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

pub(crate) struct ServerProcess {
    pub(crate) port: u16,
    pub(crate) pid: u32,
    child: Child,
    lifeline: ChildStdin,
}

impl ServerProcess {
    pub(crate) async fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let line = line.trim();
        let port = line.parse().unwrap_or_else(|_| panic!("a port was expected, not `{line}`"));
        let (pid, lifeline) = (child.id().unwrap(), child.stdin.take().unwrap());
        Self { port, pid, child, lifeline }
    }

    pub(crate) async fn stop(mut self) {
        drop(self.lifeline);
        self.child.wait().await.unwrap();
    }
}
