//! How a call is heard, and seen by a person who looks at something else.

use support::StoreKind::Single;
use support::TestGateway;

use crate::browser::{Tab, tell};
use crate::page::two_people;

/// Listens to what the page plays, and notes which notifications it shows. To be called before a call.
async fn listen(tab: &Tab) {
    let script = "
        const connect = AudioNode.prototype.connect;
        AudioNode.prototype.connect = function (to, ...rest) {
          if (to === this.context.destination) {
            window.heard ??= this.context.createAnalyser();
            connect.call(this, window.heard);
          }
          return connect.call(this, to, ...rest);
        };
        window.loudness = () => {
          const samples = new Float32Array(2048);
          window.heard?.getFloatTimeDomainData(samples);
          return Math.max(...samples);
        };
        const Native = window.Notification;
        window.notified = [];
        window.Notification = class extends Native {
          constructor(text, options) {
            super(text, options);
            const note = { text, shown: false, closed: false };
            window.notified.push(note);
            this.addEventListener('show', () => (note.shown = true));
            this.addEventListener('close', () => (note.closed = true));
          }
        };";
    tab.run(script, Vec::new()).await;
}

async fn expect_tone(tab: &Tab) {
    tab.until("window.loudness() > 0.01", Vec::new()).await;
}

/// Nothing was heard for longer than a tone pauses.
async fn expect_silence(tab: &Tab) {
    let quiet = "(() => {
        const now = window.heard.context.currentTime;
        if (window.loudness() > 0.001) window.quietSince = now;
        window.quietSince ??= now;
        return now - window.quietSince > 3;
    })()";
    tab.run("window.quietSince = undefined", Vec::new()).await;
    tab.until(quiet, Vec::new()).await;
}

#[test]
fn a_call_is_heard_by_both_and_notified_where_the_page_is_out_of_sight() {
    tell(async |browsers| {
        let url = TestGateway::shared(Single).url();
        let [alice, bob] = two_people(browsers, &url, ["alice-is-loud", "bob-looks-away"]).await;
        for person in [&alice, &bob] {
            listen(person.tab()).await;
        }
        bob.tab().click("#menu summary").await;
        bob.tab().until("document.querySelector('#allow-notifications').checkVisibility()", Vec::new()).await;
        bob.tab().allow_notifications().await;
        bob.tab().click("#allow-notifications").await;
        bob.tab().until("document.querySelector('#allow-notifications').hidden", Vec::new()).await;

        alice.call().await;
        for person in [&alice, &bob] {
            expect_tone(person.tab()).await;
        }
        alice.hang_up().await;
        bob.expect_idle().await;
        expect_silence(bob.tab()).await;
        // The person saw it ring.
        bob.tab().until("window.notified.length === 0", Vec::new()).await;

        bob.tab().minimize().await;
        bob.tab().until("document.visibilityState === 'hidden'", Vec::new()).await;
        alice.call().await;
        let shown = "window.notified.length === 1 && window.notified[0].shown
            && window.notified[0].text === 'alice-is-loud is calling you' && !window.notified[0].closed";
        bob.tab().until(shown, Vec::new()).await;
        bob.tab().until("document.title.startsWith('alice-is-loud is calling')", Vec::new()).await;
        alice.hang_up().await;
        bob.tab().until("window.notified[0].closed", Vec::new()).await;
        bob.expect_trace("Missed call").await;
    });
}
