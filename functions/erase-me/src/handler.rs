//! Erase some of what is kept of a user, tell their peers, and say whether that was all.

use lambda_http::Request;
use serde::Serialize;
use shared::access;
use shared::app::PushingApp;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;

#[derive(Serialize)]
struct Progress {
    done: bool,
}

pub(crate) async fn handle(app: &PushingApp, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let permit = access::own(&principal, http::user_key(&request, "user")?)?;
    let erasure = app.store.erase(&permit).await?;
    app.notifier.erased(erasure.deleted).await;
    let Some(connections) = erasure.done else {
        return Ok(Answer::of(&Progress { done: false })?.accepted());
    };
    app.notifier.close_user(&connections).await;
    Answer::of(&Progress { done: true })
}
