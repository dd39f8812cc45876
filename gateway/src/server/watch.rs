//! `--watch`: an edit builds the functions again, and those that changed go on with the new code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::event::{CreateKind, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::executables;
use crate::lambda::Lambda;
use crate::project::Project;

/// An editor writes a file in several steps, and several files at once: the build waits for so much silence.
const SILENCE: Duration = Duration::from_millis(100);

/// What is built again, and for whom.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) project: Project,
    pub(super) template: PathBuf,
    pub(super) lambda: Lambda,
    pub(super) executables: BTreeMap<String, PathBuf>,
}

/// A path that has changed, and whether it is a new folder.
type Change = (PathBuf, bool);

/// Looks at the sources, beginning now.
pub(super) fn start(watch: Watch, shutdown: CancellationToken) -> Result<impl Future<Output = ()>, String> {
    let (sender, changes) = mpsc::unbounded_channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let Ok(event) = event else { return };
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        let folder = matches!(event.kind, EventKind::Create(CreateKind::Folder));
        for path in event.paths {
            // Nobody listens once the gateway stops.
            let _ = sender.send((path, folder));
        }
    });
    let watcher = watcher.map_err(|error| format!("Files cannot be watched: {error}"))?;
    let mut sources = Sources { watcher, watched: BTreeSet::new(), inputs: BTreeSet::new() };
    sources.follow(&watch)?;
    tracing::info!("Watching the functions' sources; an edit builds them again");
    Ok(async move {
        tokio::select! {
            () = run(watch, sources, changes) => {}
            () = shutdown.cancelled() => {}
        }
    })
}

async fn run(mut watch: Watch, mut sources: Sources, mut changes: mpsc::UnboundedReceiver<Change>) {
    while let Some(first) = changes.recv().await {
        let mut changed = vec![first];
        while let Ok(Some(next)) = tokio::time::timeout(SILENCE, changes.recv()).await {
            changed.push(next);
        }
        if changed.iter().any(|(path, _)| *path == watch.template) {
            tracing::warn!("{} has changed; it is read with the next start", watch.template.display());
        }
        if changed.iter().any(|change| sources.matter(change)) {
            watch.build().await;
            if let Err(error) = sources.follow(&watch) {
                tracing::error!("{error}");
            }
        }
    }
}

impl Watch {
    /// Builds; where that fails, cargo has said why, and everything goes on as it was.
    async fn build(&mut self) {
        let before = self.fingerprints();
        let folder = self.template.parent().unwrap_or(Path::new("/"));
        match executables::build(&self.project, folder).await {
            Ok(executables) => self.executables = executables,
            Err(error) => {
                tracing::error!("{error}. Until then the functions run as they were");
                return;
            }
        }
        let after = self.fingerprints();
        let changed: Vec<&String> =
            after.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
        for name in &changed {
            self.lambda.renew(name, self.executables[*name].clone());
        }
        match changed.as_slice() {
            [] => tracing::info!("No function has changed"),
            names => {
                let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
                tracing::info!("Renewed {}", names.join(", "));
            }
        }
    }

    /// What tells a function's executable from an earlier one.
    fn fingerprints(&self) -> BTreeMap<String, (PathBuf, Option<(SystemTime, u64)>)> {
        let fingerprint = |path: &Path| {
            let file = path.metadata().ok()?;
            Some((file.modified().ok()?, file.len()))
        };
        self.executables
            .iter()
            .map(|(name, path)| (name.clone(), (path.clone(), fingerprint(path))))
            .collect()
    }
}

/// The files that functions are built from, and the folders in which they are watched.
struct Sources {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    inputs: BTreeSet<PathBuf>,
}

impl Sources {
    /// Watches what the last build was made of: the folders of its files, and those of the packages.
    fn follow(&mut self, watch: &Watch) -> Result<(), String> {
        for executable in watch.executables.values() {
            self.inputs.extend(read_inputs(executable));
        }
        let mut folders: BTreeSet<PathBuf> =
            self.inputs.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
        folders.extend(watch.template.parent().map(Path::to_owned));
        for function in watch.project.functions.values() {
            add_folders(&function.code_uri, &mut folders);
        }
        for folder in folders {
            // One that is gone meanwhile needs no watching.
            if folder.is_dir() && !self.watched.contains(&folder) {
                let watched = self.watcher.watch(&folder, RecursiveMode::NonRecursive);
                watched.map_err(|error| format!("{} cannot be watched: {error}", folder.display()))?;
                self.watched.insert(folder);
            }
        }
        Ok(())
    }

    /// Whether a build may come out differently: for a source, a manifest, a file that a source includes, a new folder.
    fn matter(&self, (path, new_folder): &Change) -> bool {
        let manifest = path.file_name().is_some_and(|name| name == "Cargo.toml" || name == "Cargo.lock");
        let source = path.extension().is_some_and(|extension| extension == "rs");
        manifest || source || self.inputs.contains(path) || (*new_folder && !is_passed_over(path))
    }
}

/// Adds a folder and those below it.
fn add_folders(folder: &Path, folders: &mut BTreeSet<PathBuf>) {
    folders.insert(folder.to_owned());
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        // Not through links, which may lead in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !is_passed_over(&entry.path()) {
            add_folders(&entry.path(), folders);
        }
    }
}

/// Folders that hold no sources: hidden ones, what cargo and others mark as a cache, what npm installs.
fn is_passed_over(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name == "node_modules" || folder.join("CACHEDIR.TAG").exists()
}

/// The local files that cargo says an executable was built from, in the `.d` file beside it.
fn read_inputs(executable: &Path) -> Vec<PathBuf> {
    let Ok(text) = std::fs::read_to_string(executable.with_extension("d")) else { return Vec::new() };
    let Some((_, files)) = text.lines().next().unwrap_or_default().split_once(": ") else {
        return Vec::new();
    };
    // A space within a name is escaped.
    let files = files.replace("\\ ", "\0");
    files.split(' ').filter(|file| !file.is_empty()).map(|file| file.replace('\0', " ").into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_executable_was_built_from_is_read_from_cargos_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let executable = folder.path().join("f");
        std::fs::write(folder.path().join("f.d"), "/t/f: /p/a\\ b/main.rs /p/text.txt\n").expect("written");
        assert_eq!(read_inputs(&executable), [Path::new("/p/a b/main.rs"), Path::new("/p/text.txt")]);
        assert!(read_inputs(Path::new("/nowhere/f")).is_empty());
    }

    #[test]
    fn caches_and_hidden_folders_are_not_watched() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["src/deep", "target/debug", ".git/objects", "node_modules/x"] {
            std::fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        std::fs::write(folder.path().join("target/CACHEDIR.TAG"), "").expect("written");
        let mut folders = BTreeSet::new();
        add_folders(folder.path(), &mut folders);
        let expected = ["", "src", "src/deep"].map(|name| match name {
            "" => folder.path().to_owned(),
            name => folder.path().join(name),
        });
        assert_eq!(folders, expected.into());
    }
}
