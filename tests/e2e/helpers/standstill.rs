//! A process that is stopped for a while, and knows nothing of it.

use std::process::Command;

use super::wait_until;

/// Lasts until it is dropped.
#[derive(Debug)]
pub(crate) struct Standstill {
    process: String,
}

impl Standstill {
    pub(crate) async fn of(process: u32) -> Self {
        let standstill = Self { process: process.to_string() };
        standstill.signal("-STOP");
        wait_until("a process's standstill", async || standstill.state().starts_with('T')).await;
        standstill
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process]).status().expect("kill runs");
        assert!(status.success());
    }

    fn state(&self) -> String {
        let shown = Command::new("ps").args(["-o", "stat=", "-p", &self.process]).output().expect("ps runs");
        String::from_utf8_lossy(&shown.stdout).trim().to_owned()
    }
}

impl Drop for Standstill {
    // A stopped process would not even end.
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}
