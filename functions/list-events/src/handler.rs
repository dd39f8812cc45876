//! The changes of a user's messages since a position in their log: each message once, in its present state.

use lambda_http::Request;
use serde::Serialize;
use shared::access;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Answer};
use shared::identity::Principal;
use shared::protocol::server::{DeletedMessage, Notification};
use shared::store::{Change, Event, EventId, Events, Follow};
use shared::telemetry;

const MOST: usize = 1000;
const DEFAULT: usize = 200;

const INVALID_POSITION: &str = "since must be an event_id";

#[derive(Serialize)]
struct Page<'a> {
    events: Vec<Notification<'a>>,
    event_id: &'a str,
    more: bool,
}

pub(crate) async fn handle(app: &App, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let since = http::parameter(&request, "since");
    let since = since.map(|text| EventId::parse(text).ok_or(Error::invalid(INVALID_POSITION))).transpose()?;
    let limit = http::limit(&request, MOST)?.unwrap_or(DEFAULT);

    let permit = access::own(&principal, http::user_key(&request, "user")?)?;
    if since.is_some() {
        telemetry::caught_up();
    }
    match app.store.follow(&permit, since.as_ref(), limit).await? {
        Follow::Resync(position) => Err(Error::Resync(position)),
        Follow::Events(Events { events, position, more }) => {
            let ids: Vec<_> = events.iter().map(|event| event.message.to_string()).collect();
            let events = events.iter().zip(&ids).map(|(event, id)| notification(event, id));
            Answer::of(&Page { events: events.collect::<Result<_, _>>()?, event_id: &position, more })
        }
    }
}

fn notification<'a>(event: &'a Event, id: &'a str) -> Result<Notification<'a>, Error> {
    let event_id = event.id.as_str();
    let raw = |json| serde_json::from_str(json).map_err(|error| Error::Internal(Box::new(error)));
    Ok(match &event.change {
        Change::Created(json) => Notification::NewMessage { data: raw(json)?, event_id },
        Change::Updated(json) => Notification::UpdateMessage { data: raw(json)?, event_id },
        Change::Deleted => Notification::DeleteMessage { data: DeletedMessage { id }, event_id },
    })
}
