//! End a call for one of its two users; one that is over, or not known yet, never rings from then on.

use lambda_http::Request;
use shared::access;
use shared::app::PushingApp;
use shared::call::Reason;
use shared::error::Error;
use shared::http::{self, Answer, Fields};
use shared::identity::Principal;
use shared::ids::CallId;

const REQUIRED: &str = "call_id is required: 8 to 64 bytes";

pub(crate) async fn handle(app: &PushingApp, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let peer = http::peer(&request)?;
    let body = Fields::of(&request)?;
    let id = body.text("call_id")?.ok_or(Error::invalid(REQUIRED))?;
    let id = CallId::try_from(id).map_err(|_| Error::invalid(REQUIRED))?;
    let reason = Reason::of_client(body.text("reason")?.as_deref());

    let permit = access::own(&principal, http::user_key(&request, "user")?)?;
    app.calls.end(&permit, &peer, id, reason).await?;
    Answer::done("Call ended", None::<&()>)
}
