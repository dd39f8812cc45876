//! An HTTP response, read whole.

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::Value;

/// A response.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body is UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(self.text())
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header is ASCII"))
    }

    /// The message in a `200` or `201`.
    #[track_caller]
    pub fn data(&self) -> Value {
        assert!(matches!(self.status, 200 | 201), "{} {}", self.status, self.text());
        self.json()["data"].clone()
    }

    /// A function's refusal, with exactly this body.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str, sentence: &str) {
        let expected = format!(r#"{{"error":"{sentence}","code":"{code}"}}"#);
        assert_eq!((self.status, self.text()), (status, expected.as_str()));
        assert_eq!(self.header("content-type"), "application/json");
    }

    /// The refusal of a function whose store is away.
    #[track_caller]
    pub fn assert_unavailable(&self) {
        self.assert_refused(503, "unavailable", "The store is unavailable, try again");
    }

    #[track_caller]
    pub fn assert_not_found(&self) {
        self.assert_refused(404, "not_found", "Message not found");
    }

    /// The platform's own refusal, with exactly this body.
    #[track_caller]
    pub fn assert_platform_refused(&self, status: u16, sentence: &str) {
        let expected = format!(r#"{{"message":"{sentence}"}}"#);
        assert_eq!((self.status, self.text()), (status, expected.as_str()));
    }
}
