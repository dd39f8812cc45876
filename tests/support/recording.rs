//! A record of what passes between clients and the gateway, for `.ci/documents/check-recording`, which compares it with
//! `docs/openapi.yaml` and `docs/asyncapi.yaml`. Kept only where `RECORD_TO` names a file; each line is one JSON object.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use hyper::Method;
use serde_json::{Value, json};
use shared::protocol::client::{ClientFrame, parse};

use crate::Reply;

/// Records a frame that a device sent, and whether the functions' own parser takes it.
pub(crate) fn sent(text: &str) {
    record(|| {
        let taken = matches!(
            parse(text).1,
            Ok(ClientFrame::Register(_) | ClientFrame::Signal(_) | ClientFrame::Ignored)
        );
        json!({ "sent": text, "taken": taken })
    });
}

/// Records a frame that a device got.
pub(crate) fn received(text: &str) {
    record(|| json!({ "received": text }));
}

/// Records a response.
pub(crate) fn answered(method: &Method, path: &str, reply: &Reply) {
    record(|| {
        let headers: BTreeMap<_, _> = reply
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let body = String::from_utf8_lossy(&reply.body);
        json!({ "method": method.as_str(), "path": path, "status": reply.status, "headers": headers, "body": body })
    });
}

fn record(line: impl FnOnce() -> Value) {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let path = std::env::var_os("RECORD_TO")?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        Some(Mutex::new(file.expect("RECORD_TO names a file that can be written")))
    });
    if let Some(file) = file {
        let line = format!("{}\n", line());
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).expect("the record can be written");
    }
}
