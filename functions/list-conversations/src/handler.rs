//! A user's conversations, the latest first: their last message, what is unread, and how far both sides have read.

use lambda_http::Request;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::access;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::ids::{MessageId, UserKey};
use shared::store::Conversation;

const MOST: usize = 200;
const DEFAULT: usize = 50;

const INVALID_CURSOR: &str = "before must be a message id";

#[derive(Serialize)]
struct Entry<'a> {
    with: &'a UserKey,
    last_message: &'a RawValue,
    unread: u64,
    read: Option<String>,
    read_by_peer: Option<String>,
}

pub(crate) async fn handle(app: &App, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let before = http::parameter(&request, "before");
    let before =
        before.map(|text| MessageId::parse(text).ok_or(Error::invalid(INVALID_CURSOR))).transpose()?;
    let limit = http::limit(&request, MOST)?;
    let user = http::user_key(&request, "user")?;

    let permit = access::own(&principal, user)?;
    let page = app.store.conversations(&permit, before, limit.unwrap_or(DEFAULT)).await?;
    let entries: Vec<_> = page.conversations.iter().map(entry).collect::<Result<_, _>>()?;
    let answer = Answer::of(&entries)?;
    let Some(id) = page.more else { return Ok(answer) };
    let (name, link) = http::link(&request, "/conversations", "before", id, "prev");
    Ok(answer.header(name, link))
}

fn entry(conversation: &Conversation) -> Result<Entry<'_>, Error> {
    let text = |id: Option<MessageId>| id.map(|id| id.to_string());
    Ok(Entry {
        with: &conversation.with,
        last_message: serde_json::from_str(&conversation.last_message)
            .map_err(|error| Error::Internal(error.into()))?,
        unread: conversation.unread,
        read: text(conversation.read),
        read_by_peer: text(conversation.read_by_peer),
    })
}
