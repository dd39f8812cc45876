//! The page without a mouse: all of a chat and a call is done by keys, and the focus is never lost.

use serde_json::json;
use support::StoreKind::Single;
use support::TestGateway;

use crate::browser::{Browsers, Tab, tell};

const ENTER: &str = "\u{e007}";
/// Shift and Tab: to what comes before.
const BACK: &str = "\u{e008}\u{e004}";

/// More parts than the page has.
const MOST_STEPS: usize = 40;

/// Goes back to a part of the page, and presses it.
async fn press_at(tab: &Tab, selector: &str) {
    let is_there = "return document.activeElement.matches(arguments[0])";
    for _ in 0..MOST_STEPS {
        if tab.run(is_there, vec![json!(selector)]).await == json!(true) {
            return tab.press(ENTER).await;
        }
        tab.press(BACK).await;
    }
    panic!("{selector} is not reached by the keyboard");
}

async fn expect_focus(tab: &Tab, id: &str) {
    tab.until("document.activeElement.id === arguments[0]", vec![json!(id)]).await;
}

async fn expect_call(tab: &Tab, state: &str) {
    tab.until("document.querySelector('#stage').dataset.state === arguments[0]", vec![json!(state)]).await;
}

/// Signs in and opens the conversation with a peer.
async fn open(browsers: &Browsers, url: &str, user: &str, peer: &str) -> Tab {
    let tab = browsers.open(user).await;
    tab.goto(url).await;
    expect_focus(&tab, "name").await;
    tab.press(&format!("{user}{ENTER}")).await;
    expect_focus(&tab, "peer").await;
    tab.press(&format!("{peer}{ENTER}")).await;
    expect_focus(&tab, "draft").await;
    tab.until("document.querySelector('#connection').dataset.state === 'online'", Vec::new()).await;
    tab.watch_calls().await;
    tab
}

#[test]
fn a_chat_and_a_call_need_no_mouse() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let alice = open(browsers, &url, "alice-has-keys", "bob-has-keys").await;
        let bob = open(browsers, &url, "bob-has-keys", "alice-has-keys").await;
        alice.press(&format!("Hello{ENTER}")).await;
        bob.until("document.querySelector('.content')?.textContent === 'Hello'", Vec::new()).await;

        press_at(&alice, "#call").await;
        expect_call(&bob, "ringing").await;
        expect_focus(&bob, "draft").await;
        press_at(&bob, "#accept").await;
        expect_call(&alice, "active").await;
        alice.expect_live_video("#remote-video").await;
        press_at(&bob, "#hang-up").await;
        for tab in [&alice, &bob] {
            tab.until("!document.querySelector('#stage').checkVisibility()", Vec::new()).await;
        }
        // What had the focus is gone, so it is where the person goes on.
        expect_focus(&bob, "draft").await;
    });
}
