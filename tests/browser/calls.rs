//! Two people call each other on the demo page, with real media.

use support::StoreKind::Single;
use support::{App, TestGateway};

use crate::browser::tell;
use crate::page::{Person, put_through, two_people};

#[test]
fn a_call_shows_each_the_other_until_one_hangs_up() {
    tell(async |browsers| {
        let [alice, bob] =
            two_people(browsers, &TestGateway::shared(Single).url(), ["alice-calls", "bob-is-called"]).await;
        put_through(&alice, &bob).await;

        bob.turn_camera_off().await;
        alice.expect_black_picture().await;

        alice.hang_up().await;
        alice.expect_idle().await;
        bob.expect_idle().await;
        bob.expect_notice("alice-calls ended the call").await;

        // The other way round, and at once: nothing of the first call is in the way.
        put_through(&bob, &alice).await;
        alice.hang_up().await;
        bob.expect_idle().await;
        alice.expect_idle().await;
    });
}

#[test]
fn a_declined_call_ends_for_both() {
    tell(async |browsers| {
        let [alice, bob] =
            two_people(browsers, &TestGateway::shared(Single).url(), ["alice-asks", "bob-declines"]).await;
        alice.call().await;
        bob.expect_ringing().await;
        bob.decline().await;
        alice.expect_notice("bob-declines declined the call").await;
        alice.expect_idle().await;
        bob.expect_idle().await;
    });
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing() {
    tell(async |browsers| {
        let [alice, bob] =
            two_people(browsers, &TestGateway::shared(Single).url(), ["alice-gives-up", "bob-is-slow"]).await;
        alice.call().await;
        bob.expect_ringing().await;
        alice.hang_up().await;
        bob.expect_notice("You missed a call from alice-gives-up").await;
        bob.expect_idle().await;
        alice.expect_idle().await;
    });
}

#[test]
fn a_caller_of_an_absent_user_is_told() {
    tell(async |browsers| {
        let alice = Person::sign_in(browsers, &TestGateway::shared(Single).url(), "alice-waits").await;
        alice.open_conversation("nobody-at-all").await;
        alice.call().await;
        alice.expect_told_of_absence("nobody-at-all").await;
    });
}

#[test]
fn two_who_call_each_other_at_once_meet_in_one_call() {
    tell(async |browsers| {
        // Each has called before either is told of the other's call.
        let slow = App::builder().faults(&["frames:offer:delay=3s"]).start_gateway();
        for [first, second] in [["alice-meets", "bob-meets"], ["bob-meets-too", "alice-meets-too"]] {
            let [one, other] = two_people(browsers, &slow.url(), [first, second]).await;
            one.call().await;
            other.call().await;
            one.expect_live_call().await;
            other.expect_live_call().await;
            one.hang_up().await;
            one.expect_idle().await;
            other.expect_idle().await;
        }
    });
}

#[test]
fn a_closed_page_ends_its_call() {
    tell(async |browsers| {
        let [alice, bob] =
            two_people(browsers, &TestGateway::shared(Single).url(), ["alice-stays", "bob-leaves"]).await;
        alice.call().await;
        bob.expect_ringing().await;
        bob.accept().await;
        alice.expect_live_call().await;
        bob.reload().await;
        alice.expect_idle().await;
    });
}
