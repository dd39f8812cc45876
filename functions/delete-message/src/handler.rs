//! Delete a message for good, then tell its participants.

use lambda_http::Request;
use shared::access;
use shared::app::PushingApp;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;

pub(crate) async fn handle(app: &PushingApp, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let id = http::message_id(&request)?;

    let stored = app.store.message_to_change(id, principal.user()).await?.ok_or(Error::NotFound)?;
    let permit = access::may_change(&principal, id, stored)?;
    let deletion = app.store.delete(permit).await?;
    app.notifier.deleted(id, deletion.feeds).await;
    if deletion.before { Err(Error::NotFound) } else { Answer::done("Message deleted", None::<&()>) }
}
