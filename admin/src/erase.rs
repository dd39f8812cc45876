//! `admin erase`: a user's messages, step by step, then what else is kept under the user's name.

use shared::access::Administrator;
use shared::app::PushingApp;
use shared::error::Cause;
use shared::ids::UserKey;

use crate::progress::Progress;
use crate::settings::{Clients, Settings};

/// Erases a user; the peers hear of each message if there is a way to their clients.
pub(crate) async fn run(settings: &Settings, clients: &Clients, user: UserKey) -> Result<(), Cause> {
    let permit = Administrator::assume().on_behalf_of(user);
    let (store, notifier) = match &clients.endpoint {
        Some(endpoint) => {
            // Its warnings say which frames reached nobody.
            shared::telemetry::init();
            let app = PushingApp::open(settings.config(Some(endpoint))?).await?;
            (app.store, Some(app.notifier))
        }
        None => (settings.open().await?, None),
    };
    let mut progress = Progress::of("messages");
    let connections = loop {
        let erasure = store.erase(&permit).await?;
        progress.add(erasure.deleted.len());
        if let Some(notifier) = &notifier {
            notifier.erased(erasure.deleted).await;
        }
        if let Some(connections) = erasure.done {
            break connections;
        }
    };
    progress.end("");
    match notifier {
        Some(notifier) => notifier.close_user(&connections).await,
        None if connections.is_empty() => {}
        None => eprintln!("{} connections of the user stay open until they end", connections.len()),
    }
    eprintln!("delete the user at the issuer, too, or the name may come back");
    Ok(())
}
