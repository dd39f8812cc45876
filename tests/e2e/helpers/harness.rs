//! The gateways that tests ask for besides the one they share.

use std::collections::BTreeMap;

use gateway::server::{Options, Store};
use gateway::valkey::{self, Valkey};

pub(crate) use ::harness::root;
pub(super) use ::harness::{Served, shared};

/// A gateway of one's own on the same store, where these faults happen.
pub(super) fn with_faults(faults: &[&str]) -> &'static Served {
    start(Options { faults: faults.iter().map(|&fault| fault.to_owned()).collect(), ..Options::default() })
}

/// A gateway of one's own whose functions are not told that anybody is welcome.
pub(super) fn not_open() -> &'static Served {
    let environment = BTreeMap::from([("ALLOW_ANONYMOUS".to_owned(), String::new())]);
    start(Options { environment, ..Options::default() })
}

/// A gateway of one's own on another store.
pub(super) fn on_store(url: String) -> &'static Served {
    start(Options { store: Store::Url(url), ..Options::default() })
}

/// A store of one's own, which survives a restart.
pub(crate) async fn start_store() -> Valkey {
    let dir = std::env::temp_dir().join(format!("e2e-{}", uuid::Uuid::now_v7()));
    Valkey::start(valkey::Options { dir: Some(dir), tools: Some(root().join(".local")), program: None })
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A gateway of one's own, to the end of this process.
pub(crate) fn start(options: Options) -> &'static Served {
    Box::leak(Box::new(Served::start(options)))
}
