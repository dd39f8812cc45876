//! Tests that need something which not every machine has.

use std::io::Write as _;

/// Says that a test is skipped, and why; with `CI=true` it fails instead.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    // `eprintln!` would be kept back while the test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
