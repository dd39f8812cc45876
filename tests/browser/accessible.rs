//! The page under axe-core, which finds what keeps people from using it.

use serde_json::{Value, json};
use support::StoreKind::Single;
use support::{TestGateway, root, skip};

use crate::browser::{Tab, tell};
use crate::page::two_people;

/// Where `npm ci` in `client/` puts it.
const AXE: &str = "client/node_modules/axe-core/axe.min.js";

/// In both color schemes the page has no violation.
async fn expect_accessible(tab: &Tab, axe: &str, what: &str) {
    tab.run(axe, Vec::new()).await;
    for scheme in ["light", "dark"] {
        tab.run("document.documentElement.style.colorScheme = arguments[0]", vec![json!(scheme)]).await;
        let find = "(async () => {
            const { violations } = await axe.run();
            window.violations = violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]);
            return true;
        })()";
        tab.until(&format!("await {find}"), Vec::new()).await;
        let found = tab.run("return window.violations", Vec::new()).await;
        assert_eq!(found, Value::Array(Vec::new()), "{what}, {scheme}");
    }
}

#[test]
fn no_state_of_the_page_has_a_violation() {
    tell(async |browsers| {
        let Ok(axe) = std::fs::read_to_string(root().join(AXE)) else {
            return skip("axe-core is not installed (npm ci in client/)");
        };
        let url = TestGateway::shared(Single).url();
        let front = browsers.open("accessible").await;
        front.goto(&url).await;
        front.until("document.querySelector('#sign-in-hint').textContent !== ''", Vec::new()).await;
        expect_accessible(&front, &axe, "signing in").await;

        let [alice, bob] = two_people(browsers, &url, ["alice-is-accessible", "bob-is-accessible"]).await;
        expect_accessible(alice.tab(), &axe, "an empty conversation").await;
        alice.send("Hello, see https://example.org").await;
        bob.send("Hello yourself").await;
        alice.expect_messages(&["Hello, see https://example.org", "Hello yourself"]).await;
        alice.tab().click("#menu summary").await;
        expect_accessible(alice.tab(), &axe, "a conversation, the menu open").await;
        alice.tab().click("#toggle-trace").await;
        expect_accessible(alice.tab(), &axe, "the frames").await;
        alice.call().await;
        bob.expect_ringing().await;
        expect_accessible(alice.tab(), &axe, "calling").await;
        expect_accessible(bob.tab(), &axe, "ringing").await;
        bob.accept().await;
        alice.expect_live_call().await;
        expect_accessible(alice.tab(), &axe, "a call").await;
        bob.hang_up().await;
        alice.expect_notice("ended the call").await;
        expect_accessible(alice.tab(), &axe, "a notice").await;
    });
}
