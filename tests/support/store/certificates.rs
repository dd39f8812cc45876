//! A certificate authority of the test's own, and the certificate that it issued to servers on this machine.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

/// A server's certificate, and the authority that its clients have to trust.
#[derive(Clone, Debug)]
pub struct Certificates {
    authority: String,
    server: Arc<ServerConfig>,
}

impl Certificates {
    /// By a new authority, for `localhost` and `127.0.0.1`.
    pub fn issue() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("it may sign itself");
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let key = key();
        let certificate = CertificateParams::new(names)
            .and_then(|server| server.signed_by(&key, &authority))
            .expect("names that certificates take");
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports them all")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .expect("a certificate and its key");
        Self { authority: authority.pem(), server: Arc::new(server) }
    }

    /// The authority's own certificate, as PEM text.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn server(&self) -> &Arc<ServerConfig> {
        &self.server
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("this machine has random numbers")
}
