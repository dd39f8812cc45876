//! Delete a message for good, then tell its participants.

use lambda_http::Request;
use shared::access;
use shared::config::Config;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::notify::Notifier;
use shared::store::Store;

pub(crate) async fn handle(
    config: &Config,
    store: &Store,
    notifier: &Notifier,
    request: Request,
) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, config)?;
    let id = http::message_id(&request)?;

    let stored = store.message(id).await?.ok_or(Error::NotFound)?;
    let permit = access::may_change(&principal, stored)?;
    let deletion = store.delete(permit).await?;
    notifier.notify_deletion(id, deletion.feeds).await;
    if deletion.before { Err(Error::NotFound) } else { Answer::done("Message deleted", None::<&()>) }
}
