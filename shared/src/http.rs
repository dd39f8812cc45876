//! The REST edge: request in, response out, failures logged. Always answers.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;

use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_TYPE, HeaderName, LINK, RETRY_AFTER};
use lambda_http::request::RequestContext;
use lambda_http::{Body, IntoResponse, Request, RequestExt, Response, service_fn};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::ids::{MessageId, UserKey};
use crate::json::{Object, ParseError};
use crate::telemetry::{self, Subject};
use crate::uri::encode;

const JSON: &str = "application/json";

/// Newline-delimited JSON ([NDJSON](https://github.com/ndjson/ndjson-spec)).
const JSON_LINES: &str = "application/x-ndjson";

/// The answer of a handler when all went well.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: String,
    headers: Vec<(HeaderName, String)>,
}

#[derive(Serialize)]
struct Done<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
}

impl Answer {
    /// `200` with this JSON.
    pub fn json(body: String) -> Self {
        Self { status: StatusCode::OK, content_type: JSON, body, headers: Vec::new() }
    }

    /// `200` with these JSON texts, one on a line.
    pub fn lines(texts: &[String]) -> Self {
        let body = texts.iter().flat_map(|text| [text.as_str(), "\n"]).collect();
        Self { content_type: JSON_LINES, ..Self::json(body) }
    }

    /// `200` with this as JSON.
    ///
    /// # Errors
    /// The data does not serialize.
    pub fn of(data: &impl Serialize) -> Result<Self, Error> {
        serde_json::to_string(data).map(Self::json).map_err(|error| Error::Internal(error.into()))
    }

    /// `200` with what was done and, where there is one, the message as it is now.
    ///
    /// # Errors
    /// `data` that does not serialize.
    pub fn done(what: &str, data: Option<&impl Serialize>) -> Result<Self, Error> {
        let internal = |error: serde_json::Error| Error::Internal(error.into());
        let data = data.map(serde_json::value::to_raw_value).transpose().map_err(internal)?;
        let done = Done { message: what, data: data.as_deref() };
        Ok(Self::json(serde_json::to_string(&done).map_err(internal)?))
    }

    /// The answer with status `201`.
    pub fn created(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }

    /// The answer with status `202`: there is more to do.
    pub fn accepted(self) -> Self {
        Self { status: StatusCode::ACCEPTED, ..self }
    }

    /// The answer with one more header.
    pub fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Serves a route for the life of this process.
///
/// # Errors
/// The Lambda runtime's own: it cannot be reached.
pub async fn serve<H, F>(handler: H) -> Result<(), lambda_http::Error>
where
    H: Fn(Request) -> F,
    F: Future<Output = Result<Answer, Error>> + Send,
{
    lambda_http::run(service_fn(|request: Request| {
        let subject = subject(&request);
        // Boxed, as it is of several kilobytes, which each future around it would copy.
        let result = Box::pin(handler(request));
        let response = async { Complete(respond(result.await)) };
        async { Ok::<_, Infallible>(telemetry::told(subject, response).await) }
    }))
    .await
}

/// A response that is sent as it is. Others are converted by their content type, for which each function would hold the
/// tables of every encoding, 0.2 MB of them.
struct Complete(Response<Body>);

impl IntoResponse for Complete {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// What the logs are told that a request is.
fn subject(request: &Request) -> Subject {
    let (api_request_id, route) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            (context.request_id.clone(), context.route_key.clone())
        }
        _ => (None, None),
    };
    let lambda = request.lambda_context_ref();
    let request_id = lambda.map(|context| context.request_id.clone()).unwrap_or_default();
    Subject { request_id, api_request_id, route, connection: None }
}

/// The response for a handler's result; logs what is our fault or the store's.
pub fn respond(result: Result<Answer, Error>) -> Response<Body> {
    let (status, content_type, body, headers) = match result {
        Ok(answer) => (answer.status, answer.content_type, answer.body, answer.headers),
        Err(error) => {
            if error.cause().is_some() {
                tracing::error!(%error, "request failed");
            }
            let (status, code, sentence) = error.answer();
            telemetry::code(code);
            let event_id = match &error {
                Error::Resync(position) => Some(position.as_str()),
                _ => None,
            };
            let headers = error.retry_after().map(|seconds| (RETRY_AFTER, seconds.to_string()));
            let body =
                serde_json::to_string(&Failure { error: sentence, code, event_id }).unwrap_or_default();
            (
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                JSON,
                body,
                headers.into_iter().collect(),
            )
        }
    };
    let mut response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::Text(body)).unwrap_or_else(|error| {
        tracing::error!(%error, "response could not be built");
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// The fields of a request's body, which is a JSON object whatever the `Content-Type`.
#[derive(Debug)]
pub struct Fields<'a>(Object<'a>);

impl<'a> Fields<'a> {
    /// Reads the body; an empty one has no fields.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for anything but an object.
    pub fn of(request: &'a Request) -> Result<Self, Error> {
        let body: &[u8] = request.body().as_ref();
        if body.trim_ascii().is_empty() {
            return Ok(Self(Object::default()));
        }
        Object::parse(body).map(Self).map_err(|error| {
            Error::invalid(match error {
                ParseError::NotJson => "The body is not valid JSON",
                ParseError::NotAnObject => "The body must be a JSON object",
            })
        })
    }

    /// A field's text, if it has any.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for a value of another type.
    pub fn text(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.whole_text(name)?.filter(|text| !text.is_empty()))
    }

    /// A field's text, even if it is empty.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for a value of another type, as [`Fields::text`].
    pub fn whole_text(&self, name: &str) -> Result<Option<String>, Error> {
        self.0.text(name).map_err(|_| Error::invalid(format!("{name} must be a string")))
    }

    /// Whether there is such a field, if only with `null`.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    /// A field's value as it was written; `None` where it is missing or `null`.
    pub fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).filter(|value| value.get() != "null")
    }

    /// The user that a field names; `None` where it is missing or `null`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] with the sentence `required` for an empty text; likewise for a value of another type,
    /// or a text that is no user key.
    pub fn user_key(&self, name: &str, required: &'static str) -> Result<Option<UserKey>, Error> {
        let Some(text) = self.whole_text(name)? else { return Ok(None) };
        if text.is_empty() {
            return Err(Error::invalid(required));
        }
        UserKey::try_from(text).map(Some).map_err(|_| Error::invalid_user_key(name))
    }
}

/// The `{id}` of the path.
///
/// # Errors
/// [`Error::NotFound`] for what cannot be a message's id.
pub fn message_id(request: &Request) -> Result<MessageId, Error> {
    request
        .path_parameters_ref()
        .and_then(|path| path.first("id"))
        .and_then(MessageId::parse)
        .ok_or(Error::NotFound)
}

/// A parameter of the query; of a repeated one the last counts.
pub fn parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query_string_parameters_ref()?.all(name)?.last().copied()
}

/// The `Link` header ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288)) to another page at `path`: this request's query,
/// with the `cursor` at `id` in place of its own.
pub fn link(
    request: &Request,
    path: &str,
    cursor: &'static str,
    id: MessageId,
    relation: &str,
) -> (HeaderName, String) {
    let query = request.query_string_parameters_ref().into_iter().flat_map(|query| query.iter());
    let mut kept: Vec<_> = query.filter(|(name, _)| *name != cursor).collect();
    // A map has its names in any order, and a repeated parameter's values in theirs.
    kept.sort_by_key(|(name, _)| *name);
    let kept: String =
        kept.iter().map(|(name, value)| format!("&{}={}", encode(name), encode(value))).collect();
    (LINK, format!("<{path}?{cursor}={id}{kept}>; rel=\"{relation}\""))
}

/// The user that a parameter names, if there is one.
///
/// # Errors
/// [`Error::InvalidRequest`] for a text that is no user key.
pub fn user_key(request: &Request, name: &str) -> Result<Option<UserKey>, Error> {
    let key = parameter(request, name).map(|key| UserKey::try_from(key.to_owned())).transpose();
    key.map_err(|_| Error::invalid_user_key(name))
}

/// The `{peer}` of the path; where that is `-`, the parameter `peer` may take its place, for keys that no path carries.
///
/// # Errors
/// [`Error::InvalidRequest`] for a text that is no user key.
pub fn peer(request: &Request) -> Result<UserKey, Error> {
    let path = request.path_parameters_ref().and_then(|path| path.first("peer")).unwrap_or_default();
    let named = parameter(request, "peer").filter(|_| path == "-");
    UserKey::try_from(named.unwrap_or(path).to_owned()).map_err(|_| Error::invalid_user_key("peer"))
}

/// The `limit` of a page.
///
/// # Errors
/// [`Error::InvalidRequest`] unless it is a number from 1 to `most`.
pub fn limit(request: &Request, most: usize) -> Result<Option<usize>, Error> {
    let Some(text) = parameter(request, "limit") else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| digits && (1..=most).contains(limit));
    limit.map(Some).ok_or_else(|| Error::invalid(format!("limit must be a number from 1 to {most}")))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn sentence<T>(body: &str, read: impl Fn(&Fields<'_>) -> Result<T, Error>) -> Result<T, String> {
        let request = Request::new(Body::Text(body.into()));
        Fields::of(&request).and_then(|fields| read(&fields)).map_err(|error| error.answer().2.to_owned())
    }

    #[test]
    fn a_body_is_an_object_or_empty() {
        let content = |body| sentence(body, |fields| fields.text("content"));
        assert_eq!(content(" {\"content\":\"x\",\"more\":[1]}"), Ok(Some("x".into())));
        for none in ["", " ", "{}", "{\"content\":null}", "{\"content\":\"\"}"] {
            assert_eq!(content(none), Ok(None), "{none}");
        }
        for bad in ["{", "<x>", "content=x", "{\"content\":\"x\"} and more"] {
            assert_eq!(content(bad), Err("The body is not valid JSON".into()), "{bad}");
        }
        for bad in ["null", "[\"x\"]", "\"x\"", "1"] {
            assert_eq!(content(bad), Err("The body must be a JSON object".into()), "{bad}");
        }
        assert_eq!(content("{\"content\":1}"), Err("content must be a string".into()));
    }

    #[test]
    fn a_user_key_is_checked() {
        let sender = |body| sentence(body, |fields| fields.user_key("sender_id", "required"));
        assert_eq!(sender(r#"{"sender_id":null}"#), Ok(None));
        assert_eq!(sender(r#"{"sender_id":""}"#), Err("required".into()));
        assert_eq!(sender(r#"{"sender_id":["x"]}"#), Err("sender_id must be a string".into()));
        let rule = "sender_id must be a user key: 1 to 128 bytes, no control characters";
        assert_eq!(sender(r#"{"sender_id":"a\u0000"}"#), Err(rule.into()));
    }

    #[test]
    fn a_link_keeps_the_query_but_for_its_cursor() {
        let id = MessageId::parse("01890a5d-ac96-774b-bcce-b302099a8057").expect("a UUID");
        let link = |pairs: &[(&str, &[&str])]| {
            let pairs = pairs.iter().map(|(name, values)| {
                ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
            });
            let pairs: HashMap<_, _> = pairs.collect();
            let request = Request::new(Body::Empty).with_query_string_parameters(pairs);
            super::link(&request, "/messages", "before", id, "prev").1
        };
        assert_eq!(link(&[]), format!("</messages?before={id}>; rel=\"prev\""));
        let query: [(&str, &[&str]); 5] = [
            ("with", &["\u{1F600}"]),
            ("user", &["a&b>"]),
            ("limit", &["0", "5"]),
            ("<new>", &[""]),
            ("before", &["x"]),
        ];
        let kept = "&%3Cnew%3E=&limit=0&limit=5&user=a%26b%3E&with=%F0%9F%98%80";
        assert_eq!(link(&query), format!("</messages?before={id}{kept}>; rel=\"prev\""));
    }

    #[test]
    fn a_failure_has_one_shape() {
        let response = respond(Err(Error::NotFound));
        assert_eq!(response.status(), 404);
        assert_eq!(response.body().as_ref(), br#"{"error":"Message not found","code":"not_found"}"#);
    }

    #[test]
    fn an_answer_keeps_its_data() {
        let answer = Answer::done("Message created", Some(&["x"])).expect("it serializes").created();
        let response = respond(Ok(answer));
        assert_eq!(response.status(), 201);
        assert_eq!(response.body().as_ref(), br#"{"message":"Message created","data":["x"]}"#);
    }
}
