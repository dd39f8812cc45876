//! Two people chat on the demo page and see at once what the other does.

use support::StoreKind::Single;
use support::TestGateway;

use crate::browser::tell;
use crate::page::Person;

#[test]
fn a_message_its_edit_and_its_deletion_appear_at_both_users_at_once() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let alice = Person::sign_in(browsers, &url, "alice-chats").await;
        let bob = Person::sign_in(browsers, &url, "bob-chats").await;
        bob.expect_nobody().await;

        alice.open_conversation("bob-chats").await;
        alice.send("Hello <b>Bob</b> & all \u{263a}").await;
        bob.expect_unread("alice-chats", 1).await;
        bob.open_conversation("alice-chats").await;
        bob.expect_messages(&["Hello <b>Bob</b> & all \u{263a}"]).await;

        bob.send("Hello Alice").await;
        bob.send("How are you?").await;
        for person in [&alice, &bob] {
            person.expect_messages(&["Hello <b>Bob</b> & all \u{263a}", "Hello Alice", "How are you?"]).await;
        }

        bob.edit("How are you?", "How do you do?").await;
        for person in [&alice, &bob] {
            person
                .expect_messages(&["Hello <b>Bob</b> & all \u{263a}", "Hello Alice", "How do you do?"])
                .await;
            person.expect_edited("How do you do?").await;
        }

        alice.delete("Hello <b>Bob</b> & all \u{263a}").await;
        for person in [&alice, &bob] {
            person.expect_messages(&["Hello Alice", "How do you do?"]).await;
        }

        bob.reload().await;
        bob.expect_messages(&["Hello Alice", "How do you do?"]).await;
    });
}

#[test]
fn what_one_device_does_appears_on_the_others_of_the_same_user() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let phone = Person::sign_in(browsers, &url, "carol-moves").await;
        let laptop = Person::sign_in(browsers, &url, "carol-moves").await;
        for device in [&phone, &laptop] {
            device.open_conversation("dave-is-away").await;
        }
        phone.send("From my phone").await;
        laptop.expect_messages(&["From my phone"]).await;
        laptop.edit("From my phone", "From my laptop").await;
        phone.expect_messages(&["From my laptop"]).await;
        phone.delete("From my laptop").await;
        laptop.expect_messages(&[]).await;
    });
}

#[test]
fn a_name_that_the_server_refuses_is_asked_for_again() {
    tell(async |browsers| {
        let tab = browsers.open("too-long").await;
        // 43 signs are fine for the form, but 129 bytes are too many for the server.
        tab.goto(&format!("{}?user={}", TestGateway::shared(Single).url(), "\u{20ac}".repeat(43))).await;
        tab.until("document.querySelector('#sign-in-error').textContent.includes('128 bytes')", Vec::new())
            .await;
        tab.until("document.querySelector('#name').checkVisibility()", Vec::new()).await;
    });
}
