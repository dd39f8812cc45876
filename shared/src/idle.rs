//! Network connections of a process that may be frozen between two events.

use std::time::Duration;

/// How long an idle connection is trusted: the process may have been frozen meanwhile, and its socket died.
pub(crate) const TRUSTED: Duration = Duration::from_secs(60);
