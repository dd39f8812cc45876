//! The log of a private store's server, which also locks the folder of its data.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::ValkeyError;

/// Of a server that died, so many of its log's last lines are told.
const LAST_LINES: usize = 5;
/// How much of a log's end is read for them.
const LOG_END: u64 = 16 * 1024;
/// How long a store may take to end after its gateway was killed.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

fn log_path(dir: &Path) -> PathBuf {
    dir.join("valkey.log")
}

/// A log of a server without a folder: its file has no name, so that it goes with the server.
pub(super) fn open_nameless_log() -> Result<File, ValkeyError> {
    let path = std::env::temp_dir().join(format!("valkey-{}.log", uuid::Uuid::new_v4().simple()));
    let log = File::options().create_new(true).read(true).append(true).open(&path);
    let _ = std::fs::remove_file(&path);
    log.map_err(|error| ValkeyError(format!("{} cannot be written for the store: {error}", path.display())))
}

/// The last lines of a log that are wanted.
pub(super) fn last_lines(log: &File, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut end = Vec::new();
    let length = log.metadata().map_or(0, |metadata| metadata.len());
    let start = length.saturating_sub(LOG_END);
    end.resize(usize::try_from(length - start).unwrap_or_default(), 0);
    // The server appends, so the position in the file, which it shares, may not be moved.
    if log.read_exact_at(&mut end, start).is_err() {
        return Vec::new();
    }
    let end = String::from_utf8_lossy(&end);
    let mut lines: Vec<_> = end
        .lines()
        .rev()
        .map(str::trim)
        .filter(|line| !line.is_empty() && wanted(line))
        .take(LAST_LINES)
        .map(str::to_owned)
        .collect();
    lines.reverse();
    lines
}

/// The server's log is also a lock on the folder. The server inherits it, so the folder stays locked until both the
/// gateway and the server have ended.
pub(super) async fn open_log(dir: &Path) -> Result<File, ValkeyError> {
    let unusable =
        |error: io::Error| ValkeyError(format!("{} cannot be used for the store: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(unusable)?;
    let log = File::options().create(true).read(true).append(true).open(log_path(dir)).map_err(unusable)?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match log.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(POLL_INTERVAL).await,
            Err(TryLockError::WouldBlock) => {
                return Err(ValkeyError(format!(
                    "The store in {} is in use: stop the other gateway, or run this one with --ephemeral for a store of its own",
                    dir.display()
                )));
            }
        }
    }
    log.set_len(0).map_err(unusable)?;
    Ok(log)
}
