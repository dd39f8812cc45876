//! Why there is no store.

use super::program::NoProgram;

/// Why there is no store, in a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValkeyError(pub(super) String);

impl From<NoProgram> for ValkeyError {
    fn from(error: NoProgram) -> Self {
        Self(error.to_string())
    }
}
