//! The options of a gateway.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::http_api::Authorizers;
use crate::lambda::DEFAULT_CONCURRENCY;

#[derive(Clone, Debug)]
pub struct Options {
    pub template: PathBuf,
    /// Over the defaults in the template.
    pub parameters: BTreeMap<String, String>,
    /// For every function, over everything else.
    pub environment: BTreeMap<String, String>,
    /// 0 takes a free one.
    pub port: u16,
    /// Instances of one function at most.
    pub concurrency: usize,
    /// By the function's logical id; `None` builds them.
    pub executables: Option<BTreeMap<String, PathBuf>>,
    /// Invokes functions here instead of running them.
    pub lambda_url: Option<String>,
    /// Used only if the project asks for a store.
    pub store: Store,
    /// Where a private store listens; a free port otherwise.
    pub store_port: Option<u16>,
    /// Names and addresses under which it is reached besides `localhost`; it listens at the addresses, too.
    pub hosts: Vec<String>,
    /// Builds the functions again when their sources change.
    pub watch: bool,
    /// Where each event, frame and push is written down.
    pub record: Option<PathBuf>,
    pub authorizers: Authorizers,
    /// Closes WebSockets that are idle or old, as AWS does.
    pub aws_limits: bool,
    /// Closes WebSockets that are idle for so long; wins over `aws_limits`.
    pub idle_limit: Option<Duration>,
    /// Closes WebSockets of this age; wins over `aws_limits`.
    pub lifetime: Option<Duration>,
    /// Handles the frames of one connection one after another.
    pub serial_frames: bool,
    /// As on the command line.
    pub faults: Vec<String>,
    /// Faults can be changed here while the gateway runs.
    pub admin_port: Option<u16>,
    pub verbosity: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Store {
    Url(String),
    /// A private one whose data stays in the project's `.local`.
    #[default]
    Kept,
    /// A private one whose data stays in this folder.
    KeptIn(PathBuf),
    /// A private one whose data goes with it.
    Ephemeral,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            template: PathBuf::from("template.yaml"),
            parameters: BTreeMap::new(),
            environment: BTreeMap::new(),
            port: 0,
            concurrency: DEFAULT_CONCURRENCY.into(),
            executables: None,
            lambda_url: None,
            store: Store::default(),
            store_port: None,
            hosts: Vec::new(),
            watch: false,
            record: None,
            authorizers: Authorizers::default(),
            aws_limits: false,
            idle_limit: None,
            lifetime: None,
            serial_frames: false,
            faults: Vec::new(),
            admin_port: None,
            verbosity: 0,
        }
    }
}
