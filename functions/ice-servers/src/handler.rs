//! The configured ICE servers, with credentials made for this user and moment. Nothing is asked of the store.

use chrono::Utc;
use lambda_http::Request;
use lambda_http::http::header::CACHE_CONTROL;
use shared::access;
use shared::config::Config;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::ice::IceServers;
use shared::identity::Principal;

pub(crate) async fn handle(config: &Config, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, config)?;
    let permit = access::own(&principal, http::user_key(&request, "user")?)?;
    let servers = IceServers::for_user(&config.ice, permit.user(), Utc::now());
    Ok(Answer::of(&servers)?.header(CACHE_CONTROL, "no-store".to_owned()))
}
