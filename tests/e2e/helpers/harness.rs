//! The gateways that tests ask for besides the one they share.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use gateway::http_api::Authorizers;
use gateway::server::{Options, Store};
use gateway::valkey::Valkey;
use tempfile::TempDir;

use super::issuer::{AUDIENCE, Issuer};

pub(super) use ::harness::Served;
pub(crate) use ::harness::root;

/// A gateway of one's own on the same store, where these faults happen.
pub(super) fn with_faults(faults: &[&str]) -> &'static Served {
    start(Options { faults: faults.iter().map(|&fault| fault.to_owned()).collect(), ..Options::default() })
}

/// A gateway whose functions are not told that anybody is welcome.
pub(super) fn not_open() -> &'static Served {
    let environment = BTreeMap::from([("ALLOW_ANONYMOUS".to_owned(), String::new())]);
    start(Options { environment, ..Options::default() })
}

/// A gateway on another store.
pub(super) fn on_store(url: String) -> &'static Served {
    start(Options { store: Store::Url(url), ..Options::default() })
}

/// The gateway that asks for tokens, which all tests share.
pub(super) fn guarded() -> &'static Served {
    static GUARDED: OnceLock<&'static Served> = OnceLock::new();
    GUARDED.get_or_init(|| start(asking_for_tokens()))
}

/// What a gateway is told that asks for tokens of the [`issuer`].
pub(crate) fn asking_for_tokens() -> Options {
    let parameters = [("JwtIssuer", issuer().url.as_str()), ("JwtAudience", AUDIENCE)];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Options { parameters, authorizers: Authorizers::Enforced, ..Options::default() }
}

/// The issuer whose tokens are taken.
pub(super) fn issuer() -> &'static Issuer {
    static ISSUER: OnceLock<Issuer> = OnceLock::new();
    ISSUER.get_or_init(|| ::harness::outside(|| Issuer::start(::harness::runtime())))
}

/// What gateways and functions of this process have logged so far.
pub(crate) fn read_log() -> String {
    std::fs::read_to_string(::harness::log_file()).expect("a log file")
}

/// A gateway of one's own, to the end of this process.
pub(crate) fn start(options: Options) -> &'static Served {
    Box::leak(Box::new(Served::start(options)))
}

/// A store of one's own, which survives a restart; its data goes with it.
#[derive(Debug)]
pub(crate) struct OwnStore {
    valkey: Valkey,
    _folder: TempDir,
}

impl OwnStore {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let valkey = ::harness::servers::valkey(Some(folder.path().to_owned()), &[]).await;
        Self { valkey, _folder: folder }
    }
}

impl Deref for OwnStore {
    type Target = Valkey;

    fn deref(&self) -> &Valkey {
        &self.valkey
    }
}

impl DerefMut for OwnStore {
    fn deref_mut(&mut self) -> &mut Valkey {
        &mut self.valkey
    }
}
