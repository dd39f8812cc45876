//! The platform that a project's cargo builds for: projects for Lambda often set another one than this machine, whose
//! programs cannot run here.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use super::workspace::cargo;

#[derive(Deserialize)]
struct Config {
    build: Option<Build>,
}

#[derive(Deserialize)]
struct Build {
    target: Option<toml::Value>,
}

/// The arguments that make cargo build for this machine, if something that it reads for a workspace says otherwise.
pub(super) async fn own(root: &Path) -> Vec<String> {
    if !is_set(root) {
        return Vec::new();
    }
    // Without its answer the project's own target stands, and what is built is checked before it runs.
    let mut command = Command::from(cargo(root));
    let output = command.arg("-vV").stdin(Stdio::null()).kill_on_drop(true).output().await;
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    match text.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => vec!["--target".to_owned(), host.trim().to_owned()],
        None => Vec::new(),
    }
}

fn is_set(root: &Path) -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let folders = root.ancestors().map(|folder| folder.join(".cargo")).chain(home);
    let mut files = folders.flat_map(|folder| ["config.toml", "config"].map(|name| folder.join(name)));
    std::env::var_os("CARGO_BUILD_TARGET").is_some() || files.any(|file| names_target(&file))
}

fn names_target(file: &Path) -> bool {
    let config = std::fs::read_to_string(file).ok().and_then(|text| toml::from_str::<Config>(&text).ok());
    config.and_then(|config| config.build?.target).is_some()
}
