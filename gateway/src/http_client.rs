//! The gateway's HTTP client: it fetches key sets of issuers and invokes functions behind an Invoke endpoint.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::uri::Scheme;
use axum::http::{StatusCode, Uri};
use bytes::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use tokio::time::timeout;

const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST_DOWNLOAD: usize = 1024 * 1024;

/// Speaks HTTP and HTTPS; cheap to clone.
pub(crate) type HttpClient<C = HttpConnector> = Client<HttpsConnector<C>, Body>;

/// A client that connects directly, whatever proxy the environment names.
pub(crate) fn new() -> HttpClient {
    over(tcp())
}

/// Fetches what is at this URL. HTTPS goes through the proxy that the environment names, if any (`HTTPS_PROXY`,
/// `NO_PROXY`).
pub(crate) async fn download(url: &str) -> Result<Bytes, String> {
    download_by(&Matcher::from_env(), url).await
}

/// An error with all its causes.
pub(crate) fn describe(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn download_by(proxies: &Matcher, url: &str) -> Result<Bytes, String> {
    let fetch = async {
        let uri: Uri = url.parse().map_err(|error| describe(&error))?;
        let proxy = if uri.scheme() == Some(&Scheme::HTTPS) { proxies.intercept(&uri) } else { None };
        let Some(proxy) = proxy else { return get(&new(), uri).await };
        let tunnel = Tunnel::new(proxy.uri().clone(), tcp());
        match proxy.basic_auth() {
            Some(login) => get(&over(tunnel.with_auth(login.clone())), uri).await,
            None => get(&over(tunnel), uri).await,
        }
    };
    match timeout(DOWNLOAD_TIMEOUT, fetch).await {
        Ok(result) => result.map_err(|why| format!("{url}: {why}")),
        Err(_) => Err(format!("{url}: there was no answer within {} s", DOWNLOAD_TIMEOUT.as_secs())),
    }
}

async fn get<C>(client: &HttpClient<C>, uri: Uri) -> Result<Bytes, String>
where
    HttpsConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let response = client.get(uri).await.map_err(|error| describe(&error))?;
    if response.status() != StatusCode::OK {
        return Err(format!("it answered {}", response.status()));
    }
    let body = to_bytes(Body::new(response.into_body()), LARGEST_DOWNLOAD).await;
    body.map_err(|error| describe(&error))
}

fn tcp() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

/// Trusts the compiled-in roots, so that it works on a machine that has none.
fn over<C>(connector: C) -> HttpClient<C>
where
    HttpsConnector<C>: Connect + Clone,
{
    let secure = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(ring::default_provider())
        .expect("ring speaks TLS 1.2 and 1.3")
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new()).build(secure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    /// Answers one connection with this text and tells the first line of what it was asked.
    async fn answer_once(listener: TcpListener, answer: &'static str) -> String {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut stream = BufReader::new(stream);
        let mut asked = String::new();
        while !asked.ends_with("\r\n\r\n") {
            stream.read_line(&mut asked).await.expect("a request");
        }
        stream.write_all(answer.as_bytes()).await.expect("written");
        asked.lines().next().unwrap_or_default().to_owned()
    }

    async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        (listener, url)
    }

    #[tokio::test]
    async fn a_download_needs_a_good_status_and_a_server() {
        for (answer, result) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Ok("{}")),
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", Err("it answered 404 Not Found")),
        ] {
            let (listener, url) = listen().await;
            let (asked, got) = tokio::join!(answer_once(listener, answer), download(&url));
            assert_eq!(asked, "GET / HTTP/1.1");
            match result {
                Ok(body) => assert_eq!(got.expect("a body"), body),
                Err(why) => assert_eq!(got.expect_err("no body"), format!("{url}: {why}")),
            }
        }
        let (listener, url) = listen().await;
        drop(listener);
        let error = download(&url).await.expect_err("nothing listens there");
        assert!(error.contains("Connection refused"), "{error}");
    }

    #[tokio::test]
    async fn only_https_goes_by_way_of_a_proxy() {
        let (proxy, url) = listen().await;
        let proxies = Matcher::builder().all(url).build();
        let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        let (asked, got) = tokio::join!(
            answer_once(proxy, refusal),
            download_by(&proxies, "https://issuer.example/keys.json")
        );
        assert_eq!(asked, "CONNECT issuer.example:443 HTTP/1.1");
        assert!(got.is_err());
        let (server, url) = listen().await;
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let (asked, got) = tokio::join!(answer_once(server, answer), download_by(&proxies, &url));
        assert_eq!((asked.as_str(), got), ("GET / HTTP/1.1", Ok(Bytes::from("{}"))));
    }
}
