//! The log of gateways and functions of this process, and what functions must never write there.
//!
//! Functions log as they do in a deployment. Each line of theirs is looked at as it comes in, whichever test it comes
//! from; the first that tells too much ends the tests.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use shared::telemetry::Count;
use strum::VariantArray as _;
use tracing_subscriber::filter::LevelFilter;

/// What stands before a function's line: where the gateway logs it, and the function.
const MARK: &str = "gateway::lambda::process: [";

/// The fields that functions may log, beside their counts.
const FIELDS: [&str; 18] = [
    "timestamp",
    "level",
    "message",
    "requestId",
    "apiRequestId",
    "route",
    "connection",
    "user",
    "peer",
    "code",
    "calls",
    "milliseconds",
    "StoreTime",
    "_aws",
    "error",
    "failed",
    "of",
    "span",
];

/// Characters of the shortest token, which begins with `{"` in base64. The platform's ids, which may begin so by chance,
/// have fewer.
const TOKEN_CHARACTERS: usize = 20;

/// Characters of a ticket, all of them hexadecimal digits.
const TICKET_CHARACTERS: usize = 48;

/// The lengths of the groups of a UUID.
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// The log file. It stands beside the test's executable, under its name with `.log` in place of an extension.
pub fn log_file() -> PathBuf {
    std::env::current_exe().expect("a test is a file").with_extension("log")
}

/// The log so far; tests search it for secrets that must never be logged.
pub fn read_log() -> String {
    std::fs::read_to_string(log_file()).expect("a log file")
}

/// The lines of functions that hold a text, from now on.
#[derive(Clone, Debug)]
pub struct Watch {
    text: String,
    lines: Arc<Mutex<Vec<String>>>,
}

static WATCHES: Mutex<Vec<Watch>> = Mutex::new(Vec::new());

impl Watch {
    /// Begins to keep the lines that hold this text.
    pub fn start(text: impl Into<String>) -> Self {
        let watch = Self { text: text.into(), lines: Arc::default() };
        lock(&WATCHES).push(watch.clone());
        watch
    }

    /// Those that there are by now.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }

    fn look(&self, line: &str) {
        if line.contains(&self.text) {
            lock(&self.lines).push(line.to_owned());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn start() {
    let log = Log(File::create(log_file()).expect("a log beside the test"));
    let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE);
    lines.with_ansi(false).with_writer(Mutex::new(log)).init();
}

struct Log(File);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(line)?;
        let text = String::from_utf8_lossy(line);
        if let Some(text) = of_function(text.trim_end()) {
            if let Some(told) = leak(text) {
                // Not by a macro, whose text would be kept for the test that started this thread.
                let _ = writeln!(io::stderr(), "error: a function logged {told}:\n{text}");
                exit(101);
            }
            lock(&WATCHES).iter().for_each(|watch| watch.look(text));
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn of_function(line: &str) -> Option<&str> {
    line.split_once(MARK)?.1.split_once("] ").map(|(_, text)| text)
}

fn is_known(field: &str) -> bool {
    FIELDS.contains(&field) || Count::VARIANTS.iter().any(|count| <&str>::from(count) == field)
}

/// What a line of a function's tells that it must not.
fn leak(line: &str) -> Option<String> {
    if is_harmless(line) { None } else { leak_of(line) }
}

/// Whether a line needs no closer look: that of an invocation, as nearly all are, in which nothing looks like a secret. A
/// closer look at all of them would take the tests' threads more time than the gateway does.
fn is_harmless(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('{').filter(|line| line.contains(r#","message":"served","#)) else {
        return false;
    };
    let (before, after) = match (rest.find(r#""calls":["#), rest.rfind(r#"],"milliseconds""#)) {
        (Some(start), Some(end)) if start < end => (&rest[..start], &rest[end..]),
        _ => (rest, ""),
    };
    [before, after].into_iter().all(|text| !text.contains("eyJ") && !has_uuid(text) && !has_ticket(text))
}

/// Whether two hyphens stand as around the third group of a UUID of version 7.
fn has_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.match_indices("-7")
        .any(|(at, _)| at >= 5 && bytes[at - 5] == b'-' && bytes.get(at + 5) == Some(&b'-'))
}

/// Whether so many hexadecimal digits follow each other. One of them stands at a multiple of half their number.
fn has_ticket(text: &str) -> bool {
    let is_digit = |byte: &&u8| byte.is_ascii_hexdigit();
    let bytes = text.as_bytes();
    (0..bytes.len()).step_by(TICKET_CHARACTERS / 2).any(|at| {
        let after = bytes[at..].iter().take_while(is_digit).count();
        after > 0 && after + bytes[..at].iter().rev().take_while(is_digit).count() >= TICKET_CHARACTERS
    })
}

/// The same, by a closer look.
fn leak_of(line: &str) -> Option<String> {
    let mut text = line.to_owned();
    if let Ok(Value::Object(mut fields)) = serde_json::from_str(line) {
        let span = fields.get("span").and_then(Value::as_object);
        let names = fields.keys().chain(span.into_iter().flat_map(|span| span.keys()));
        if let Some(unknown) = names.map(String::as_str).find(|name| !is_known(name)) {
            return Some(format!("{unknown}, which it never did"));
        }
        // Clients make the ids of calls up, of anything.
        fields.remove("calls");
        text = Value::Object(fields).to_string();
    }
    let words = || text.split(|character: char| !character.is_ascii_hexdigit() && character != '-');
    let parts =
        text.split(|character: char| !character.is_ascii_alphanumeric() && !"-_.".contains(character));
    if parts.into_iter().any(|part| part.starts_with("eyJ") && part.len() >= TOKEN_CHARACTERS) {
        Some("a token".to_owned())
    } else if words().any(|word| word.len() >= TICKET_CHARACTERS && !word.contains('-')) {
        Some("a ticket".to_owned())
    } else if words().any(ends_in_time_ordered_uuid) {
        Some("a user key, or the id of a message".to_owned())
    } else {
        None
    }
}

/// Whether it ends in a UUID of version 7, as the tests' user keys and the ids of messages do, and no other id does.
fn ends_in_time_ordered_uuid(word: &str) -> bool {
    let groups: Vec<_> = word.split('-').collect();
    let Some(last) = groups.len().checked_sub(UUID_GROUPS.len()).map(|start| &groups[start..]) else {
        return false;
    };
    let lengths = last.iter().map(|group| group.len()).skip(1);
    lengths.eq(UUID_GROUPS.into_iter().skip(1)) && last[0].len() >= UUID_GROUPS[0] && last[2].starts_with('7')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_line_is_found() {
        let key = format!("alice-{}", uuid::Uuid::now_v7());
        let ticket = "0123456789abcdef".repeat(3);
        for text in [&key, &ticket, "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x"] {
            let line =
                serde_json::json!({ "level": "ERROR", "error": format!("no reply to {text}") }).to_string();
            assert!(leak(&line).is_some() && leak(text).is_some(), "{text}");
        }
        assert!(leak(r#"{"level":"INFO","content":"hello"}"#).is_some());
        let id = uuid::Uuid::new_v4();
        let good = serde_json::json!({ "requestId": id, "calls": [{ "id": key }], "span": { "user": "0123456789abcdef" } });
        assert_eq!(leak(&good.to_string()), None);
        assert!(leak(r#"{"timestamp":"","message":"refused","milliseconds":1.0,"other":1}"#).is_some());
    }

    #[test]
    fn a_secret_in_the_line_of_an_invocation_is_found() {
        let key = format!("alice-{}", uuid::Uuid::now_v7());
        let line = |user: &str, end: &str| {
            format!(
                r#"{{"timestamp":"2026","message":"served","user":"{user}","calls":[{{"id":"{key}"}}],"milliseconds":1.0{end}}}"#
            )
        };
        assert!(is_harmless(&line("0123456789abcdef", "")), "{}", line("0123456789abcdef", ""));
        let ticket = "0123456789abcdef".repeat(3);
        for secret in [key.as_str(), &ticket, "eyJhbGciOiJSUzI1NiJ9.e30.x"] {
            for line in [line(secret, ""), line("", &format!(r#","error":"{secret}""#))] {
                assert!(leak(&line).is_some(), "{line}");
            }
        }
    }
}
