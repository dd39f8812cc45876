//! A ticket to open a WebSocket with: single use, for the principal only.

use lambda_http::Request;
use shared::access;
use shared::config::Config;
use shared::error::Error;
use shared::http::Answer;
use shared::identity::Principal;
use shared::store::{Store, TICKET_SECONDS};

pub(crate) async fn handle(config: &Config, store: &Store, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, config)?;
    let ticket = store.issue_ticket(&access::may_have_ticket(principal)?).await?;
    Ok(Answer::json(format!(r#"{{"ticket":"{ticket}","expires_in":{TICKET_SECONDS}}}"#)).created())
}
