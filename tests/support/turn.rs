//! A real TURN server.

use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::{skip, wait_until};

/// The secret by which it knows good credentials.
pub const SECRET: &str = "a secret that both know";

/// coturn with [`SECRET`], until it is dropped.
#[derive(Debug)]
pub struct Turn {
    process: Child,
    port: u16,
}

impl Turn {
    /// `None`, and why, where it is not installed.
    pub async fn start() -> Option<Self> {
        let tools = ["turnserver", "turnutils_uclient"];
        if tools.iter().any(|tool| Command::new(tool).arg("-h").output().is_err()) {
            skip("coturn is not installed");
            return None;
        }
        let listener = UdpSocket::bind("127.0.0.1:0").expect("a free port");
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
        wait_until("the TURN server", async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        Some(Self { process, port })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Allocates a relay, and sends through it.
    pub async fn allocate(&self, username: &str, credential: &str) -> ExitStatus {
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
