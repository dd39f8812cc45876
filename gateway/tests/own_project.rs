//! The project that docs/gateway.md shows to newcomers, built from the very page, starts and answers.

use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use gateway::server::{Gateway, Options};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{project_folder, within};

const PAGE: &str = include_str!("../../docs/gateway.md");

/// As the page asks for them, the features that need nothing beyond what the echo project has.
const PACKAGE: &str = "
[package]
name = \"NAME\"
version = \"0.1.0\"
edition = \"2024\"
[dependencies]
lambda_runtime = { version = \"1.5\", default-features = false }
serde_json = \"1\"
tokio = { version = \"1\", default-features = false, features = [\"macros\", \"rt-multi-thread\"] }
";

/// The code block of the page that starts with this line, which is the first line of what is returned.
fn block(first_line: &str) -> String {
    let mut lines = PAGE.lines().skip_while(|line| *line != first_line).peekable();
    assert!(lines.peek().is_some(), "the page has no block that starts with {first_line}");
    lines.take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect()
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn the_project_of_the_documentation_answers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let web = block("// web/src/main.rs");
    let (with_main, _) = web.split_once("async fn answer").expect("the block has an answer");
    let socket = with_main.to_owned() + &block("// socket/src/main.rs; `main` is the same");
    for (name, source) in [("web", web.as_str()), ("socket", socket.as_str())] {
        write(folder, &format!("{name}/Cargo.toml"), &PACKAGE.replace("NAME", name));
        write(folder, &format!("{name}/src/main.rs"), source);
    }
    write(folder, "template.yaml", &block("AWSTemplateFormatVersion: '2010-09-09'"));
    write(
        folder,
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"web\", \"socket\"]\n[profile.dev]\ndebug = false\n",
    );
    // What the echo project has built of the dependencies is not built again.
    let target = format!("[build]\ntarget-dir = {:?}\n", project_folder().join("target"));
    write(folder, ".cargo/config.toml", &target);
    std::fs::copy(project_folder().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();

    let options = Options { template: folder.join("template.yaml"), ..Options::default() };
    let gateway = Gateway::start(options).await.unwrap();
    assert_eq!(crate::layouts::get(&gateway, "/any/path").await, "You asked for \"/any/path\"");
    let stream = TcpStream::connect(("127.0.0.1", gateway.port())).await.unwrap();
    let url = format!("ws://localhost:{}/live", gateway.port());
    let (mut socket, _) = within("the upgrade", tokio_tungstenite::client_async(url, stream)).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    let answer = within("an answer", socket.next()).await.unwrap().unwrap();
    let answer = answer.to_text().unwrap();
    assert!(answer.starts_with('"') && answer.ends_with("\" said \"hello\""), "{answer}");
    gateway.stop().await;
}
