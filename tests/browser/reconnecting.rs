//! The demo page finds a server that went away and came back, and what it missed.

use futures_util::future::join;
use support::{App, wait_until};

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
        // It was kept, and is sent by itself, once.
        bob.expect_messages(&["Before", "Lost?"]).await;
        alice.expect_messages(&["Before", "Lost?"]).await;
    });
}

#[test]
fn a_page_reads_what_no_push_told() {
    tell(async |browsers| {
        let app = App::builder().start().await;
        let url = format!("http://localhost:{}", app.port());
        let bob = Person::sign_in(browsers, &url, "bob-misses").await;
        bob.open_conversation("alice-misses").await;
        let (alice, receiver) = (app.user_called("alice-misses"), app.user_called("bob-misses"));
        let first = alice.post_message(&receiver, "told").await;
        bob.expect_messages(&["told"]).await;
        let faults = app.gateway().faults();

        // Its connection is closed, so it opens another.
        faults.set("push:500=1").expect("a fault");
        alice.post_message(&receiver, "missed").await;
        bob.expect_offline().await;
        faults.clear();
        bob.expect_messages(&["told", "missed"]).await;

        // It is not told that it was forgotten.
        faults.set("push:410=1").expect("a fault");
        alice.delete_message(&first).await;
        faults.clear();
        alice.post_message(&receiver, "missed too").await;
        bob.expect_messages(&["told", "missed"]).await;
        bob.come_online().await;
        bob.expect_messages(&["missed", "missed too"]).await;
    });
}

#[test]
fn a_send_without_an_answer_is_repeated_and_is_one() {
    tell(async |browsers| {
        let app = App::builder().start().await;
        let url = format!("http://localhost:{}", app.port());
        let alice = Person::sign_in(browsers, &url, "alice-repeats").await;
        let bob = app.user_called("bob-repeats");
        alice.open_conversation(&bob.key).await;
        app.gateway().faults().set("push:delay=1500ms").expect("a fault");
        let killing = async {
            wait_until("the message is stored", async || !bob.list_messages().await.is_empty()).await;
            assert!(app.try_kill("CreateMessage"));
            app.gateway().faults().clear();
        };
        join(alice.send("Hello"), killing).await;
        alice.expect_draft("").await;
        alice.expect_messages(&["Hello"]).await;
        alice.send("Bye").await;
        alice.expect_messages(&["Hello", "Bye"]).await;
        assert_eq!(bob.list_messages().await.len(), 2);
    });
}
