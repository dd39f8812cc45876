//! A call over a TURN server alone.

use support::App;
use support::turn::{SECRET, Turn};

use crate::browser::tell;
use crate::page::{put_through, two_people};

#[test]
fn a_call_over_the_relay_alone_has_video() {
    tell(async |browsers| {
        let Some(turn) = Turn::start().await else { return };
        let gateway = App::builder()
            .environment("TURN_URLS", &format!("turn:127.0.0.1:{}", turn.port()))
            .environment("TURN_SECRET", SECRET)
            .start_gateway();
        let [alice, bob] = two_people(browsers, &gateway.url(), ["alice-is-relayed", "bob-is-relayed"]).await;
        let relay_only = "
            const Watched = window.RTCPeerConnection;
            window.RTCPeerConnection = class extends Watched {
              constructor(settings) { super({ ...settings, iceTransportPolicy: 'relay' }); }
            };";
        for person in [&alice, &bob] {
            person.tab().run(relay_only, Vec::new()).await;
        }
        put_through(&alice, &bob).await;
        let relayed = "await (async () => {
            const stats = await window.watched.at(-1).getStats();
            const pairs = [...stats.values()].filter((it) => it.type === 'candidate-pair' && it.nominated);
            return pairs.length > 0
              && pairs.every((pair) => stats.get(pair.localCandidateId).candidateType === 'relay');
        })()";
        alice.tab().until(relayed, Vec::new()).await;
    });
}
