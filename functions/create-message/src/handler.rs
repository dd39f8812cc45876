//! Keep a message, then tell its two participants. A send under the same name is one send.

use lambda_http::Request;
use lambda_http::http::header::HeaderName;
use shared::access;
use shared::app::PushingApp;
use shared::error::Error;
use shared::http::{Answer, Fields};
use shared::identity::Principal;
use shared::message::{ClientId, Content, Draft, Metadata};
use shared::telemetry;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

pub(crate) async fn handle(app: &PushingApp, request: Request) -> Result<Answer, Error> {
    let principal = Principal::from_request(&request, &app.config)?;
    let body = Fields::of(&request)?;
    let sender = body.user_key("sender_id", access::SEND_REQUIRES)?;
    let receiver = body.user_key("receiver_id", access::SEND_REQUIRES)?;
    let content = body.text("content")?;
    let receiver = receiver.ok_or(Error::invalid(access::SEND_REQUIRES))?;
    let draft = Draft {
        content: Content::parse(content, access::SEND_REQUIRES)?,
        client_id: client_id(&request, &body)?,
        metadata: body.given("metadata").map(Metadata::parse).transpose()?,
    };

    let permit = access::may_send(&principal, sender, receiver, draft)?;
    let sent = app.store.create(permit).await?;
    if !sent.replayed {
        telemetry::sent();
    }
    app.notifier.created(&sent.present, sent.feeds).await;
    let answer = Answer::done("Message created", Some(&sent.message))?.created();
    Ok(if sent.replayed { answer.header(IDEMPOTENT_REPLAYED, "true".to_owned()) } else { answer })
}

/// The body's `client_id`, or else the header that other services take for it.
fn client_id(request: &Request, body: &Fields<'_>) -> Result<Option<ClientId>, Error> {
    let header = || request.headers().get(IDEMPOTENCY_KEY).map(|value| value.as_bytes());
    let text = match body.whole_text("client_id")? {
        Some(text) => Some(text),
        None => header().map(|value| String::from_utf8_lossy(value).into_owned()),
    };
    text.map(ClientId::parse).transpose()
}
