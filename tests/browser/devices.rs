//! What a call sends: other devices, the screen; and the whole screen for what it shows.

use serde_json::json;
use support::StoreKind::Single;
use support::TestGateway;

use crate::browser::tell;
use crate::page::{Person, put_through, two_people};

/// Chooses a device in the dialog of the menu, by its place in the list; 0 is the browser's choice.
async fn choose(person: &Person, kind: &str, place: usize) {
    let tab = person.tab();
    tab.click("#menu summary").await;
    tab.click("#open-devices").await;
    let list = format!("#device-{kind}");
    tab.until("document.querySelector(arguments[0]).length > 2", vec![json!(list)]).await;
    tab.select(&list, place).await;
    tab.click("#devices .primary").await;
}

/// What is sent comes from the device of this name.
async fn expect_sent(person: &Person, kind: &str, name: &str) {
    let sent = "(() => {
        const senders = window.watched.at(-1).getSenders();
        const track = senders.find((it) => it.track?.kind === arguments[0])?.track;
        return track?.readyState === 'live' && track.label === arguments[1];
    })()";
    person.tab().until(sent, vec![json!(kind), json!(name)]).await;
}

#[test]
fn a_call_goes_on_over_other_devices_a_shared_screen_and_the_full_screen() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-watches", "bob-changes"]).await;
        put_through(&alice, &bob).await;

        choose(&bob, "video", 3).await;
        expect_sent(&bob, "video", "fake_device_2").await;
        choose(&bob, "audio", 2).await;
        expect_sent(&bob, "audio", "Fake Audio Input 2").await;
        alice.expect_live_call().await;
        choose(&bob, "video", 0).await;
        expect_sent(&bob, "video", "fake_device_0").await;
        choose(&bob, "video", 3).await;
        expect_sent(&bob, "video", "fake_device_2").await;

        bob.tab().click("#share-screen").await;
        alice.expect_call_status("Shares a screen").await;
        let screen = "window.watched.at(-1).getSenders()
            .some(({ track }) => track?.getSettings().displaySurface === 'monitor')";
        bob.tab().until(screen, Vec::new()).await;
        alice.expect_live_call().await;
        bob.tab().until("document.querySelector('#share-screen').title === 'Stop sharing'", Vec::new()).await;
        bob.tab().click("#share-screen").await;
        expect_sent(&bob, "video", "fake_device_2").await;
        alice.expect_no_call_status("Shares a screen").await;
        alice.expect_live_call().await;

        // The browser's own bar, which no test can click, ends the track.
        bob.tab().click("#share-screen").await;
        alice.expect_call_status("Shares a screen").await;
        let stop = "const tracks = window.watched.at(-1).getSenders().map(({ track }) => track);
            const screen = tracks.find((track) => track?.getSettings().displaySurface);
            screen.stop();
            screen.dispatchEvent(new Event('ended'));";
        bob.tab().run(stop, Vec::new()).await;
        expect_sent(&bob, "video", "fake_device_2").await;
        alice.expect_no_call_status("Shares a screen").await;
        bob.tab().until("document.querySelector('#share-screen').title === 'Share screen'", Vec::new()).await;
        alice.expect_live_call().await;

        bob.tab().click("#full-screen").await;
        bob.tab().until("document.fullscreenElement?.id === 'stage'", Vec::new()).await;
        bob.tab()
            .until("document.querySelector('#full-screen').title === 'Leave full screen'", Vec::new())
            .await;
        bob.tab().click("#full-screen").await;
        bob.tab().until("document.fullscreenElement === null", Vec::new()).await;
        bob.tab().click("#full-screen").await;
        bob.tab().until("document.fullscreenElement?.id === 'stage'", Vec::new()).await;
        alice.hang_up().await;
        bob.tab().until("document.fullscreenElement === null", Vec::new()).await;
        bob.expect_idle().await;
    });
}

#[test]
fn a_voice_call_opens_no_camera_until_it_is_asked_to() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-speaks", "bob-listens"]).await;
        alice.tab().click("#call-audio").await;
        bob.expect_ringing().await;
        bob.tab().click("#accept-audio").await;
        alice.expect_active_call().await;
        bob.expect_active_call().await;
        // To choose a camera is not to turn it on.
        choose(&alice, "video", 3).await;
        choose(&alice, "audio", 2).await;
        expect_sent(&alice, "audio", "Fake Audio Input 2").await;
        for person in [&alice, &bob] {
            person.expect_button("#camera-off", "Camera on").await;
            let cameras = "return document.querySelector('#local-video').srcObject.getVideoTracks().length";
            assert_eq!(person.tab().run(cameras, Vec::new()).await, json!(0));
        }
        alice.tab().click("#camera-off").await;
        expect_sent(&alice, "video", "fake_device_2").await;
        bob.tab().until("document.querySelector('#remote-video').videoWidth > 0", Vec::new()).await;
    });
}
