//! What functions reach beside Lambda itself: the store and the management API, both by TLS as deployed, or neither.

use std::collections::BTreeMap;

use support::StoreKind::{SecureSingle, Single};
use support::TestStore;
use support::proxy::{SwitchProxy, TlsProxy};
use support::store::certificates::Certificates;

/// The store, and the way to whichever gateway is there.
pub(crate) struct Backdrop {
    pub(crate) store: TestStore,
    management: Management,
    certificates: Certificates,
}

enum Management {
    Tls(TlsProxy),
    Plain(SwitchProxy),
}

impl Backdrop {
    pub(crate) async fn start(plain: bool) -> Self {
        let certificates = Certificates::issue();
        let (kind, management) = match plain {
            true => (Single, Management::Plain(SwitchProxy::start(0))),
            false => (SecureSingle, Management::Tls(TlsProxy::start(0, &certificates))),
        };
        Self { store: TestStore::start(kind).await, management, certificates }
    }

    /// Pushes go to the gateway at this port from now on.
    pub(crate) fn lead_to(&self, gateway: u16) {
        match &self.management {
            Management::Tls(proxy) => proxy.lead_to(gateway),
            Management::Plain(proxy) => proxy.lead_to(gateway),
        }
    }

    /// Where the store and the management API listen.
    pub(crate) fn ports(&self) -> [u16; 2] {
        [self.store.port(), self.management_port()]
    }

    fn management_port(&self) -> u16 {
        match &self.management {
            Management::Tls(proxy) => proxy.port(),
            Management::Plain(proxy) => proxy.port(),
        }
    }

    /// A function's, as in a deployment but for the authorities. With the log format of text it writes no line for what
    /// went well.
    pub(crate) fn environment(&self, log_format: &str) -> BTreeMap<String, String> {
        let scheme = if matches!(self.management, Management::Tls(_)) { "https" } else { "http" };
        let endpoint = format!("{scheme}://localhost:{}", self.management_port());
        let variables = [
            ("ALLOW_ANONYMOUS", "true"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_LAMBDA_LOG_FORMAT", log_format),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "token"),
            ("LOG_USER_KEY", "of this deployment"),
            ("MANAGEMENT_ENDPOINT", &endpoint),
            ("MANAGEMENT_TLS_CA", self.certificates.authority()),
            ("METRICS_NAMESPACE", "benchmark"),
            ("NODE_ENV", "production"),
            ("NODE_NO_WARNINGS", "1"),
            ("REDIS_TLS_CA", self.store.authority().unwrap_or_default()),
            ("REDIS_URL", self.store.url()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}
