//! The functions' executables: finds the code of each, builds it with one `cargo build` per workspace, or takes what
//! is ready.

mod building;
mod code;
mod error;
mod ready;
mod target;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::project::{Function, Project};
use building::{Progress, Step};
use code::Code;
use workspace::{Binary, Workspace, real};

pub use code::name_programs;
pub use error::BuildError;
pub use workspace::cargo;

/// Makes the executable of every function, and says where each is. `folder` is that of the template.
pub async fn build(project: &Project, folder: &Path) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let mut workspaces: Vec<Workspace> = Vec::new();
    let mut executables = BTreeMap::new();
    let mut wanted: BTreeMap<String, (usize, Binary)> = BTreeMap::new();
    for function in project.functions.values() {
        match locate(function, &mut workspaces).await {
            Ok(Place::Ready(executable)) => drop(executables.insert(function.name.clone(), executable)),
            Ok(Place::Target(at, binary)) => drop(wanted.insert(function.name.clone(), (at, binary))),
            // One that only events of other services reach must not keep the others from running.
            Err(error) if !project.invokes(&function.name) => {
                tracing::warn!("{error}. It is left out, since nothing invokes it here");
            }
            Err(error) => return Err(error),
        }
    }
    let targets: BTreeSet<_> = wanted.values().cloned().collect();
    let mut progress = Progress::new(targets.len());
    let mut built = BTreeMap::new();
    for step in steps(&workspaces, &targets, &real(folder)) {
        building::run(&step, &workspaces[step.workspace], &targets, &mut progress, &mut built).await?;
    }
    for (name, target) in wanted {
        let Some(executable) = built.get(&target) else {
            let binary = &target.1.name;
            return Err(BuildError(format!(
                "{name}: cargo built no executable {binary}: does it need a feature?"
            )));
        };
        executables.insert(name, executable.clone());
    }
    Ok(executables)
}

enum Place {
    Ready(PathBuf),
    /// A binary of the workspace at this place among all.
    Target(usize, Binary),
}

/// Finds a function's code; its workspace is added to those that are known.
async fn locate(function: &Function, workspaces: &mut Vec<Workspace>) -> Result<Place, BuildError> {
    let of_function = |why: String| BuildError(format!("{}: {why}", function.name));
    let (folder, binary, missing) = match code::find(function)? {
        Code::Source { folder, binary } => (folder, binary, None),
        Code::Above { folder, name } => (folder, None, Some(name)),
        Code::Ready(executable) => {
            ready::check(&executable).map_err(of_function)?;
            return Ok(Place::Ready(executable));
        }
    };
    let at = match workspaces.iter().position(|workspace| workspace.holds(&folder)) {
        Some(at) => at,
        None => {
            workspaces.push(Workspace::load(&folder).await?);
            workspaces.len() - 1
        }
    };
    let chosen = match &missing {
        None => workspaces[at].choose(&folder, binary.as_deref(), function),
        Some(name) => workspaces[at].guess(&folder, name, function),
    };
    let chosen = chosen.map_err(of_function)?;
    if missing.is_some() {
        tracing::warn!(
            "{}: there is no code in its CodeUri {}: the binary {} of {} is run instead",
            function.name,
            function.code_uri.display(),
            chosen.name,
            folder.display()
        );
    }
    Ok(Place::Target(at, chosen))
}

/// The builds that are needed. Packages whose binaries have the same name would overwrite each other's in the folder
/// of what is built, so each of these is built by itself and its binary put elsewhere.
fn steps(workspaces: &[Workspace], targets: &BTreeSet<(usize, Binary)>, folder: &Path) -> Vec<Step> {
    let mut owners: BTreeMap<(&Path, &str), usize> = BTreeMap::new();
    for workspace in workspaces {
        for (_, binary) in workspace.binaries() {
            *owners.entry((&workspace.target_directory, binary)).or_default() += 1;
        }
    }
    let mut steps = Vec::new();
    for (at, workspace) in workspaces.iter().enumerate() {
        let needed: BTreeSet<&str> = targets
            .iter()
            .filter(|(workspace, _)| *workspace == at)
            .map(|(_, binary)| binary.package.as_str())
            .collect();
        let clashing: BTreeSet<&str> = workspace
            .binaries()
            .filter(|(_, binary)| owners[&(workspace.target_directory.as_path(), *binary)] > 1)
            .map(|(package, _)| package)
            .collect();
        // The features of the whole workspace, so that they unify as in `cargo build --workspace` and nothing is built
        // twice; of one that reaches beyond the template's folder, and is somebody else's, those of the packages that
        // are needed.
        let together: Vec<&str> = needed.difference(&clashing).copied().collect();
        let mut arguments = Vec::new();
        if !workspace.root.starts_with(folder) {
            arguments.extend(together.iter().flat_map(|package| ["-p", package]));
        } else {
            arguments.push("--workspace");
            arguments.extend(clashing.iter().flat_map(|package| ["--exclude", package]));
        }
        // Only the functions' binaries: those of other packages would keep the first start waiting.
        let of_functions = targets
            .iter()
            .filter(|(workspace, binary)| *workspace == at && together.contains(&binary.package.as_str()));
        arguments.extend(of_functions.flat_map(|(_, binary)| ["--bin", &binary.name]));
        if !together.is_empty() {
            steps.push(Step::new(at, &arguments, false));
        }
        let apart = needed.intersection(&clashing);
        steps.extend(apart.map(|package| Step::new(at, &["-p", package, "--bins"], true)));
    }
    steps
}
