//! A cargo workspace as cargo itself describes it, and which of its binaries a function is.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use super::error::BuildError;
use crate::project::Function;

#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) root: PathBuf,
    pub(super) target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Debug)]
struct Package {
    name: String,
    folder: PathBuf,
    binaries: Vec<String>,
}

/// A binary of a workspace; its packages have different names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Binary {
    pub(super) package: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<PackageMetadata>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct PackageMetadata {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
    kind: Vec<String>,
}

impl Target {
    pub(super) fn is_binary(&self) -> bool {
        self.kind.iter().any(|kind| kind == "bin")
    }
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

pub(super) fn not_runnable(error: &std::io::Error) -> BuildError {
    BuildError(format!("cargo cannot be run ({error}): install Rust with rustup, then start again"))
}

impl Workspace {
    /// The workspace of the package in `folder`.
    pub(super) async fn load(folder: &Path) -> Result<Self, BuildError> {
        let mut command = Command::from(cargo(folder));
        command.args(["metadata", "--no-deps", "--format-version", "1"]).stdin(Stdio::null());
        let output = command.kill_on_drop(true).output().await.map_err(|error| not_runnable(&error))?;
        let unreadable = |why: &str| BuildError(format!("cargo cannot read {}: {why}", folder.display()));
        if !output.status.success() {
            return Err(unreadable(String::from_utf8_lossy(&output.stderr).trim()));
        }
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).map_err(|error| unreadable(&error.to_string()))?;
        Ok(Self::from(metadata))
    }

    /// Whether the folder is one of its packages, or its root.
    pub(super) fn holds(&self, folder: &Path) -> bool {
        self.root == folder || self.package_in(folder).is_some()
    }

    /// Each with its package's name.
    pub(super) fn binaries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.packages.iter().flat_map(|package| {
            package.binaries.iter().map(|binary| (package.name.as_str(), binary.as_str()))
        })
    }

    pub(super) fn package_folder(&self, package: &str) -> Option<&Path> {
        self.packages.iter().find(|one| one.name == package).map(|one| one.folder.as_path())
    }

    pub(super) fn package_in(&self, folder: &Path) -> Option<&str> {
        self.packages.iter().find(|package| package.folder == folder).map(|package| package.name.as_str())
    }

    /// The binary of the function whose code is in `folder`: the one that is asked for, wherever in the workspace it
    /// is, else that of the package there. The error says what to do.
    pub(super) fn choose(
        &self,
        folder: &Path,
        asked_for: Option<&str>,
        function: &Function,
    ) -> Result<Binary, String> {
        let own = self.package_in(folder);
        let here = |(package, _): &(&str, &str)| own.is_none_or(|own| own == *package);
        let candidates: Vec<(&str, &str)> = self.binaries().filter(here).collect();
        let named = |name: &str| candidates.iter().find(|(_, binary)| *binary == name).copied();
        let chosen = match (asked_for, candidates.as_slice()) {
            (Some(name), _) => named(name).or_else(|| self.binaries().find(|(_, binary)| *binary == name)),
            (None, [only]) => Some(*only),
            (None, _) => {
                let folder = folder.file_name().map(|name| name.to_string_lossy().into_owned());
                let own = own.and_then(named).or_else(|| named(&folder.unwrap_or_default()));
                let own = own.or_else(|| named(&function.handler));
                own.or_else(|| candidates.iter().find(|(_, name)| is_called(&function.name, name)).copied())
            }
        };
        let all: Vec<_> = candidates.iter().map(|(_, binary)| *binary).collect();
        let (package, name) = chosen.ok_or_else(|| match (asked_for, all.as_slice()) {
            (Some(name), _) => format!(
                "no package in {} builds the binary {name} that its Metadata asks for",
                self.root.display()
            ),
            (None, []) => {
                format!("its package {} builds no executable: give it a src/main.rs", folder.display())
            }
            (None, _) => format!(
                "its package {} builds several executables ({}): name one in the template, \
                 Metadata: {{ BuildProperties: {{ Binary: {} }} }}",
                folder.display(),
                all.join(", "),
                all[0]
            ),
        })?;
        Ok(Binary { package: package.to_owned(), name: name.to_owned() })
    }
}

impl Workspace {
    /// The binary of a function whose code is not where the template says, by what that place is called.
    pub(super) fn guess(&self, folder: &Path, name: &str, function: &Function) -> Result<Binary, String> {
        let named =
            self.choose(folder, Some(name), function).or_else(|_| self.choose(folder, None, function));
        named.map_err(|why| format!("there is no code in its CodeUri {}; {why}", function.code_uri.display()))
    }
}

/// Whether a function's name in the template is that of the binary, as in `PutProductFunction` and `put-product`.
pub(super) fn is_called(function: &str, binary: &str) -> bool {
    let letters = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let (function, binary) = (letters(function), letters(binary));
    ["", "function", "lambda"].iter().any(|end| function.strip_suffix(end) == Some(binary.as_str()))
}

impl From<Metadata> for Workspace {
    fn from(metadata: Metadata) -> Self {
        let package = |package: PackageMetadata| {
            let binaries = package.targets.into_iter().filter(Target::is_binary).map(|target| target.name);
            let folder = package.manifest_path.parent().map(real).unwrap_or_default();
            Package { name: package.name, folder, binaries: binaries.collect() }
        };
        Self {
            root: real(&metadata.workspace_root),
            target_directory: metadata.target_directory,
            packages: metadata.packages.into_iter().map(package).collect(),
        }
    }
}

/// Cargo reports real paths; a template may go through links.
pub(super) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(packages: &[(&str, &[&str])]) -> Workspace {
        let package = |(name, binaries): &(&str, &[&str])| {
            let targets: Vec<_> =
                binaries.iter().map(|name| serde_json::json!({"name": name, "kind": ["bin"]})).collect();
            serde_json::json!({"name": name, "manifest_path": format!("/w/{name}/Cargo.toml"), "targets": targets})
        };
        let packages: Vec<_> = packages.iter().map(package).collect();
        let metadata = serde_json::json!({
            "packages": packages, "workspace_root": "/w", "target_directory": "/w/target",
        });
        serde_json::from_value::<Metadata>(metadata).expect("metadata").into()
    }

    fn choose(workspace: &Workspace, folder: &str, asked_for: Option<&str>) -> Result<String, String> {
        let (name, handler) = ("PutItemFunction".to_owned(), "handled".to_owned());
        let function = Function { name, handler, ..Function::default() };
        let chosen = workspace.choose(Path::new(folder), asked_for, &function)?;
        Ok(format!("{}/{}", chosen.package, chosen.name))
    }

    #[test]
    fn a_function_is_the_binary_that_its_template_or_its_folder_names() {
        let workspace = workspace(&[
            ("one", &["first"]),
            ("two", &["tool", "two"]),
            ("three", &["first", "handled"]),
            ("four", &["x", "y"]),
            ("five", &[]),
            ("six", &["get-item", "put-item"]),
        ]);
        let chosen = |folder, asked_for| choose(&workspace, folder, asked_for);
        assert_eq!(chosen("/w/one", None).as_deref(), Ok("one/first"));
        assert_eq!(chosen("/w/two", None).as_deref(), Ok("two/two"));
        assert_eq!(chosen("/w/two", Some("tool")).as_deref(), Ok("two/tool"));
        assert_eq!(chosen("/w/three", None).as_deref(), Ok("three/handled"));
        assert_eq!(chosen("/w/three", Some("first")).as_deref(), Ok("three/first"), "its own before others'");
        assert_eq!(chosen("/w/six", None).as_deref(), Ok("six/put-item"), "as the template calls it");
        assert_eq!(chosen("/w", Some("y")).as_deref(), Ok("four/y"), "from the workspace's root");
        let guessed =
            |name| workspace.guess(Path::new("/w"), name, &Function::default()).map(|found| found.name);
        assert_eq!(guessed("tool").as_deref(), Ok("tool"));
        let error = guessed("build").expect_err("none is called so");
        assert!(
            error.starts_with("there is no code in its CodeUri ; its package /w builds several"),
            "{error}"
        );
        let error = chosen("/w/four", None).expect_err("two");
        assert!(
            error.starts_with("its package /w/four builds several executables (x, y): name one"),
            "{error}"
        );
        let error = chosen("/w/five", None).expect_err("none");
        assert!(error.starts_with("its package /w/five builds no executable"), "{error}");
        let error = chosen("/w/one", Some("z")).expect_err("no such");
        assert!(error.starts_with("no package in /w builds the binary z"), "{error}");
    }
}
