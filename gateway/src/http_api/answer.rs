//! A function's answer as an HTTP response: the inference rules of payload format 2.0.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::aws::answers;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain;charset=UTF-8");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'p> {
    status_code: Option<Value>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
    #[serde(borrow, default)]
    body: Option<&'p RawValue>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
}

/// Why an answer cannot be understood; the client gets a 500, the log this.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

pub(super) fn infer(payload: &Bytes) -> Result<Response, Malformed> {
    let malformed = |what: &str| Malformed(what.to_owned());
    if payload.trim_ascii_start().first() != Some(&b'{') {
        return infer_plain(payload);
    }
    // An object that names a status is an answer; one that does not is the body itself.
    let Ok(answer) = serde_json::from_slice::<Answer<'_>>(payload) else {
        return match serde_json::from_slice::<Value>(payload) {
            Ok(value) if value.get("statusCode").is_none() => Ok(json(payload.clone())),
            Ok(_) => Err(malformed("a field of the answer has the wrong type")),
            Err(error) => Err(Malformed(format!("the answer is not JSON: {error}"))),
        };
    };
    let Some(status) = answer.status_code else { return Ok(json(payload.clone())) };
    let status = read_status(&status).ok_or_else(|| Malformed(format!("{status} is no status code")))?;
    let body = match answer.body.map(RawValue::get) {
        None | Some("null") => Bytes::new(),
        Some(raw) => {
            let text: String = serde_json::from_str(raw).map_err(|_| malformed("the body is not a text"))?;
            match answer.is_base64_encoded {
                Some(true) => STANDARD.decode(text).map_err(|_| malformed("the body is not base64"))?.into(),
                _ => text.into(),
            }
        }
    };
    // Neither of these has a body; the length of one would break the connection for some clients.
    let body = if [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status) {
        Bytes::new()
    } else {
        body
    };
    let has_body = !body.is_empty();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for cookie in answer.cookies.unwrap_or_default() {
        let cookie = HeaderValue::try_from(cookie).map_err(|_| malformed("a cookie holds a line break"))?;
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    // A cookie among the headers follows them.
    add_headers(&mut response, answer.headers.unwrap_or_default())?;
    if has_body {
        response.headers_mut().entry(header::CONTENT_TYPE).or_insert(TEXT);
    }
    Ok(response)
}

fn infer_plain(payload: &Bytes) -> Result<Response, Malformed> {
    if payload.trim_ascii_start().first() == Some(&b'"') {
        return match serde_json::from_slice::<String>(payload) {
            Ok(text) => Ok(json(text.into())),
            Err(error) => Err(Malformed(format!("the answer is not JSON: {error}"))),
        };
    }
    match serde_json::from_slice::<&RawValue>(payload) {
        Ok(_) => Ok(json(payload.clone())),
        Err(error) => Err(Malformed(format!("the answer is not JSON: {error}"))),
    }
}

fn json(body: Bytes) -> Response {
    answers::json(StatusCode::OK, body)
}

fn read_status(value: &Value) -> Option<StatusCode> {
    let code = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    // An interim status would leave the client waiting for the final one.
    StatusCode::from_u16(u16::try_from(code).ok()?)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
}

fn add_headers(response: &mut Response, headers: BTreeMap<String, Value>) -> Result<(), Malformed> {
    for (name, value) in headers {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return Err(Malformed(format!("the header {name} is not a text"))),
        };
        let parsed = HeaderName::try_from(&name).ok().zip(HeaderValue::try_from(text).ok());
        let (name, value) = parsed.ok_or_else(|| Malformed(format!("the header {name} cannot be sent")))?;
        // The server frames the body itself.
        if ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(&name) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(payload: &'static str) -> (u16, String, Vec<(String, String)>) {
        let response = infer(&Bytes::from_static(payload.as_bytes())).expect("an answer");
        let status = response.status().as_u16();
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().expect("a text").to_owned())
        };
        let headers = response.headers().iter().map(header).collect();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("UTF-8"), headers)
    }

    fn content_type(kind: &str) -> (String, String) {
        ("content-type".to_owned(), kind.to_owned())
    }

    #[tokio::test]
    async fn without_a_status_the_value_is_the_body() {
        let json = vec![content_type("application/json")];
        assert_eq!(answer(r#"{"a": 1}"#).await, (200, r#"{"a": 1}"#.to_owned(), json.clone()));
        assert_eq!(answer(r#""Hello \"you\"""#).await, (200, "Hello \"you\"".to_owned(), json.clone()));
        assert_eq!(answer("[1]").await, (200, "[1]".to_owned(), json.clone()));
        assert_eq!(answer("null").await, (200, "null".to_owned(), json.clone()));
        // Fields that would be wrong in an answer are fine in a body.
        assert_eq!(answer(r#"{"headers":3}"#).await, (200, r#"{"headers":3}"#.to_owned(), json));
    }

    #[tokio::test]
    async fn a_full_answer_is_sent_as_it_says() {
        let payload = r#"{"statusCode":201,"headers":{"X-One":"a","x-two":2,"Content-Length":"999"},"cookies":["a=1; Secure","b=2"],"body":"hi"}"#;
        let (status, body, headers) = answer(payload).await;
        assert_eq!((status, body.as_str()), (201, "hi"));
        let expected = [
            ("x-one", "a"),
            ("x-two", "2"),
            ("set-cookie", "a=1; Secure"),
            ("set-cookie", "b=2"),
            ("content-type", "text/plain;charset=UTF-8"),
        ];
        for (name, value) in expected {
            assert!(headers.contains(&(name.to_owned(), value.to_owned())), "{name}: {headers:?}");
        }
        assert_eq!(headers.len(), expected.len());
    }

    #[tokio::test]
    async fn bodies_may_be_base64_or_missing() {
        assert_eq!(answer(r#"{"statusCode":"200","body":"aGk=","isBase64Encoded":true}"#).await.1, "hi");
        assert_eq!(answer(r#"{"statusCode":204}"#).await, (204, String::new(), Vec::new()));
        assert_eq!(answer(r#"{"statusCode":204,"body":"x"}"#).await, (204, String::new(), Vec::new()));
        assert_eq!(answer(r#"{"statusCode":304,"body":"x"}"#).await, (304, String::new(), Vec::new()));
        assert_eq!(
            answer(r#"{"statusCode":204,"body":null,"headers":null}"#).await,
            (204, String::new(), Vec::new())
        );
    }

    #[test]
    fn what_makes_no_sense_is_malformed() {
        for payload in [
            "",
            "nonsense",
            "{",
            "\"open",
            r#"{"statusCode":"ok"}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":70000}"#,
            r#"{"statusCode":200,"body":{"a":1}}"#,
            r#"{"statusCode":200,"headers":{"a":["b"]}}"#,
            r#"{"statusCode":200,"headers":{"a":"b\r\nc: d"}}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":[]}"#,
            r#"{"statusCode":200,"cookies":"a=1"}"#,
            r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#,
        ] {
            assert!(infer(&Bytes::from_static(payload.as_bytes())).is_err(), "{payload}");
        }
    }
}
