//! The HTTP client that the SDK and posts to connections share.
//!
//! Trust is compiled in, as it is for the store: reading the certificates of the machine's bundle took most of a
//! pushing function's start.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector as TcpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::{CertificateDer, pem, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};

use crate::error::Cause;
use crate::idle;

/// A client with its pool of connections; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct HttpsClient(Client<HttpsConnector<TcpConnector>, SdkBody>);

impl HttpsClient {
    /// A client that trusts the web's certificate authorities, or in their place the one of this PEM text.
    ///
    /// # Errors
    /// A text without a certificate.
    pub(crate) fn new(authority: Option<&str>, connect_timeout: Duration) -> Result<Self, Cause> {
        let provider = rustls::crypto::ring::default_provider();
        let tls =
            ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions()?;
        let tls = match authority {
            None => tls.with_webpki_roots(),
            Some(authority) => tls.with_root_certificates(roots(authority)?),
        };
        let mut tcp = TcpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle::TRUSTED)
            .build(connector);
        Ok(Self(client))
    }
}

impl HttpConnector for HttpsClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let response = client.request(request).await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::io(error.into()))
        })
    }
}

fn roots(authority: &str) -> Result<RootCertStore, Cause> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err(pem::Error::NoItemsFound.into()) } else { Ok(roots) }
}
