//! The settings of a project, from its root `Cargo.toml`, so that the gateway knows no rule of any project.
//!
//! ```toml
//! [workspace.metadata.gateway]
//! page = "demo"                                # a folder of static files, served at /
//! folders = { "/client" = "client/src" }       # further ones, each below its path
//! store-layout = 2                             # names the folder of a private store's data, a new one for each layout
//! signed-in-examples = ["curl …"]              # said while authorizers are enforced: lines to try with a $TOKEN;
//!                                              # ${ENDPOINT} and ${WEBSOCKET} stand for the URLs
//!
//! [workspace.metadata.gateway.parameters]      # of the template, over its defaults; the command line's win
//! AllowedOrigins = "http://localhost:5173"
//!
//! [workspace.metadata.gateway.environment]     # for every function, over what the template says
//! REDIS_URL = "${STORE_URL}"                   # asking for ${STORE_URL} is asking for a store
//! MANAGEMENT_ENDPOINT = "${ENDPOINT}"
//!
//! [workspace.metadata.gateway.open-environment] # only while no authorizer is enforced
//! ALLOW_ANONYMOUS = "true"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    parameters: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    open_environment: BTreeMap<String, String>,
    pub(crate) page: Option<PathBuf>,
    pub(crate) folders: BTreeMap<String, PathBuf>,
    pub(crate) signed_in_examples: Vec<String>,
    pub(crate) store_layout: Option<u32>,
}

const ENDPOINT: &str = "${ENDPOINT}";
const STORE_URL: &str = "${STORE_URL}";

#[derive(Deserialize)]
struct Manifest {
    workspace: Option<Workspace>,
}

#[derive(Deserialize)]
struct Workspace {
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    gateway: Option<Settings>,
}

impl Settings {
    /// Of the project in `folder`; one that says nothing is fine.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("Cargo.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, folder).map_err(|error| format!("{}: {error}", path.display())),
            Err(_) => Ok(Self::default()),
        }
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let manifest: Manifest =
            toml::from_str(text).map_err(|error| error.to_string().trim().replace('\n', " "))?;
        let mut settings =
            manifest.workspace.and_then(|workspace| workspace.metadata?.gateway).unwrap_or_default();
        settings.page = settings.page.map(|page| folder.join(page));
        settings.folders.values_mut().for_each(|path| *path = folder.join(&*path));
        Ok(settings)
    }

    /// The template's parameters; those that are given win.
    pub(crate) fn parameters(&self, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut parameters = self.parameters.clone();
        parameters.extend(given.clone());
        parameters
    }

    /// Drops the variables that are set only while no authorizer is enforced.
    pub(crate) fn close(&mut self) {
        self.open_environment.clear();
    }

    pub(crate) fn needs_store(&self) -> bool {
        self.values().any(|(_, value)| value.contains(STORE_URL))
    }

    pub(crate) fn environment(&self, endpoint: &str, store_url: Option<&str>) -> BTreeMap<String, String> {
        let fill =
            |value: &str| value.replace(ENDPOINT, endpoint).replace(STORE_URL, store_url.unwrap_or_default());
        self.values().map(|(name, value)| (name.clone(), fill(value))).collect()
    }

    /// The names of the variables that every function gets.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &String> {
        self.values().map(|(name, _)| name)
    }

    fn values(&self) -> impl Iterator<Item = (&String, &String)> {
        self.environment.iter().chain(&self.open_environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        [workspace]
        members = []
        [workspace.metadata.other]
        x = 1
        [workspace.metadata.gateway]
        page = "demo"
        folders = { "/client" = "client/src" }
        signed-in-examples = ["curl ${ENDPOINT}"]
        store-layout = 7
        [workspace.metadata.gateway.parameters]
        Size = "1"
        Name = "project's"
        [workspace.metadata.gateway.environment]
        STORE = "${STORE_URL}/0"
        BACK = "${ENDPOINT}"
        [workspace.metadata.gateway.open-environment]
        OPEN = "true"
    "#;

    #[test]
    fn placeholders_are_filled_and_open_mode_can_be_closed() {
        let mut settings = Settings::parse(MANIFEST, Path::new("/project")).expect("settings");
        assert_eq!(settings.page.as_deref(), Some(Path::new("/project/demo")));
        assert_eq!(settings.folders["/client"], Path::new("/project/client/src"));
        assert_eq!(settings.signed_in_examples, ["curl ${ENDPOINT}"]);
        assert_eq!(settings.store_layout, Some(7));
        assert!(settings.needs_store());
        let pairs = |pairs: [(&str, &str); 2]| -> BTreeMap<_, _> {
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        };
        let given = BTreeMap::from([("Name".to_owned(), "given".to_owned())]);
        assert_eq!(settings.parameters(&given), pairs([("Size", "1"), ("Name", "given")]));
        let environment = settings.environment("http://127.0.0.1:1", Some("redis://r"));
        let expected = [("BACK", "http://127.0.0.1:1"), ("OPEN", "true"), ("STORE", "redis://r/0")];
        assert_eq!(environment, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        settings.close();
        assert_eq!(settings.environment("e", None).get("OPEN"), None);
    }

    #[test]
    fn silence_is_fine_and_mistakes_are_named() {
        let folder = Path::new("/");
        assert_eq!(Settings::parse("[package]\nname = \"x\"", folder), Ok(Settings::default()));
        assert!(!Settings::default().needs_store());
        let error = Settings::parse("[workspace.metadata.gateway]\npages = 1", folder).expect_err("unknown");
        assert!(error.contains("pages"), "{error}");
    }
}
