//! The demo page where tokens are asked for: it signs in with the development issuer, and nobody notices.

use serde_json::json;
use support::StoreKind::Single;
use support::{App, TestGateway};

use crate::browser::{Browsers, Tab, tell};
use crate::page::Person;

/// The front of the page, and what its last sentence says about passwords.
async fn expect_hint(browsers: &Browsers, url: &str, text: &str) -> Tab {
    let tab = browsers.open("front").await;
    tab.goto(url).await;
    let hint = "document.querySelector('#sign-in-hint').textContent.includes(arguments[0])";
    tab.until(hint, vec![json!(text)]).await;
    tab
}

#[test]
fn the_page_says_how_it_signs_in_and_why_it_cannot() {
    tell(async |browsers| {
        expect_hint(browsers, &TestGateway::shared(Single).url(), "takes everyone's word").await;
        let strict = App::builder().guarded().start_gateway();
        let front = expect_hint(browsers, &strict.url(), "tokens that this page cannot get").await;
        front.goto(&format!("{}?user=alice-has-none", strict.url())).await;
        let refused = "document.querySelector('#sign-in-error').textContent.includes('tokens that this page cannot get')";
        front.until(refused, Vec::new()).await;
    });
}

#[test]
fn a_server_that_comes_back_asking_for_tokens_is_found_again() {
    tell(async |browsers| {
        let mut gateway = App::builder().start_gateway();
        let alice = Person::sign_in(browsers, &gateway.url(), "alice-needs-none-yet").await;
        gateway.stop();
        alice.expect_offline().await;
        gateway.start_guarded();
        alice.expect_online().await;
        expect_hint(browsers, &gateway.url(), "development issuer").await;
    });
}

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
