//! The demo page finds a server that went away and came back.

use support::App;

use crate::browser::tell;
use crate::page::Person;

#[test]
fn a_restarted_server_is_found_again() {
    tell(async |browsers| {
        let mut gateway = App::builder().start_gateway();
        let alice = Person::sign_in(browsers, &gateway.url(), "alice-returns").await;
        let bob = Person::sign_in(browsers, &gateway.url(), "bob-returns").await;
        alice.open_conversation("bob-returns").await;
        bob.open_conversation("alice-returns").await;
        alice.send("Before").await;
        bob.expect_messages(&["Before"]).await;

        gateway.stop();
        alice.expect_offline().await;
        bob.expect_offline().await;
        alice.send("Lost?").await;
        alice.expect_notice("The server cannot be reached").await;

        gateway.start_again();
        alice.expect_online().await;
        bob.expect_online().await;
        // The text that could not be sent was given back.
        alice.send_draft("Lost?").await;
        bob.expect_messages(&["Before", "Lost?"]).await;
    });
}
