//! A front end that is older than this server works against it unchanged.

use serde_json::json;
use support::StoreKind::Single;
use support::TestGateway;

use crate::browser::tell;
use crate::older_page::{self, Older};
use crate::page::Person;

#[test]
fn older_front_ends_chat() {
    tell(async |browsers| {
        let (page, api) = (older_page::serve().await, TestGateway::shared(Single).url());
        let alice = Older::open(browsers, &page, &api, "older-alice-chats", "older-bob-chats").await;
        let bob = Older::open(browsers, &page, &api, "older-bob-chats", "older-alice-chats").await;
        alice.send("Hello").await;
        bob.expect_messages(&["older-alice-chats: Hello"]).await;
        bob.send("Hello back").await;
        for person in [&alice, &bob] {
            person.expect_messages(&["older-alice-chats: Hello", "older-bob-chats: Hello back"]).await;
            // The bare hint that follows each message is swallowed: neither relayed nor refused.
            assert_eq!(person.count("new_message").await, json!(2));
            assert_eq!(person.count("error").await, json!(0));
            person.expect_no_failure().await;
        }
    });
}

#[test]
fn older_front_ends_call_hang_up_and_call_again() {
    tell(async |browsers| {
        let (page, api) = (older_page::serve().await, TestGateway::shared(Single).url());
        let alice = Older::open(browsers, &page, &api, "older-alice", "older-bob").await;
        let bob = Older::open(browsers, &page, &api, "older-bob", "older-alice").await;

        alice.call().await;
        alice.expect_live_call().await;
        bob.expect_live_call().await;
        alice.hang_up().await;
        alice.expect_idle().await;
        bob.expect_idle().await;

        bob.call().await;
        bob.expect_live_call().await;
        alice.expect_live_call().await;
        alice.hang_up().await;
        bob.expect_idle().await;

        alice.call().await;
        alice.expect_live_call().await;
        bob.expect_live_call().await;
        bob.hang_up().await;
        alice.expect_idle().await;

        // Each answered every end_call with one of its own, and then spoke on; none of these echoes came.
        alice.send("Goodbye").await;
        bob.expect_messages(&["older-alice: Goodbye"]).await;
        bob.send("Goodbye").await;
        alice.expect_messages(&["older-alice: Goodbye", "older-bob: Goodbye"]).await;
        assert_eq!(alice.count("end_call").await, json!(1));
        assert_eq!(bob.count("end_call").await, json!(2));
        alice.expect_no_failure().await;
        bob.expect_no_failure().await;
    });
}

#[test]
fn an_older_front_end_and_the_demo_page_call_each_other() {
    tell(async |browsers| {
        let gateway = TestGateway::shared(Single);
        let page = older_page::serve().await;
        let older = Older::open(browsers, &page, &gateway.url(), "older-carol", "dave").await;
        let dave = Person::sign_in(browsers, &gateway.url(), "dave").await;
        dave.open_conversation("older-carol").await;

        older.call().await;
        dave.expect_ringing().await;
        dave.accept().await;
        dave.expect_live_call().await;
        older.expect_live_call().await;
        older.hang_up().await;
        dave.expect_idle().await;

        dave.call().await;
        dave.expect_live_call().await;
        older.expect_live_call().await;
        dave.hang_up().await;
        older.expect_idle().await;
        dave.expect_idle().await;
        older.expect_no_failure().await;
    });
}
