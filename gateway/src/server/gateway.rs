//! A running gateway: what it serves, and how it stops.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use super::store::RunningStore;
use crate::aws;
use crate::faults::Faults;
use crate::issuer::Issuer;
use crate::lambda::Lambda;
use crate::project::Project;
use crate::websocket_api::WebSocketApiServer;

/// How long requests in progress may take when the gateway stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running gateway; [`Gateway::stop`] ends it step by step, dropping it ends it at once.
#[derive(Debug)]
pub struct Gateway {
    pub(super) port: u16,
    pub(super) project: Project,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) page: Option<PathBuf>,
    pub(super) signed_in_examples: Vec<String>,
    pub(super) enforces_authorizers: bool,
    pub(super) issuer: Option<Issuer>,
    pub(super) store: Option<RunningStore>,
    pub(super) lambda: Lambda,
    pub(super) websocket: Option<WebSocketApiServer>,
    pub(super) faults: Faults,
    pub(super) admin_port: Option<u16>,
    pub(super) hosts: Vec<String>,
    pub(super) serving: TaskTracker,
    pub(super) shutdown: DropGuard,
}

impl Gateway {
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Without a slash at its end; works with or without IPv6.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The variables that every function gets besides the template's.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The variables that functions must be given which are started elsewhere: all that are set here, except each
    /// function's own name and the like.
    pub fn environment_elsewhere(&self) -> BTreeMap<String, String> {
        let mut variables: BTreeMap<String, String> =
            aws::VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        for function in self.project.functions.values() {
            variables.extend(function.environment.clone());
        }
        variables.extend(self.environment.clone());
        variables
    }

    pub fn store(&self) -> Option<&RunningStore> {
        self.store.as_ref()
    }

    pub fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// For counting and cutting connections in tests.
    pub fn websocket(&self) -> Option<&WebSocketApiServer> {
        self.websocket.as_ref()
    }

    /// The faults that are asked for; changes take effect at once.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Where faults can be changed, if anywhere.
    pub fn admin_port(&self) -> Option<u16> {
        self.admin_port
    }

    /// Names and addresses under which it is reached besides `localhost`.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The folder of the static page, if there is one.
    pub fn page(&self) -> Option<&Path> {
        self.page.as_deref()
    }

    /// Whether routes with an authorizer ask for a token.
    pub fn enforces_authorizers(&self) -> bool {
        self.enforces_authorizers
    }

    /// The development issuer, where it stands in for one that the template creates.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// Lines to try with a token, as the project words them.
    pub fn signed_in_examples(&self) -> &[String] {
        &self.signed_in_examples
    }

    /// Closes connections, finishes requests in progress, then stops functions and store, in this sequence.
    pub async fn stop(self) {
        // Connections first: their `$disconnect`s still push and write through this port.
        if let Some(websocket) = &self.websocket {
            websocket.stop().await;
        }
        drop(self.shutdown);
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.serving.wait()).await;
        self.lambda.stop().await;
        if let Some(RunningStore::Own(store)) = self.store {
            store.stop().await;
        }
    }
}
