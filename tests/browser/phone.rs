//! The page on a phone, upright and on its side.

use support::StoreKind::Single;
use support::TestGateway;

use crate::browser::tell;
use crate::page::two_people;

/// Whether all of what a selector finds lies within the window and can be clicked.
const IS_REACHABLE: &str = "(() => {
    const box = document.querySelector(arguments[0]).getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    return box.width > 0 && box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight
      && document.elementFromPoint(x, y)?.closest(arguments[0]) !== null;
})()";

/// The end of a list is in view, of which more is there than fits.
const IS_AT_END: &str = "(() => {
    const { scrollHeight, scrollTop, clientHeight } = document.querySelector(arguments[0]);
    return scrollHeight > clientHeight && scrollHeight - scrollTop - clientHeight < 5;
})()";

/// No button of a call lies over the words that say whose it is.
const IS_LEGIBLE: &str = "(() => {
    const words = document.querySelector('#stage .caption').getBoundingClientRect();
    const buttons = [...document.querySelectorAll('#stage .controls button')].filter((it) => it.checkVisibility());
    return buttons.length > 0 && buttons.every((it) => it.getBoundingClientRect().top >= words.bottom);
})()";

#[test]
fn a_call_and_its_conversation_fit_a_phone_held_either_way() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-is-mobile", "bob-is-mobile"]).await;
        let tab = alice.tab();
        alice.send("Call me").await;
        bob.expect_messages(&["Call me"]).await;
        bob.call().await;
        alice.expect_ringing().await;
        for (width, height) in [(390, 844), (844, 390)] {
            tab.resize(width, height).await;
            for part in ["#accept", "#accept-audio", "#decline", "#draft"] {
                tab.until(IS_REACHABLE, vec![part.into()]).await;
            }
        }
        for width in [320, 390, 430] {
            tab.resize(width, 844).await;
            tab.click("#back").await;
            for part in ["#accept", "#accept-audio", "#decline", "#to-call"] {
                tab.until(IS_REACHABLE, vec![part.into()]).await;
            }
            tab.until(IS_LEGIBLE, Vec::new()).await;
            tab.click("#to-call").await;
        }
        alice.accept().await;
        alice.expect_live_call().await;
        for (width, height) in [(390, 844), (844, 390)] {
            tab.resize(width, height).await;
            for part in ["#hang-up", "#mute", "#camera-off", "#draft", "#composer button", "#back"] {
                tab.until(IS_REACHABLE, vec![part.into()]).await;
            }
            // The list of conversations, with the call above it and a way back.
            tab.click("#back").await;
            for part in ["#peer", "#people a", "#hang-up", "#to-call"] {
                tab.until(IS_REACHABLE, vec![part.into()]).await;
            }
            tab.click("#to-call").await;
            tab.until("document.querySelector('#conversation').checkVisibility()", Vec::new()).await;
        }
        // The log of frames starts hidden, covers nothing, and follows what comes.
        tab.until("document.querySelector('#trace').hidden", Vec::new()).await;
        for (number, (width, height)) in
            [(390, 844), (844, 390), (800, 900), (1280, 800)].into_iter().enumerate()
        {
            tab.resize(width, height).await;
            tab.click("#menu summary").await;
            tab.click("#toggle-trace").await;
            for part in ["#hang-up", "#mute", "#draft", "#close-trace"] {
                tab.until(IS_REACHABLE, vec![part.into()]).await;
            }
            tab.until(IS_AT_END, vec!["#trace-entries".into()]).await;
            let frames =
                tab.run("return document.querySelector('#trace-entries').textContent", Vec::new()).await;
            bob.send("More than fits").await;
            bob.send(&format!("Frame {number}")).await;
            let newer = "document.querySelector('#trace-entries').textContent !== arguments[0]";
            tab.until(newer, vec![frames]).await;
            tab.until(IS_AT_END, vec!["#messages".into()]).await;
            tab.until(IS_AT_END, vec!["#trace-entries".into()]).await;
            tab.click("#close-trace").await;
            tab.until("document.querySelector('#trace').hidden", Vec::new()).await;
        }
        let folded = "(() => {
            const lines = [...document.querySelectorAll('#trace-entries > li')].map((it) =>
              it.querySelector('.kind').textContent.startsWith('candidate') && it.dataset.way);
            return lines.some(Boolean) && lines.every((way, index) => !way || way !== lines[index + 1]);
        })()";
        tab.until(folded, Vec::new()).await;
        alice.hang_up().await;
        bob.expect_notice("alice-is-mobile ended the call").await;
        // A notice covers nothing.
        for part in ["#call", "#draft", "#menu summary"] {
            bob.tab().until(IS_REACHABLE, vec![part.into()]).await;
        }
    });
}
