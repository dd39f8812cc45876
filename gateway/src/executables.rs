//! Building the functions: one `cargo build`, then an executable for every function of the template.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::project::Project;

/// Why there are no executables, in a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(String);

/// Builds the workspace in `folder` and says which executable each function is.
pub async fn build(project: &Project, folder: &Path) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    for function in project.functions.values() {
        if !function.code_uri.join("Cargo.toml").is_file() {
            return Err(BuildError(format!(
                "{}: there is no Rust package in its CodeUri {}: correct the template, or make one there with `cargo init`",
                function.name,
                function.code_uri.display()
            )));
        }
    }
    let (status, artifacts) = run(build_command(folder), project).await.map_err(|error| {
        BuildError(format!("cargo cannot be run ({error}): install Rust with rustup, then start again"))
    })?;
    if status.code().is_none() {
        return Err(BuildError(format!(
            "cargo was ended before the functions were built ({status}): start again"
        )));
    }
    if !status.success() {
        return Err(BuildError(
            "The functions do not compile: correct what cargo says above, then start again".to_owned(),
        ));
    }
    assign(project, &artifacts)
}

/// Executables, each with its target's name, by package folder.
type Artifacts = BTreeMap<PathBuf, Vec<(String, PathBuf)>>;

/// Runs cargo and says which functions are done while it works: where no terminal shows its progress bar, the
/// last crates of a build, which take longest, would pass in silence.
async fn run(mut cargo: Command, project: &Project) -> std::io::Result<(ExitStatus, Artifacts)> {
    let mut child = cargo.spawn()?;
    let mut artifacts = Artifacts::new();
    let folders: BTreeSet<PathBuf> =
        project.functions.values().map(|function| real(&function.code_uri)).collect();
    let (mut announced, mut done) = (false, 0);
    if let Some(stdout) = child.stdout.take() {
        let mut messages = BufReader::new(stdout).split(b'\n');
        while let Some(message) = messages.next_segment().await? {
            let Some(artifact) = read_artifact(&message) else { continue };
            if !artifact.fresh && !announced {
                announced = true;
                let functions = folders.len();
                tracing::info!("Building {functions} functions; the first time takes a minute or more …");
            }
            let Some(built) = artifact.into_binary() else { continue };
            if folders.contains(&built.folder) {
                done += 1;
                if !built.fresh {
                    tracing::info!("Built {} ({done} of {})", built.name, folders.len());
                }
            }
            artifacts.entry(built.folder).or_default().push((built.name, built.executable));
        }
    }
    Ok((child.wait().await?, artifacts))
}

/// A cargo that works in `folder` as if a shell had started it: what `cargo run` tells about our own package makes
/// build scripts that watch it run again.
pub fn cargo(folder: &Path) -> std::process::Command {
    #[expect(clippy::disallowed_methods, reason = "cargo names itself to what it runs")]
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = std::process::Command::new(program);
    for (name, _) in std::env::vars_os() {
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if name.to_str().is_some_and(|name| ours.iter().any(|start| name.starts_with(start))) {
            command.env_remove(name);
        }
    }
    command.current_dir(folder);
    command
}

fn build_command(folder: &Path) -> Command {
    let mut command = Command::from(cargo(folder));
    // The whole workspace, so that features unify as in `cargo build --workspace` and nothing is built twice.
    command.args(["build", "--workspace", "--bins", "--message-format=json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    command
}

#[derive(Debug, Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    target: Target,
    executable: Option<PathBuf>,
    /// It had been built before.
    #[serde(default)]
    fresh: bool,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

struct Built {
    folder: PathBuf,
    name: String,
    executable: PathBuf,
    /// It had been built before.
    fresh: bool,
}

/// The artifact that one of cargo's messages tells of, if it does; other messages lack its fields.
fn read_artifact(message: &[u8]) -> Option<Artifact> {
    serde_json::from_slice(message).ok()
}

impl Artifact {
    fn into_binary(self) -> Option<Built> {
        let folder = real(self.manifest_path.parent()?);
        let is_binary = self.target.kind.iter().any(|kind| kind == "bin");
        let (name, executable, fresh) = (self.target.name, self.executable?, self.fresh);
        is_binary.then_some(Built { folder, name, executable, fresh })
    }
}

fn assign(project: &Project, artifacts: &Artifacts) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let mut executables = BTreeMap::new();
    for function in project.functions.values() {
        let folder = real(&function.code_uri);
        let built = artifacts.get(&folder).map(Vec::as_slice).unwrap_or_default();
        let named = |name: &str| built.iter().find(|(own, _)| own == name);
        let package = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let chosen = match built {
            [] => None,
            [only] => Some(only),
            _ => named(&package).or_else(|| named(&function.handler)),
        };
        let Some((_, executable)) = chosen else {
            let why = match built {
                [] => {
                    "builds no executable in this workspace: add it to the members and give it a src/main.rs"
                        .to_owned()
                }
                _ => format!("builds several executables: call one of them {package}"),
            };
            return Err(BuildError(format!("{}: its package {} {why}", function.name, folder.display())));
        };
        executables.insert(function.name.clone(), executable.clone());
    }
    Ok(executables)
}

/// Cargo reports real paths; a template may go through links.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Function;
    use std::time::Duration;

    fn project(folders: &[(&str, &Path)]) -> Project {
        let function = |&(name, code_uri): &(&str, &Path)| {
            let function = Function {
                name: name.to_owned(),
                code_uri: code_uri.to_owned(),
                handler: "bootstrap".to_owned(),
                environment: BTreeMap::new(),
                timeout: Duration::from_secs(3),
                memory_mb: 128,
            };
            (name.to_owned(), function)
        };
        Project { functions: folders.iter().map(function).collect(), ..Project::default() }
    }

    fn artifact(folder: &str, name: &str) -> String {
        serde_json::json!({
            "reason": "compiler-artifact", "manifest_path": format!("{folder}/Cargo.toml"),
            "target": {"kind": ["bin"], "name": name}, "executable": format!("/target/debug/{name}"),
        })
        .to_string()
    }

    #[test]
    fn executables_are_found_by_the_package_folder() {
        let messages = [
            "{\"reason\":\"build-finished\",\"success\":true}".to_owned(),
            artifact("/nowhere/a", "a"),
            artifact("/nowhere/b", "tool"),
            artifact("/nowhere/b", "b"),
            "not json".to_owned(),
        ];
        let mut artifacts = Artifacts::new();
        for built in messages.iter().filter_map(|message| read_artifact(message.as_bytes())?.into_binary()) {
            artifacts.entry(built.folder).or_default().push((built.name, built.executable));
        }
        let found =
            assign(&project(&[("A", Path::new("/nowhere/a")), ("B", Path::new("/nowhere/b"))]), &artifacts);
        let found = found.expect("both");
        assert_eq!(found["A"], Path::new("/target/debug/a"));
        assert_eq!(found["B"], Path::new("/target/debug/b"));
        let error =
            assign(&project(&[("C", Path::new("/nowhere/c"))]), &artifacts).expect_err("none").to_string();
        assert!(error.starts_with("C: its package /nowhere/c builds no executable"), "{error}");
    }

    #[tokio::test]
    async fn a_folder_without_a_package_is_named() {
        let error =
            build(&project(&[("A", Path::new("/nowhere/a"))]), Path::new("/")).await.expect_err("none");
        assert!(
            error.to_string().starts_with("A: there is no Rust package in its CodeUri /nowhere/a"),
            "{error}"
        );
    }
}
