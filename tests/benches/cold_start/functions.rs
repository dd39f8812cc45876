//! The functions that are measured: release builds, as they are deployed.

use std::path::PathBuf;

use gateway::executables::cargo;
use support::root;

/// The packages of all functions, in the order of the alphabet.
pub(crate) fn all() -> Vec<String> {
    let folders = std::fs::read_dir(root().join("functions")).unwrap();
    let mut names: Vec<String> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Builds what is measured as it is deployed, with what every scene needs. The floor is built by itself, or it would
/// have the features that others ask for.
pub(crate) fn build(functions: &[String]) {
    let scenes = ["connect", "create-message", "disconnect", "register"].map(str::to_owned);
    for packages in [vec!["hello".to_owned()], [&scenes, functions].concat()] {
        let mut command = cargo(&root());
        command.args(["build", "--release", "--locked"]);
        for package in packages {
            command.args(["-p", &package]);
        }
        assert!(command.status().unwrap().success(), "the functions build");
    }
}

/// The functions that `--functions` names with commas between them, or all.
pub(crate) fn chosen(arguments: &[String]) -> Vec<String> {
    let place = arguments.iter().position(|argument| argument == "--functions");
    let chosen: Option<Vec<_>> = place.map(|place| arguments[place + 1].split(',').collect());
    all()
        .into_iter()
        .filter(|name| chosen.as_ref().is_none_or(|chosen| chosen.contains(&name.as_str())))
        .collect()
}

/// The functions that are built, as programs that are started by these means.
pub(crate) fn built<T>(program: impl Fn(&str, Vec<PathBuf>) -> T) -> Vec<T> {
    let built = all().into_iter().filter(|name| executable(name).exists());
    built.map(|name| program(&name, vec![executable(&name)])).collect()
}

/// The program of a function. `target` is the third folder above this benchmark, whatever it was built for.
pub(crate) fn executable(package: &str) -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("release").join(package)
}

pub(crate) fn size_mb(package: &str) -> f64 {
    std::fs::metadata(executable(package)).unwrap().len() as f64 / 1e6
}
