//! A real TURN server judges the credentials of `GET /ice-servers`.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use support::{App, Clock, skip, wait_until};

const SECRET: &str = "a secret that both know";

/// coturn, until it is dropped.
struct Turn {
    process: Child,
    port: u16,
}

impl Turn {
    /// `None`, and why, where it is not installed.
    async fn start() -> Option<Self> {
        let tools = ["turnserver", "turnutils_uclient"];
        if tools.iter().any(|tool| Command::new(tool).arg("-h").output().is_err()) {
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

    /// Allocates a relay, and sends through it.
    async fn allocate(&self, username: &str, credential: &str) -> ExitStatus {
        let mut client = Command::new("turnutils_uclient");
        client.args(["-y", "-c", "-n", "1", "-m", "1", "-u", username, "-w", credential]);
        client.args(["-p", &self.port.to_string(), "127.0.0.1"]);
        let asking = tokio::task::spawn_blocking(move || client.output());
        asking.await.expect("no panic").expect("it starts").status
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn credentials(app: &App) -> (String, String) {
    let servers = app.get("/ice-servers?user=alice").await.json();
    let server = &servers["iceServers"][0];
    let text = |name: &str| server[name].as_str().expect("a text").to_owned();
    (text("username"), text("credential"))
}

#[tokio::test]
async fn a_turn_server_takes_fresh_credentials_alone() {
    let Some(turn) = Turn::start().await else { return };
    let Some(clock) = Clock::start() else { return };
    let app = App::builder()
        .environment("TURN_URLS", "turn:localhost")
        .environment("TURN_SECRET", SECRET)
        .clock(&clock)
        .start()
        .await;
    let (username, credential) = credentials(&app).await;
    assert!(turn.allocate(&username, &credential).await.success());
    assert!(!turn.allocate(&username, &credential.replace('=', "A")).await.success(), "altered");
    let later = username.replacen(|digit: char| digit.is_ascii_digit(), "9", 1);
    assert!(!turn.allocate(&later, &credential).await.success(), "prolonged");
    clock.shift(-i64::try_from(Duration::from_secs(43_200 + 60).as_secs()).expect("a time"));
    let (username, credential) = credentials(&app).await;
    assert!(!turn.allocate(&username, &credential).await.success(), "expired");
}
