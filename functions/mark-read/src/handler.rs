//! Mark a conversation as read up to a message, then tell both users.

use lambda_http::Request;
use serde::Serialize;
use shared::access;
use shared::app::PushingApp;
use shared::error::Error;
use shared::http::{self, Answer, Fields};
use shared::identity::Principal;
use shared::ids::MessageId;

const REQUIRED: &str = "message_id must be a message id";

#[derive(Serialize)]
struct Unread {
    unread: u64,
}

pub(crate) async fn handle(app: &PushingApp, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let with = http::peer(&request)?;
    let id = Fields::of(&request)?.text("message_id")?;
    let id = id.as_deref().and_then(MessageId::parse).ok_or(Error::invalid(REQUIRED))?;

    let permit = access::own(&principal, http::user_key(&request, "user")?)?;
    let marked = app.store.mark_read(&permit, &with, id).await?;
    if let Some(marker) = marked.moved {
        app.notifier.read(permit.user(), &with, marker, marked.connections).await;
    }
    Answer::of(&Unread { unread: marked.unread })
}
