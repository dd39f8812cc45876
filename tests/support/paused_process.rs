//! A process that is stopped by a signal, and does not notice.

use std::process::{Command, Stdio};

use crate::wait_until;

/// Dropped, the process goes on.
#[derive(Debug)]
pub struct PausedProcess {
    id: String,
}

impl PausedProcess {
    /// Stops the process with this id.
    pub async fn pause(process: u32) -> Self {
        let paused = Self { id: process.to_string() };
        assert!(paused.signal("-STOP"));
        wait_until("a process to stop", async || paused.state().starts_with('T')).await;
        paused
    }

    /// Whether there was a process to send this signal to.
    fn signal(&self, signal: &str) -> bool {
        let sent = Command::new("kill").args([signal, &self.id]).stderr(Stdio::null()).status();
        sent.expect("kill runs").success()
    }

    fn state(&self) -> String {
        let shown = Command::new("ps").args(["-o", "stat=", "-p", &self.id]).output().expect("ps runs");
        String::from_utf8_lossy(&shown.stdout).trim().to_owned()
    }
}

impl Drop for PausedProcess {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        self.signal("-CONT");
    }
}
