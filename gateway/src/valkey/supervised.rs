//! A private store that is started again when it dies, and whose data reaches the disk each second.

use std::convert::Infallible;
use std::fs::{File, read_dir};
use std::future::pending;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::{Program, Valkey};

/// Writes of so long may be lost with the machine.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// A server that dies again and again is started so often.
const START_INTERVAL: Duration = Duration::from_secs(1);

/// A running store; it stops when dropped.
#[derive(Debug)]
pub struct Supervised {
    url: String,
    program: Program,
    supervising: TaskTracker,
    stop: DropGuard,
}

impl Supervised {
    pub(crate) fn new(mut valkey: Valkey) -> Self {
        let (url, program) = (valkey.url(), valkey.program().clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let supervising = TaskTracker::new();
        supervising.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                never = keep_running(&mut valkey) => match never {},
            }
            valkey.stop().await;
        });
        supervising.close();
        Self { url, program, supervising, stop: stop.drop_guard() }
    }

    /// It stays the same when the server is started again.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the program came from.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Ends the server and waits until it is gone.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.supervising.wait().await;
    }
}

async fn keep_running(valkey: &mut Valkey) -> Infallible {
    let data = match valkey.dir {
        Some(_) => "with all that it had acknowledged",
        None => "empty, since it keeps its data in memory only",
    };
    let mut started = Instant::now();
    loop {
        let dir = valkey.dir.clone();
        let end = tokio::select! {
            end = valkey.wait() => end,
            never = sync_each_second(dir.as_deref()) => match never {},
        };
        tracing::error!("The store died ({end})");
        loop {
            sleep_until(started + START_INTERVAL).await;
            started = Instant::now();
            match valkey.restart().await {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!("The store cannot be started again, another try follows: {error}")
                }
            }
        }
        tracing::warn!("The store runs again at {}, {data}", valkey.url());
    }
}

async fn sync_each_second(dir: Option<&Path>) -> Infallible {
    let Some(dir) = dir else { return pending().await };
    loop {
        sleep(SYNC_INTERVAL).await;
        let folder = dir.to_owned();
        let synced = spawn_blocking(move || sync(&folder)).await.unwrap_or_else(|error| Err(error.into()));
        if let Err(error) = synced {
            tracing::error!("The store's data in {} may not reach the disk: {error}", dir.display());
        }
    }
}

/// Brings the append-only files to the disk; servers before version 7 have one, later ones a folder of them.
fn sync(dir: &Path) -> io::Result<()> {
    for folder in [dir, &dir.join("appendonlydir")] {
        let Ok(entries) = read_dir(folder) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with(".aof")) {
            match File::open(entry.path()) {
                Ok(file) => file.sync_data()?,
                // A rewrite has replaced it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::valkey::Options;
    use crate::valkey::tests::{say, tools};

    #[tokio::test]
    async fn a_store_that_is_killed_runs_again_on_its_port_with_its_data() {
        let dir = tempfile::tempdir().expect("a folder");
        for (dir, kept) in [(Some(dir.path().to_owned()), "$5\r\nvalue\r\n"), (None, "$-1\r\n")] {
            let options = Options { dir, tools: Some(tools()), ..Options::default() };
            let valkey = Valkey::start(options).await.expect("a store");
            let (port, process) = (valkey.port(), valkey.process().expect("it runs").to_string());
            let store = Supervised::new(valkey);
            assert_eq!(say(port, "SET key value").await.expect("a reply"), "+OK\r\n");
            let killed = std::process::Command::new("kill").args(["-KILL", &process]).status();
            assert!(killed.expect("kill runs").success());
            let deadline = Instant::now() + Duration::from_secs(20);
            loop {
                match say(port, "GET key").await {
                    Ok(reply) if !reply.is_empty() && !reply.starts_with("-LOADING") => {
                        assert_eq!(reply, kept);
                        break;
                    }
                    _ => assert!(Instant::now() < deadline, "the store does not run again"),
                }
                sleep(Duration::from_millis(10)).await;
            }
            store.stop().await;
            assert!(say(port, "PING").await.is_err(), "it is stopped for good");
        }
    }
}
