//! The present call with another user, or the last one while it is still known.

use lambda_http::Request;
use serde::Serialize;
use shared::access;
use shared::app::App;
use shared::call::{Reason, Role, Status, Summary};
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::ids::{CallId, UserKey, timestamp_ms};

#[derive(Serialize)]
struct Body<'a> {
    call_id: &'a CallId,
    with: &'a UserKey,
    role: Role,
    state: Status,
    reason: Option<Reason>,
    started_at: String,
    answered_at: Option<String>,
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    away: Option<u64>,
}

pub(crate) async fn handle(app: &App, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let peer = http::peer(&request)?;
    let permit = access::own(&principal, http::user_key(&request, "user")?)?;
    let call = app.store.call_with(&permit, &peer).await?.ok_or(Error::NoCall)?;
    Answer::of(&body(&call))
}

fn body(call: &Summary) -> Body<'_> {
    Body {
        call_id: &call.call_id,
        with: &call.with,
        role: call.role,
        state: call.status,
        reason: call.reason,
        started_at: timestamp_ms(call.started_at),
        answered_at: call.answered_at.map(timestamp_ms),
        ended_at: call.ended_at.map(timestamp_ms),
        ends_in: call.ends_in,
        away: call.away,
    }
}
