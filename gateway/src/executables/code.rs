//! Where the code of a function is: a package to build, or an executable that is ready.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::BuildError;
use super::workspace::{is_called, real};
use crate::project::{Function, Project};

/// What Lambda's own runtimes start.
const BOOTSTRAP: &str = "bootstrap";
const MANIFEST: &str = "Cargo.toml";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The folder of a package or of a whole workspace, and the binary that is asked for.
    Source {
        folder: PathBuf,
        binary: Option<String>,
    },
    Ready(PathBuf),
    /// Nothing is there, but a package is above it, from which it may be built by other means: the package's folder,
    /// and the name of what is missing.
    Above {
        folder: PathBuf,
        name: String,
    },
}

pub(super) fn find(function: &Function) -> Result<Code, BuildError> {
    let path = real(&function.code_uri);
    let source = |folder: &Path, binary: Option<&str>| Code::Source {
        folder: folder.to_owned(),
        binary: binary.map(str::to_owned),
    };
    let binary = function.binary.as_deref();
    if path.join(MANIFEST).is_file() {
        return Ok(source(&path, binary));
    }
    // Its source is built instead: what cargo-lambda puts there is most often for another machine, and old.
    if let Some((folder, name)) = output_folder(&path).filter(|(folder, _)| folder.join(MANIFEST).is_file()) {
        return Ok(source(folder, binary.or(Some(name))));
    }
    if let Some(folder) = binary.and_then(|_| path.ancestors().find(|folder| folder.join(MANIFEST).is_file()))
    {
        return Ok(source(folder, binary));
    }
    if path.join(BOOTSTRAP).is_file() {
        return Ok(Code::Ready(path.join(BOOTSTRAP)));
    }
    if let Some(folder) = path.ancestors().skip(1).find(|folder| folder.join(MANIFEST).is_file()) {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
        return Ok(Code::Above { folder: folder.to_owned(), name: name.unwrap_or_default() });
    }
    Err(BuildError(format!(
        "{}: there is neither a Rust package nor an executable bootstrap in its CodeUri {}: correct the template, \
         or make a package there with `cargo init`",
        function.name,
        function.code_uri.display()
    )))
}

/// The folder above `target/lambda/NAME`, where cargo-lambda puts what it builds, and that name; also for the archive
/// in there.
fn output_folder(path: &Path) -> Option<(&Path, &str)> {
    let path = if path.file_name()? == "bootstrap.zip" { path.parent()? } else { path };
    let lambda = path.parent()?;
    let target = lambda.parent()?;
    let is_output = lambda.file_name()? == "lambda" && target.file_name()? == "target";
    is_output.then_some((target.parent()?, path.file_name()?.to_str()?))
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Named>,
    #[serde(default)]
    bin: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

/// Gives each function the name by which logs and an Invoke endpoint know it, that of its binary, as far as it can be
/// said without cargo.
pub fn name_programs(project: &mut Project) {
    for function in project.functions.values_mut() {
        if let Some(name) = program(function) {
            function.program = name;
        }
    }
}

fn program(function: &Function) -> Option<String> {
    let folder = match find(function) {
        Ok(Code::Source { folder, binary: None } | Code::Above { folder, .. }) => folder,
        Ok(Code::Source { binary, .. }) => return binary,
        _ => return None,
    };
    let text = std::fs::read_to_string(folder.join(MANIFEST)).ok()?;
    let manifest: Manifest = toml::from_str(&text).ok()?;
    let package = manifest.package?.name?;
    let mut binaries: Vec<_> = manifest.bin.into_iter().filter_map(|binary| binary.name).collect();
    for file in std::fs::read_dir(folder.join("src/bin")).into_iter().flatten().flatten() {
        let name = file.path().file_stem().map(|name| name.to_string_lossy().into_owned());
        binaries.extend(name.filter(|name| !binaries.contains(name)));
    }
    let by_name = |name: &String| *name == package || *name == function.handler;
    let called = |name: &String| is_called(&function.name, name);
    match binaries.iter().position(by_name).or_else(|| binaries.iter().position(called)) {
        Some(at) => Some(binaries.swap_remove(at)),
        None if binaries.len() == 1 && !folder.join("src/main.rs").is_file() => binaries.pop(),
        None => Some(package),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(code_uri: &Path, binary: Option<&str>) -> Function {
        let binary = binary.map(str::to_owned);
        Function {
            name: "F".to_owned(),
            code_uri: code_uri.to_owned(),
            handler: BOOTSTRAP.to_owned(),
            binary,
            ..Function::default()
        }
    }

    #[test]
    fn code_is_a_package_an_output_folder_or_an_executable() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = real(folder.path());
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write("Cargo.toml", "[package]\nname = \"all\"\n[[bin]]\nname = \"a\"\n[[bin]]\nname = \"b\"");
        write("one/Cargo.toml", "[package]\nname = \"the-one\"");
        write("other/Cargo.toml", "[package]\nname = \"other\"\n[[bin]]\nname = \"tool\"");
        write("ready/bootstrap", "");
        write("many/Cargo.toml", "[package]\nname = \"many\"");
        write("many/src/bin/f.rs", "");
        write("many/src/bin/g.rs", "");
        let found = |path: &str, binary| find(&function(&folder.join(path), binary));
        let source = |path: &str, binary: Option<&str>| {
            let folder = if path.is_empty() { folder.clone() } else { folder.join(path) };
            Ok(Code::Source { folder, binary: binary.map(str::to_owned) })
        };
        assert_eq!(found("one", None), source("one", None));
        assert_eq!(found("", Some("b")), source("", Some("b")));
        assert_eq!(found("target/lambda/a", None), source("", Some("a")));
        assert_eq!(found("target/lambda/a/bootstrap.zip", None), source("", Some("a")));
        assert_eq!(found("src/b", Some("b")), source("", Some("b")));
        assert_eq!(found("ready", None), Ok(Code::Ready(folder.join("ready/bootstrap"))));
        let above = Code::Above { folder: folder.clone(), name: "a".to_owned() };
        assert_eq!(found("build/a.zip", None), Ok(above));

        let named = |path: &str, binary| program(&function(&folder.join(path), binary));
        assert_eq!(named("one", None).as_deref(), Some("the-one"));
        assert_eq!(named("other", None).as_deref(), Some("tool"));
        assert_eq!(named("", Some("b")).as_deref(), Some("b"));
        assert_eq!(named("target/lambda/a", None).as_deref(), Some("a"));
        assert_eq!(named("many", None).as_deref(), Some("f"), "as the template calls it");
        assert_eq!(named("ready", None), None);
        assert_eq!(named("one/build/function.zip", None).as_deref(), Some("the-one"));

        std::fs::remove_file(folder.join("Cargo.toml")).expect("removed");
        let error = found("nowhere", None).expect_err("nothing").to_string();
        assert!(
            error.starts_with("F: there is neither a Rust package nor an executable bootstrap"),
            "{error}"
        );
    }
}
