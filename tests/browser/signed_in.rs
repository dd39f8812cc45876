//! The demo page where tokens are asked for: it signs in with the development issuer, and nobody notices.

use support::App;

use crate::browser::tell;
use crate::page::Person;

#[test]
fn two_people_chat_with_tokens_and_tickets() {
    tell(async |browsers| {
        let gateway = App::builder().guarded_by_development_issuer().start_gateway();
        let alice = Person::sign_in(browsers, &gateway.url(), "alice-signed-in").await;
        let bob = Person::sign_in(browsers, &gateway.url(), "bob-signed-in").await;
        alice.open_conversation("bob-signed-in").await;
        alice.send("Hello").await;
        bob.expect_unread("alice-signed-in", 1).await;
        bob.open_conversation("alice-signed-in").await;
        bob.send("Hello yourself").await;
        for person in [&alice, &bob] {
            person.expect_messages(&["Hello", "Hello yourself"]).await;
        }
        bob.reload().await;
        bob.expect_messages(&["Hello", "Hello yourself"]).await;
    });
}
