//! A call over a TURN server alone.

use std::process::{Child, Command, Stdio};

use support::{App, skip, wait_until};

use crate::browser::tell;
use crate::page::two_people;

const SECRET: &str = "a secret that both know";

/// coturn, until it is dropped.
struct Turn {
    process: Child,
    port: u16,
}

impl Turn {
    async fn start() -> Option<Self> {
        if Command::new("turnserver").arg("-h").output().is_err() {
            skip("coturn is not installed");
            return None;
        }
        let listener = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a port").port();
        drop(listener);
        let process = Command::new("turnserver")
            .args(["-n", "--use-auth-secret", "--realm=test", "--no-cli", "--no-tls", "--no-dtls"])
            .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers"])
            .args(["--log-file=stdout", "--pidfile="])
            .arg(format!("--static-auth-secret={SECRET}"))
            .arg(format!("--listening-port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        wait_until("the TURN server", async || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
            .await;
        Some(Self { process, port })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_call_over_the_relay_alone_has_video() {
    tell(async |browsers| {
        let Some(turn) = Turn::start().await else { return };
        let gateway = App::builder()
            .environment("TURN_URLS", &format!("turn:127.0.0.1:{}", turn.port))
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
        alice.call().await;
        bob.expect_ringing().await;
        bob.accept().await;
        alice.expect_live_call().await;
        bob.expect_live_call().await;
        let relayed = "await (async () => {
            const stats = await window.watched.at(-1).getStats();
            const pairs = [...stats.values()].filter((it) => it.type === 'candidate-pair' && it.nominated);
            return pairs.length > 0
              && pairs.every((pair) => stats.get(pair.localCandidateId).candidateType === 'relay');
        })()";
        alice.tab().until(relayed, Vec::new()).await;
    });
}
