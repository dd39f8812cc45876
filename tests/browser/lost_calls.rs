//! Calls whose network or page is lost.

use std::time::{Duration, Instant};

use serde_json::json;
use support::StoreKind::Single;
use support::TestGateway;
use support::proxy::CuttableProxy;

use crate::browser::tell;
use crate::page::{Person, put_through, two_people};

#[test]
fn the_other_side_of_a_closed_tab_is_told_at_once() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-is-left", "bob-closes"]).await;
        alice.call().await;
        bob.expect_ringing().await;
        bob.accept().await;
        alice.expect_live_call().await;
        let closing = Instant::now();
        bob.close().await;
        alice.expect_notice("bob-closes ended the call").await;
        assert!(closing.elapsed() < Duration::from_secs(3), "{:?}", closing.elapsed());
        alice.expect_idle().await;
    });
}

#[test]
fn a_call_outlives_a_network_that_is_cut_for_ten_seconds() {
    tell(async |browsers| {
        let gateway = TestGateway::shared(Single);
        let network = CuttableProxy::start(gateway.port());
        let alice = Person::sign_in(browsers, &network.url(), "alice-is-cut").await;
        let bob = Person::sign_in(browsers, &gateway.url(), "bob-holds").await;
        alice.open_conversation("bob-holds").await;
        bob.open_conversation("alice-is-cut").await;
        put_through(&alice, &bob).await;
        let tracks =
            "return document.querySelector('#remote-video').srcObject.getTracks().map(({ id }) => id)";
        let before = alice.tab().run(tracks, Vec::new()).await;
        let seconds = "document.querySelector('#call-duration').textContent.split(':')
            .reduce((sum, part) => sum * 60 + Number(part), 0)";
        let cut_at = bob.tab().run(&format!("return {seconds}"), Vec::new()).await;

        network.cut();
        alice.expect_offline().await;
        bob.expect_call_status("Away").await;
        // The media went past the server, and goes on.
        bob.tab().until(&format!("{seconds} >= arguments[0] + 10"), vec![cut_at]).await;
        bob.expect_live_call().await;
        network.mend();
        alice.expect_online().await;
        bob.expect_no_call_status("Away").await;
        alice.expect_live_call().await;
        bob.expect_live_call().await;
        assert_eq!(alice.tab().run(tracks, Vec::new()).await, before, "the same media");
        let all = alice.tab().run("return window.watched.length", Vec::new()).await;
        assert_eq!(all, json!(1), "the same peer connection");

        // The server still knows the call: a hang-up reaches the other.
        alice.hang_up().await;
        bob.expect_notice("alice-is-cut ended the call").await;
        bob.expect_idle().await;
        alice.expect_idle().await;
    });
}

#[test]
fn a_hang_up_without_a_network_is_made_good() {
    tell(async |browsers| {
        let gateway = TestGateway::shared(Single);
        let network = CuttableProxy::start(gateway.port());
        let alice = Person::sign_in(browsers, &network.url(), "alice-is-offline").await;
        let bob = Person::sign_in(browsers, &gateway.url(), "bob-rings-on").await;
        alice.open_conversation("bob-rings-on").await;
        alice.call().await;
        bob.expect_ringing().await;
        network.cut();
        alice.expect_offline().await;
        alice.hang_up().await;
        network.mend();
        bob.expect_silent().await;
        bob.expect_notice("You missed a call from alice-is-offline").await;
    });
}
