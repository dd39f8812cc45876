//! A user's live calls, the newest first.

use lambda_http::Request;
use shared::access;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::protocol::server::CallEntry;

pub(crate) async fn handle(app: &App, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let permit = access::own(&principal, http::user_key(&request, "user")?)?;
    let calls = app.store.live_calls(&permit).await?;
    let entries: Vec<_> = calls.iter().map(|call| CallEntry::new(call, None)).collect();
    Answer::of(&entries)
}
