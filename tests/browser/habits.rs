//! Things that a person who writes and calls expects of the page by habit.

use serde_json::json;
use support::StoreKind::Single;
use support::proxy::CuttableProxy;
use support::{App, TestGateway};

use crate::browser::tell;
use crate::page::{Person, two_people};

#[test]
fn a_call_that_comes_in_takes_neither_focus_nor_draft() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-interrupts", "bob-writes"]).await;
        bob.tab().press("I was").await;
        alice.call().await;
        bob.expect_ringing().await;
        bob.tab().press(" writing").await;
        bob.expect_draft("I was writing").await;
        bob.expect_ringing().await;
        bob.accept().await;
        bob.expect_live_call().await;
        bob.expect_draft("I was writing").await;

        alice.expect_live_call().await;
        bob.tab().click("#mute").await;
        bob.expect_button("#mute", "Unmute").await;
        alice.expect_call_status("Muted").await;
        bob.turn_camera_off().await;
        bob.expect_button("#camera-off", "Camera on").await;
        alice.expect_call_status("Camera off").await;
        bob.tab().click("#mute").await;
        bob.expect_button("#mute", "Mute").await;
        alice.expect_no_call_status("Muted").await;
    });
}

#[test]
fn drafts_stay_with_their_conversations() {
    tell(async |browsers| {
        let alice = Person::sign_in(browsers, &TestGateway::shared(Single).url(), "alice-drafts").await;
        alice.tab().until("document.activeElement.id === 'peer'", Vec::new()).await;
        alice.open_conversation("bob-has-a-draft").await;
        alice.tab().until("document.activeElement.id === 'draft'", Vec::new()).await;
        let empty = "document.querySelector('#no-messages').checkVisibility()
            && document.querySelector('#no-messages').textContent.includes('bob-has-a-draft')";
        alice.tab().until(empty, Vec::new()).await;
        alice.tab().press("For Bob").await;
        alice.open_conversation("carol-has-none").await;
        alice.expect_draft("").await;
        alice.open_conversation("bob-has-a-draft").await;
        alice.expect_draft("For Bob").await;
        alice.reload().await;
        alice.expect_draft("For Bob").await;
    });
}

#[test]
fn a_deleted_message_comes_back_when_that_is_undone() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-regrets", "bob-sees-it-still"]).await;
        alice.send("Kept").await;
        alice.send("Gone").await;
        bob.expect_messages(&["Kept", "Gone"]).await;
        alice.delete("Kept").await;
        alice.expect_messages(&["Gone"]).await;
        alice.tab().click(".notice .action").await;
        alice.expect_messages(&["Kept", "Gone"]).await;
        alice.delete("Gone").await;
        // A page that goes deletes what could still be undone.
        alice.reload().await;
        bob.expect_messages(&["Kept"]).await;
        alice.expect_messages(&["Kept"]).await;
    });
}

#[test]
fn a_refused_message_says_so_and_can_be_discarded() {
    tell(async |browsers| {
        let alice =
            Person::sign_in(browsers, &TestGateway::shared(Single).url(), "alice-says-too-much").await;
        alice.open_conversation("bob-is-spared").await;
        let fill = "const draft = document.querySelector('#draft');
            draft.value = 'x'.repeat(16385);
            draft.dispatchEvent(new InputEvent('input'));";
        alice.tab().run(fill, Vec::new()).await;
        alice.tab().click("#composer button").await;
        alice.tab().until("document.querySelector('.message')?.dataset.state === 'failed'", Vec::new()).await;
        alice.tab().click(".message .discard").await;
        alice.expect_messages(&[]).await;
    });
}

#[test]
fn read_typing_and_unread_are_shown_and_outlive_a_reload() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let alice = Person::sign_in(browsers, &url, "alice-is-read").await;
        let bob = Person::sign_in(browsers, &url, "bob-reads").await;
        alice.open_conversation("bob-reads").await;
        alice.send("See https://example.org/a, please").await;
        alice.send("\u{5e9}\u{5dc}\u{5d5}\u{5dd}").await;
        bob.expect_unread("alice-is-read", 2).await;
        bob.reload().await;
        bob.expect_unread("alice-is-read", 2).await;
        bob.open_conversation("alice-is-read").await;
        bob.expect_unread("alice-is-read", 0).await;
        alice
            .tab()
            .until("[...document.querySelectorAll('.state')].at(-1).textContent === 'Seen'", Vec::new())
            .await;
        bob.tab().press("H").await;
        alice
            .tab()
            .until(
                "document.querySelector('#typing').textContent.includes('bob-reads is typing')",
                Vec::new(),
            )
            .await;
        let link = "document.querySelector('.content a')?.href === 'https://example.org/a'";
        bob.tab().until(link, Vec::new()).await;
        let right_to_left =
            "getComputedStyle([...document.querySelectorAll('.content')].at(-1)).direction === 'rtl'";
        bob.tab().until(right_to_left, Vec::new()).await;
        bob.tab().until("document.querySelector('.day').textContent === 'Today'", Vec::new()).await;
    });
}

#[test]
fn older_messages_come_when_they_are_looked_for() {
    tell(async |browsers| {
        let app = App::builder().start().await;
        let url = format!("http://localhost:{}", app.port());
        let (alice, bob) = (app.user_called("alice-wrote-much"), app.user_called("bob-reads-back"));
        for number in 0..120 {
            alice.post_message(&bob, &format!("Message {number}")).await;
        }
        let page = Person::sign_in(browsers, &url, &bob.key).await;
        page.open_conversation(&alice.key).await;
        let text = "[...document.querySelectorAll('.content')].map((it) => it.textContent)";
        page.tab().until(&format!("{text}.at(-1) === 'Message 119'"), Vec::new()).await;
        let looking_back = "(() => {
            document.querySelector('#messages').scrollTop = 0;
            return document.querySelector('.content').textContent === 'Message 0';
        })()";
        page.tab().until(looking_back, Vec::new()).await;
        assert_eq!(page.tab().run(&format!("return new Set({text}).size"), Vec::new()).await, json!(120));

        // A new message does not tear the reader away from the old ones.
        alice.post_message(&bob, "The newest").await;
        page.tab().click("#new-messages").await;
        let at_end = "(() => {
            const { scrollHeight, scrollTop, clientHeight } = document.querySelector('#messages');
            return scrollHeight - scrollTop - clientHeight < 5;
        })()";
        page.tab().until(at_end, Vec::new()).await;
    });
}

#[test]
fn the_page_talks_to_the_server_that_its_address_names() {
    tell(async |browsers| {
        let gateway = TestGateway::shared(Single);
        let elsewhere = CuttableProxy::start(gateway.port());
        let (api, live) = (elsewhere.url(), elsewhere.url().replace("http", "ws"));
        let bob = Person::sign_in(browsers, &gateway.url(), "bob-is-here").await;
        bob.open_conversation("alice-is-elsewhere").await;
        let address =
            format!("{}/?user=alice-is-elsewhere&with=bob-is-here&api={api}&live={live}", gateway.url());
        let alice = browsers.open("alice-is-elsewhere").await;
        alice.goto(&address).await;
        alice.type_into("#draft", "Hello from elsewhere").await;
        alice.click("#composer button").await;
        bob.expect_messages(&["Hello from elsewhere"]).await;
        elsewhere.cut();
        alice.until("document.querySelector('#connection').dataset.state === 'waiting'", Vec::new()).await;
        bob.expect_online().await;
    });
}
