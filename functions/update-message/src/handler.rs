//! Replace a message's content, then tell its participants.

use lambda_http::Request;
use shared::access;
use shared::app::PushingApp;
use shared::error::Error;
use shared::http::{self, Answer, Fields};
use shared::identity::Principal;
use shared::message::Content;

const REQUIRED: &str = "Content is required";

pub(crate) async fn handle(app: &PushingApp, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let content = Content::parse(Fields::of(&request)?.text("content")?, REQUIRED)?;
    let id = http::message_id(&request)?;

    let stored = app.store.message(id).await?.ok_or(Error::NotFound)?;
    let permit = access::may_change(&principal, stored)?;
    let (message, feeds) = app.store.update(permit, content).await?.ok_or(Error::NotFound)?;
    app.notifier.updated(&message, feeds).await;
    Answer::done("Message updated", Some(&message))
}
