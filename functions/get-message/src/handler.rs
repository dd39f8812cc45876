//! One message.

use lambda_http::Request;
use shared::access;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::message::Record;

pub(crate) async fn handle(app: &App, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let stored = app.store.message(http::message_id(&request)?).await?.ok_or(Error::NotFound)?;
    let Record::Message(message) = &stored.record else { return Err(Error::NotFound) };
    access::may_read(&principal, message)?;
    Ok(Answer::json(stored.json))
}
