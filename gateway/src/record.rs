//! The record of what goes on, for `--record`: each event with its answer, frame and push is a line of JSON in a file.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::aws;

/// Writes the record, or nothing where none is asked for; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    file: Mutex<File>,
    events: AtomicU64,
}

/// A line; which of its fields are there depends on its kind.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    at: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    /// The number of an event; its answer has the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl Recorder {
    /// Appends to the file, which only its owner may read: it holds tokens and what people write.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = Mutex::new(options.open(path)?);
        Ok(Self { inner: Some(Arc::new(Inner { file, events: AtomicU64::new(0) })) })
    }

    /// An event on its way to a function; gives its number.
    pub(crate) fn event(&self, function: &str, payload: &[u8]) -> Option<u64> {
        let number = self.inner.as_ref()?.events.fetch_add(1, Ordering::Relaxed) + 1;
        let event = serde_json::from_slice(payload).ok();
        let function = Some(function);
        self.write(Line { kind: "event", function, number: Some(number), event, ..Line::default() });
        Some(number)
    }

    pub(crate) fn answer(&self, function: &str, number: u64, result: Result<&[u8], String>) {
        let (function, number) = (Some(function), Some(number));
        let mut line = Line { kind: "answer", function, number, ..Line::default() };
        match result.map(serde_json::from_slice) {
            Ok(Ok(answer)) => line.answer = Some(answer),
            Ok(Err(error)) => line.error = Some(format!("its answer is not JSON: {error}")),
            Err(error) => line.error = Some(error),
        }
        self.write(line);
    }

    /// A frame that a client sent (`in`) or that answers one (`out`).
    pub(crate) fn frame(&self, direction: &'static str, connection: &str, text: &str) {
        let (connection, text) = (Some(connection), Some(text));
        self.write(Line { kind: "frame", direction: Some(direction), connection, text, ..Line::default() });
    }

    /// A frame that a function posted, and the status that it was answered.
    pub(crate) fn push(&self, connection: &str, text: &[u8], status: u16) {
        if self.inner.is_none() {
            return;
        }
        let text = String::from_utf8_lossy(text);
        let (connection, text) = (Some(connection), Some(&*text));
        self.write(Line { kind: "push", connection, text, status: Some(status), ..Line::default() });
    }

    fn write(&self, mut line: Line<'_>) {
        let Some(inner) = &self.inner else { return };
        line.at = aws::iso_time(Utc::now());
        let Ok(mut line) = serde_json::to_vec(&line) else { return };
        line.push(b'\n');
        // Whole lines, so that a reader never sees half of one.
        let written = inner.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        if let Err(error) = written {
            tracing::error!("The record cannot be written: {error}");
        }
    }
}
