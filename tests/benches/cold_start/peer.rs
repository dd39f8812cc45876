//! The handlers in Node to compare with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) const HANDLERS: [&str; 2] = ["create-message", "get-message"];

const FILES: [&str; 5] =
    ["package.json", "runtime.mjs", "store.mjs", "create-message.mjs", "get-message.mjs"];

/// CommonJS modules in a bundle of ES modules ask for Node's own by `require`.
const REQUIRE: &str =
    "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/// Installs and bundles them outside the source tree.
pub(crate) fn install() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node_lambda");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node_lambda");
    std::fs::create_dir_all(&folder).unwrap();
    for file in FILES {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    let install = ["install", "--prefer-offline", "--silent", "--no-package-lock", "--no-audit", "--no-fund"];
    run(&folder, Path::new("npm"), &install)?;
    for handler in HANDLERS {
        let (input, output) = (format!("{handler}.mjs"), format!("--outfile={handler}.bundle.mjs"));
        let banner = format!("--banner:js={REQUIRE}");
        let options = [&input, &output, &banner, "--bundle", "--minify", "--platform=node", "--format=esm"];
        run(&folder, Path::new("node_modules/.bin/esbuild"), &options)?;
    }
    Ok(folder)
}

fn run(folder: &Path, program: &Path, arguments: &[&str]) -> Result<(), String> {
    let program = match program.components().count() {
        1 => program.to_owned(),
        _ => folder.join(program),
    };
    let status = Command::new(&program)
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Err(_) => Err(format!("{} is not installed", program.display())),
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{} failed", program.display())),
    }
}
