//! An HTTP response, read whole.

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::Value;

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.text())
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header is ASCII"))
    }

    /// The message in a `200` or `201`.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        assert!(matches!(self.status, 200 | 201), "{} {}", self.status, self.text());
        self.json()["data"].clone()
    }

    /// A function's refusal, with exactly this body.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str, sentence: &str) {
        let expected = format!(r#"{{"error":"{sentence}","code":"{code}"}}"#);
        assert_eq!((self.status, self.text()), (status, expected.as_str()));
        assert_eq!(self.header("content-type"), "application/json");
    }

    #[track_caller]
    pub(crate) fn assert_not_found(&self) {
        self.assert_refused(404, "not_found", "Message not found");
    }

    /// The platform's own refusal, with exactly this body.
    #[track_caller]
    pub(crate) fn assert_platform_refused(&self, status: u16, sentence: &str) {
        let expected = format!(r#"{{"message":"{sentence}"}}"#);
        assert_eq!((self.status, self.text()), (status, expected.as_str()));
    }
}
