//! The REST edge: request in, response out, failures logged. Always answers.

use std::convert::Infallible;

use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_TYPE, HeaderName};
use lambda_http::{Body, Request, RequestExt, Response, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::ids::MessageId;

/// What a handler answers when all went well.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
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
}

impl Answer {
    /// `200` with this JSON.
    pub fn json(body: String) -> Self {
        Self { status: StatusCode::OK, body, headers: Vec::new() }
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

    /// The same with status `201`.
    pub fn created(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }

    /// The same with one more header.
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
        let result = handler(request);
        async { Ok::<_, Infallible>(respond(result.await)) }
    }))
    .await
}

/// The response for a handler's result; logs what is our fault or the store's.
pub fn respond(result: Result<Answer, Error>) -> Response<Body> {
    let (status, body, headers) = match result {
        Ok(answer) => (answer.status, answer.body, answer.headers),
        Err(error) => {
            if error.cause().is_some() {
                tracing::error!(%error, "request failed");
            }
            let (status, code, sentence) = error.answer();
            let body = serde_json::to_string(&Failure { error: sentence, code }).unwrap_or_default();
            (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body, Vec::new())
        }
    };
    let mut response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
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

/// Reads a JSON object from the body, whatever the `Content-Type`; `otherwise` is the sentence for a body
/// that is none or has fields of other types.
///
/// # Errors
/// [`Error::InvalidRequest`] with that sentence.
pub fn json<T: DeserializeOwned>(request: &Request, otherwise: &'static str) -> Result<T, Error> {
    let body: &[u8] = request.body().as_ref();
    // serde would take an array for a struct, too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Error::InvalidRequest(otherwise));
    }
    serde_json::from_slice(body).map_err(|_| Error::InvalidRequest(otherwise))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Edit {
        content: Option<String>,
    }

    fn read(body: &str) -> Result<Option<String>, u16> {
        let request = Request::new(Body::Text(body.into()));
        json::<Edit>(&request, "no").map(|edit| edit.content).map_err(|error| error.answer().0)
    }

    #[test]
    fn only_an_object_with_the_right_types_is_read() {
        assert_eq!(read(" {\"content\":\"x\",\"more\":[1]}"), Ok(Some("x".into())));
        assert_eq!(read("{\"content\":null}"), Ok(None));
        for bad in
            ["", "null", "[\"x\"]", "\"x\"", "{\"content\":1}", "{\"content\":\"\\ud800\"}", "{", "<x>"]
        {
            assert_eq!(read(bad), Err(400), "{bad}");
        }
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
