//! Calls that ring in several places, or come again.

use support::StoreKind::Single;
use support::TestGateway;

use crate::browser::tell;
use crate::page::{Person, put_through, two_people};

#[test]
fn the_other_device_stops_ringing_when_one_answers_or_declines() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, phone] = two_people(browsers, &url, ["alice-calls-two", "bob-has-two"]).await;
        let laptop = Person::sign_in(browsers, &url, "bob-has-two").await;

        alice.call().await;
        phone.expect_ringing().await;
        laptop.expect_ringing().await;
        phone.decline().await;
        alice.expect_notice("bob-has-two declined the call").await;
        laptop.expect_silent().await;
        alice.expect_idle().await;

        alice.call().await;
        phone.expect_ringing().await;
        laptop.expect_ringing().await;
        phone.accept().await;
        laptop.expect_notice("answered on another device").await;
        laptop.expect_silent().await;
        alice.expect_live_call().await;
        phone.expect_live_call().await;
    });
}

#[test]
fn a_call_that_two_tabs_saw_is_kept_once() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-is-missed", "bob-has-tabs"]).await;
        let first = bob.tab().present().await;
        let second = bob.tab().open_beside().await;
        bob.tab().goto(&format!("{url}?user=bob-has-tabs&with=alice-is-missed")).await;
        bob.expect_online().await;

        alice.call().await;
        bob.expect_ringing().await;
        bob.tab().switch(&first).await;
        bob.expect_ringing().await;
        alice.hang_up().await;
        for tab in [&first, &second] {
            bob.tab().switch(tab).await;
            bob.expect_silent().await;
            bob.expect_traces(&["Missed call"]).await;
        }

        alice.call().await;
        bob.accept().await;
        alice.expect_active_call().await;
        alice.hang_up().await;
        for tab in [&first, &second] {
            bob.tab().switch(tab).await;
            bob.expect_traces(&["Missed call", "Call, "]).await;
        }
        bob.reload().await;
        bob.expect_traces(&["Missed call", "Call, "]).await;
    });
}

#[test]
fn the_one_who_declined_calls_back() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-is-refused", "bob-calls-back"]).await;
        alice.call().await;
        bob.expect_ringing().await;
        bob.decline().await;
        put_through(&bob, &alice).await;
    });
}

#[test]
fn a_caller_who_reloads_stops_the_ringing_and_can_call_again() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-reloads", "bob-is-rung"]).await;
        alice.call().await;
        bob.expect_ringing().await;
        alice.reload().await;
        bob.expect_notice("You missed a call from alice-reloads").await;
        bob.expect_trace("Missed call").await;
        bob.expect_idle().await;
        alice.tab().watch_calls().await;
        put_through(&alice, &bob).await;
    });
}

#[test]
fn a_call_is_answered_from_a_page_that_was_opened_while_it_rang() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let alice = Person::sign_in(browsers, &url, "alice-is-early").await;
        alice.open_conversation("bob-is-late").await;
        alice.call().await;
        alice.expect_told_of_absence("bob-is-late").await;
        let bob = Person::sign_in(browsers, &url, "bob-is-late").await;
        bob.expect_ringing().await;
        // A reload is another page: it rings there again.
        bob.reload().await;
        bob.expect_ringing().await;
        bob.accept().await;
        alice.expect_live_call().await;
        bob.expect_picture().await;
    });
}
