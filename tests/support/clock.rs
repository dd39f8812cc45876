//! A clock of the test's own, read by real, unmodified functions in place of the machine's.
//!
//! libfaketime, loaded into their processes, tells them both wall time and the time that they measure spans with: both
//! go on while a process is frozen.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use crate::skip;

/// Where packages for Debian (`faketime`) and brew (`libfaketime`) put it.
const FOLDERS: [&str; 4] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/opt/homebrew/lib", "/usr/local/lib"];

#[cfg(not(target_os = "macos"))]
const LIBRARY: (&str, &str) = ("libfaketime.so.1", "LD_PRELOAD");
#[cfg(target_os = "macos")]
const LIBRARY: (&str, &str) = ("libfaketime.1.dylib", "DYLD_INSERT_LIBRARIES");

/// A clock that is ahead of the machine's, or behind it; dropped, its readers are back in the present.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    folder: TempDir,
    /// Seconds; less than none where it is behind.
    ahead: AtomicI64,
}

impl Clock {
    /// In the present; `None`, and why, where libfaketime is not installed.
    pub fn start() -> Option<Self> {
        let (name, _) = LIBRARY;
        let candidates = FOLDERS.map(|folder| Path::new(folder).join("faketime").join(name));
        let Some(library) = candidates.into_iter().find(|path| path.exists()) else {
            skip("libfaketime is not installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Self { library, folder, ahead: AtomicI64::new(0) };
        clock.advance(Duration::ZERO);
        Some(clock)
    }

    /// The environment of a function that reads this clock.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let (_, preload) = LIBRARY;
        let (library, file) = (self.library.display().to_string(), self.file().display().to_string());
        [(preload, library.as_str()), ("FAKETIME_TIMESTAMP_FILE", file.as_str()), ("FAKETIME_NO_CACHE", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// A program that is this one, reading this clock.
    pub(crate) fn program(&self, original: &Path) -> PathBuf {
        let path = self.folder.path().join("program");
        let variables = self.environment().into_iter().map(|(name, value)| format!("{name}='{value}'"));
        let variables: Vec<_> = variables.collect();
        let script = format!("#!/bin/sh\nexec env {} '{}' \"$@\"\n", variables.join(" "), original.display());
        std::fs::write(&path, script).expect("a writable folder");
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("an own file");
        path
    }

    /// Moves the clock forward by whole seconds, at once.
    pub fn advance(&self, by: Duration) {
        self.shift(by.as_secs().try_into().expect("a time that there is"));
    }

    /// Moves the clock by so many seconds, at once, back if they are less than none.
    pub fn shift(&self, seconds: i64) {
        let ahead = self.ahead.fetch_add(seconds, Ordering::Relaxed) + seconds;
        self.write(&format!("{ahead:+}"));
    }

    /// Stops the clock, until it is moved.
    pub fn stop(&self) {
        let now: DateTime<Utc> = self.now().into();
        self.write(&now.format("%Y-%m-%d %H:%M:%S").to_string());
    }

    fn write(&self, time: &str) {
        let fresh = self.file().with_extension("next");
        std::fs::write(&fresh, format!("{time}\n")).expect("a writable folder");
        // A reader must not find half of it.
        std::fs::rename(fresh, self.file()).expect("a writable folder");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }

    /// The time that it shows.
    pub fn now(&self) -> SystemTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead.unsigned_abs());
        if ahead < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
}
