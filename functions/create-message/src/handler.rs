//! Keep a message, then tell its two participants.

use lambda_http::Request;
use serde::Deserialize;
use shared::access;
use shared::app::PushingApp;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::ids::UserKey;
use shared::message::Content;
use shared::store::Change;

const REQUIRED: &str = "sender_id, receiver_id, and content are required";
const INVALID_USER: &str = "sender_id and receiver_id have 1 to 128 bytes and no control characters";

#[derive(Deserialize)]
struct Draft {
    sender_id: Option<String>,
    receiver_id: Option<String>,
    content: Option<String>,
}

pub(crate) async fn handle(app: &PushingApp, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let draft: Draft = http::json(&request, REQUIRED)?;
    let sender = draft.sender_id.map(user).transpose()?;
    let receiver = user(draft.receiver_id.ok_or(Error::InvalidRequest(REQUIRED))?)?;
    let content = Content::parse(draft.content, REQUIRED)?;

    let permit = access::may_send(&principal, sender, receiver, content)?;
    let (message, feeds) = app.store.create(permit).await?;
    app.notifier.notify(Change::Created, &message, feeds).await;
    Ok(Answer::done("Message created", Some(&message))?.created())
}

fn user(text: String) -> Result<UserKey, Error> {
    let sentence = if text.is_empty() { REQUIRED } else { INVALID_USER };
    UserKey::try_from(text).map_err(|_| Error::InvalidRequest(sentence))
}
