//! One run of cargo: its command, what it says while it works, and the executables that come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::error::BuildError;
use super::target;
use super::workspace::{Binary, Target, Workspace, cargo, not_runnable, real};

/// One `cargo build`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The workspace, by its place among those of the project.
    pub(super) workspace: usize,
    arguments: Vec<String>,
    /// What it makes is put where no other package's binary of that name can be.
    set_apart: bool,
}

impl Step {
    pub(super) fn new(workspace: usize, arguments: &[&str], set_apart: bool) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { workspace, arguments, set_apart }
    }
}

/// Says which functions are done while cargo works: where no terminal shows its progress bar, the last crates of a
/// build, which take longest, would pass in silence.
#[derive(Debug)]
pub(super) struct Progress {
    all: usize,
    done: usize,
    announced: bool,
}

impl Progress {
    pub(super) fn new(all: usize) -> Self {
        Self { all, done: 0, announced: false }
    }

    fn works(&mut self) {
        if !self.announced {
            self.announced = true;
            let functions =
                if self.all == 1 { "a function".to_owned() } else { format!("{} functions", self.all) };
            tracing::info!("Building {functions}; the first time takes a minute or more …");
        }
    }

    fn built(&mut self, name: &str, fresh: bool) {
        self.done += 1;
        if !fresh {
            tracing::info!("Built {name} ({} of {})", self.done, self.all);
        }
    }
}

/// Executables by workspace and binary.
pub(super) type Built = BTreeMap<(usize, Binary), PathBuf>;

/// Runs one step and adds what it makes of `targets` to what is built.
pub(super) async fn run(
    step: &Step,
    workspace: &Workspace,
    targets: &BTreeSet<(usize, Binary)>,
    progress: &mut Progress,
    built: &mut Built,
) -> Result<(), BuildError> {
    let lost = |error| BuildError(format!("what cargo says cannot be read ({error}): start again"));
    let mut child = command(step, workspace)
        .args(target::own(&workspace.root).await)
        .spawn()
        .map_err(|error| not_runnable(&error))?;
    let mut made = Built::new();
    if let Some(stdout) = child.stdout.take() {
        let mut messages = BufReader::new(stdout).split(b'\n');
        while let Some(message) = messages.next_segment().await.map_err(lost)? {
            let Some(artifact) = read_artifact(&message) else { continue };
            let fresh = artifact.fresh;
            if !fresh {
                progress.works();
            }
            let Some((binary, executable)) = artifact.into_binary(workspace) else { continue };
            let target = (step.workspace, binary);
            if targets.contains(&target) {
                progress.built(&target.1.name, fresh);
                made.insert(target, executable);
            }
        }
    }
    let status = child.wait().await.map_err(lost)?;
    if status.code().is_none() {
        return Err(BuildError(format!(
            "cargo was ended before the functions were built ({status}): start again"
        )));
    }
    if !status.success() {
        return Err(BuildError("The functions do not compile: correct what cargo says above".to_owned()));
    }
    if step.set_apart {
        for ((_, binary), executable) in &mut made {
            *executable = set_apart(workspace, binary, executable)?;
        }
    }
    built.append(&mut made);
    Ok(())
}

fn command(step: &Step, workspace: &Workspace) -> Command {
    let mut command = Command::from(cargo(&workspace.root));
    command.args(["build", "--message-format=json-render-diagnostics"]).args(&step.arguments);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    command
}

/// Gives the binary a place of its own, before another package's takes the one where cargo puts it.
fn set_apart(workspace: &Workspace, binary: &Binary, executable: &Path) -> Result<PathBuf, BuildError> {
    let failed = |error| BuildError(format!("{} cannot be copied: {error}", executable.display()));
    let mut hasher = DefaultHasher::new();
    workspace.package_folder(&binary.package).hash(&mut hasher);
    let profile = executable.parent().and_then(Path::file_name).unwrap_or_default();
    let folder = workspace.target_directory.join("gateway").join(profile).join(format!(
        "{}-{:016x}",
        binary.package,
        hasher.finish()
    ));
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let (place, new) = (folder.join(&binary.name), folder.join(format!(".{}.new", std::process::id())));
    // Never written to in place: an instance of another gateway may be running it.
    let _ = std::fs::remove_file(&new);
    std::fs::hard_link(executable, &new)
        .or_else(|_| std::fs::copy(executable, &new).map(|_| ()))
        .and_then(|()| std::fs::rename(&new, &place))
        .map_err(failed)?;
    // Renaming one name of a file to another one of the same file leaves both.
    let _ = std::fs::remove_file(&new);
    Ok(place)
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

/// The artifact that one of cargo's messages tells of, if it does; other messages lack its fields.
fn read_artifact(message: &[u8]) -> Option<Artifact> {
    serde_json::from_slice(message).ok()
}

impl Artifact {
    fn into_binary(self, workspace: &Workspace) -> Option<(Binary, PathBuf)> {
        let folder = real(self.manifest_path.parent()?);
        let package = workspace.package_in(&folder)?.to_owned();
        let executable = self.executable.filter(|_| self.target.is_binary())?;
        Some((Binary { package, name: self.target.name }, executable))
    }
}
