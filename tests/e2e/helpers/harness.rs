//! Gateways and stores of a test's own, beside those that all tests share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gateway::server::{Options, Store};
use gateway::valkey::{self, Valkey};
use harness::{Served, root};

/// A gateway on the store that all share, where these faults happen.
pub(super) fn with_faults(faults: &[&str]) -> &'static Served {
    let faults = faults.iter().map(|&fault| fault.to_owned()).collect();
    keep(Served::start(Options { faults, ..Options::default() }))
}

/// A gateway whose functions are not told that anybody is welcome.
pub(super) fn not_open() -> &'static Served {
    let environment = BTreeMap::from([("ALLOW_ANONYMOUS".to_owned(), String::new())]);
    keep(Served::start(Options { environment, ..Options::default() }))
}

/// A gateway on another store.
pub(super) fn on_store(url: String) -> &'static Served {
    keep(Served::start(Options { store: Store::Url(url), ..Options::default() }))
}

/// Until this process ends, as connections may.
fn keep(served: Served) -> &'static Served {
    Box::leak(Box::new(served))
}

/// A store which survives a restart; its data goes with it.
#[derive(Debug)]
pub(crate) struct OwnStore {
    pub(crate) valkey: Valkey,
    dir: PathBuf,
}

impl OwnStore {
    pub(crate) async fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("e2e-{}", uuid::Uuid::now_v7()));
        let options =
            valkey::Options { dir: Some(dir.clone()), tools: Some(root().join(".local")), program: None };
        let valkey = Valkey::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        Self { valkey, dir }
    }

    pub(crate) async fn restart(&mut self) {
        self.valkey.restart().await.unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for OwnStore {
    fn drop(&mut self) {
        // What cannot be removed is the operating system's to tidy up.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
