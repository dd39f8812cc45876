//! The options that a benchmark is given.

use std::str::FromStr;

/// The value behind an option's name, if it is given and can be read.
pub(crate) fn value<T: FromStr>(arguments: &[String], option: &str) -> Option<T> {
    let place = arguments.iter().position(|argument| argument == option)?;
    arguments.get(place + 1)?.parse().ok()
}
