//! A real TURN server judges the credentials of `GET /ice-servers`.

use std::time::Duration;

use support::turn::{SECRET, Turn};
use support::{App, Clock, wait_until};

async fn credentials(app: &App) -> (String, String) {
    let servers = app.get("/ice-servers?user=alice").await.json();
    let server = &servers["iceServers"][0];
    let text = |name: &str| server[name].as_str().expect("a text").to_owned();
    (text("username"), text("credential"))
}

#[tokio::test]
async fn a_turn_server_takes_fresh_credentials_alone() {
    let Some(turn) = Turn::start().await else { return };
    let Some(clock) = Clock::start() else { return };
    let app = App::builder()
        .environment("TURN_URLS", "turn:localhost")
        .environment("TURN_SECRET", SECRET)
        .clock(&clock)
        .start()
        .await;
    let (username, credential) = credentials(&app).await;
    // Its tool sends one packet, and gives up where a busy machine is late with it.
    wait_until("an allocation", async || turn.allocate(&username, &credential).await.success()).await;
    assert!(!turn.allocate(&username, &credential.replace('=', "A")).await.success(), "altered");
    let later = username.replacen(|digit: char| digit.is_ascii_digit(), "9", 1);
    assert!(!turn.allocate(&later, &credential).await.success(), "prolonged");
    clock.shift(-i64::try_from(Duration::from_secs(43_200 + 60).as_secs()).expect("a time"));
    let (username, credential) = credentials(&app).await;
    assert!(!turn.allocate(&username, &credential).await.success(), "expired");
}
