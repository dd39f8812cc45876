//! The store that functions use: one given by its URL, or one of the gateway's own.

use std::path::Path;

use super::options::Store;
use crate::valkey::{self, Valkey, ValkeyError};

/// The store that functions use.
#[derive(Debug)]
pub enum RunningStore {
    /// One that runs elsewhere.
    Given(String),
    Own(Box<Valkey>),
}

impl RunningStore {
    /// Opens the store for the project in `folder`.
    pub(super) async fn open(store: Store, folder: &Path) -> Result<Self, ValkeyError> {
        let tools = folder.join(".local");
        let dir = match store {
            Store::Url(url) => return Ok(Self::Given(url)),
            Store::Kept => Some(tools.join("store")),
            Store::Ephemeral => None,
        };
        let program = valkey::find(&tools).await?;
        tracing::info!("Starting the store ({}, {}) …", program.path.display(), program.origin);
        let options = valkey::Options { dir, tools: Some(tools), program: Some(program) };
        Ok(Self::Own(Valkey::start(options).await?.into()))
    }

    pub fn url(&self) -> String {
        match self {
            Self::Given(url) => url.clone(),
            Self::Own(valkey) => valkey.url(),
        }
    }
}
