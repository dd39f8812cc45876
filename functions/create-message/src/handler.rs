//! Keep a message, then tell its two participants.

use lambda_http::Request;
use shared::access;
use shared::app::PushingApp;
use shared::error::Error;
use shared::http::{Answer, Fields};
use shared::identity::Principal;
use shared::message::Content;

pub(crate) async fn handle(app: &PushingApp, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let body = Fields::of(&request)?;
    let sender = body.user_key("sender_id")?;
    let receiver = body.user_key("receiver_id")?;
    let content = body.text("content")?;
    let receiver = receiver.ok_or(Error::invalid(access::SEND_REQUIRES))?;
    let content = Content::parse(content, access::SEND_REQUIRES)?;

    let permit = access::may_send(&principal, sender, receiver, content)?;
    let (message, feeds) = app.store.create(permit).await?;
    app.notifier.created(&message, feeds).await;
    Ok(Answer::done("Message created", Some(&message))?.created())
}
