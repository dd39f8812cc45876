//! A user's conversations, the latest first: their last message, what is unread, and how far both sides have read.

use lambda_http::Request;
use lambda_http::http::header::LINK;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::access;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::ids::{MessageId, UserKey};
use shared::store::Conversation;
use shared::uri::encode;

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

    let permit = access::own(&principal, user.clone())?;
    let page = app.store.conversations(&permit, before, limit.unwrap_or(DEFAULT)).await?;
    let entries: Vec<_> = page.conversations.iter().map(entry).collect::<Result<_, _>>()?;
    let answer = Answer::of(&entries)?;
    Ok(match page.more {
        Some(id) => answer.header(LINK, link(id, limit, user.as_ref())),
        None => answer,
    })
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

/// Where to go on ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288)), keeping the query.
fn link(id: MessageId, limit: Option<usize>, user: Option<&UserKey>) -> String {
    let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
    let user = user.map(|user| format!("&user={}", encode(user.as_str()))).unwrap_or_default();
    format!("</conversations?before={id}{limit}{user}>; rel=\"prev\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_the_query() {
        let id = MessageId::parse("01890a5d-ac96-774b-bcce-b302099a8057").expect("a UUID");
        let user = UserKey::try_from("a&b>".to_owned()).expect("a valid key");
        assert_eq!(link(id, None, None), format!("</conversations?before={id}>; rel=\"prev\""));
        assert_eq!(
            link(id, Some(5), Some(&user)),
            format!("</conversations?before={id}&limit=5&user=a%26b%3E>; rel=\"prev\"")
        );
    }
}
