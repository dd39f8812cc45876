//! Replace a message's content, then tell its participants.

use lambda_http::Request;
use shared::access;
use shared::app::PushingApp;
use shared::error::Error;
use shared::http::{self, Answer, Fields};
use shared::identity::Principal;
use shared::message::{Content, Metadata, MetadataChange};

const REQUIRED: &str = "Content is required";

pub(crate) async fn handle(app: &PushingApp, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let body = Fields::of(&request)?;
    let content = Content::parse(body.text("content")?, REQUIRED)?;
    let metadata = match (body.has("metadata"), body.given("metadata")) {
        (false, _) => MetadataChange::Keep,
        (true, None) => MetadataChange::Remove,
        (true, Some(value)) => MetadataChange::Replace(Metadata::parse(value)?),
    };
    let id = http::message_id(&request)?;

    let stored = app.store.message_to_change(id, principal.user()).await?.ok_or(Error::NotFound)?;
    let permit = access::may_change(&principal, id, stored)?;
    let (message, feeds) = app.store.update(permit, content, metadata).await?.ok_or(Error::NotFound)?;
    app.notifier.updated(&message.to_json(), feeds).await;
    Answer::done("Message updated", Some(&message))
}
