//! A page of all messages that a user sent or received, the oldest first, with a link to the next page.

use lambda_http::Request;
use shared::access;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::ids::MessageId;
use shared::store::Paging;

const MOST: usize = 1000;

const INVALID_CURSOR: &str = "after must be a message id";

pub(crate) async fn handle(app: &App, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let after = http::parameter(&request, "after");
    let after = after.map(|text| MessageId::parse(text).ok_or(Error::invalid(INVALID_CURSOR))).transpose()?;
    let limit = http::limit(&request, MOST)?.unwrap_or(MOST);

    let permit = access::own(&principal, http::user_key(&request, "user")?)?;
    let paging = Paging::After(after.unwrap_or(MessageId::LOWEST));
    let page = app.store.list(&permit.messages(), paging, limit).await?;
    let answer = Answer::lines(&page.messages);
    let Some(id) = page.more else { return Ok(answer) };
    let (name, link) = http::link(&request, "/me/export", "after", id, "next");
    Ok(answer.header(name, link))
}
