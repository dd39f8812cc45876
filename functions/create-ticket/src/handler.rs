//! A ticket to open a WebSocket with: single use, for the principal only.

use lambda_http::Request;
use shared::access;
use shared::app::App;
use shared::error::Error;
use shared::http::Answer;
use shared::identity::Principal;
use shared::store::TICKET_SECONDS;

pub(crate) async fn handle(app: &App, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let ticket = app.store.issue_ticket(&access::may_have_ticket(principal)?).await?;
    Ok(Answer::json(format!(r#"{{"ticket":"{ticket}","expires_in":{TICKET_SECONDS}}}"#)).created())
}
