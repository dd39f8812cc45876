//! The API Gateway management API: posting to connections, and closing them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_apigatewaymanagement::error::{DisplayErrorContext, SdkError};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::config::Config;
use crate::error::Cause;
use crate::https::HttpsClient;
use crate::ids::ConnectionId;
use crate::signer::Signer;
use crate::uri::encode;

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Attempts, and how long the first pause between them may be; each later one may be twice as long.
const ATTEMPTS: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(50);

/// How much of the platform's sentence is told. What follows may repeat the request, with its token.
const SENTENCE_CHARS: usize = 160;

/// One client of one WebSocket API; cheap to clone. It sets no time limit but that for connecting.
///
/// Posts are signed and sent without the SDK's orchestration, which took as much CPU time for the two of a message as
/// all else that its function does. The SDK closes connections, which is rare, and is made when that first happens.
#[derive(Clone, Debug)]
pub(crate) struct Management {
    endpoint: String,
    region: String,
    credentials: Credentials,
    signer: Signer,
    connector: SharedHttpConnector,
    sdk: Arc<OnceLock<Client>>,
}

/// Why a frame was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// The connection does not exist any more.
    #[error("the connection is gone")]
    Gone,
    /// The platform answered otherwise.
    #[error("the management API answered {status}: {sentence}")]
    Refused { status: u16, sentence: String },
    /// No answer came.
    #[error("{}", DisplayErrorContext(.0))]
    Unanswered(ConnectorError),
    /// The request could not be made.
    #[error("{0}")]
    Unsent(Cause),
}

impl Management {
    /// A client of the API that the settings name.
    ///
    /// # Errors
    /// `MANAGEMENT_TLS_CA` without a certificate.
    pub(crate) fn new(config: &Config) -> Result<Self, Cause> {
        let client = HttpsClient::new(config.management_tls_ca.as_deref(), CONNECT_TIMEOUT)?;
        let credentials = config.credentials.for_aws();
        Ok(Self {
            endpoint: config.management_endpoint.trim_end_matches('/').to_owned(),
            region: config.region.clone(),
            signer: Signer::new(&config.region, credentials.clone()),
            credentials,
            connector: SharedHttpConnector::new(client),
            sdk: Arc::default(),
        })
    }

    /// The SDK's client, over the same connections.
    fn sdk(&self) -> &Client {
        self.sdk.get_or_init(|| {
            let connector = self.connector.clone();
            let config = aws_sdk_apigatewaymanagement::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new(self.region.clone()))
                .endpoint_url(&self.endpoint)
                .credentials_provider(self.credentials.clone())
                .http_client(http_client_fn(move |_, _| connector.clone()))
                .retry_config(
                    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF),
                )
                .timeout_config(TimeoutConfig::disabled())
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .build();
            Client::from_conf(config)
        })
    }

    /// Opens a connection ahead of the first post, best effort.
    pub(crate) async fn warm(&self) {
        // No connection has this id; whatever the answer, the way there is open then.
        let url = format!("{}/@connections/none", self.endpoint);
        let Ok(request) = self.signed("GET", &url, "", SystemTime::now()) else { return };
        let asked = async { Some(read(self.connector.call(request).await.ok()?).await) };
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, asked).await;
    }

    /// Posts one frame, again where that may help.
    pub(crate) async fn post(&self, connection: &ConnectionId, frame: &str) -> Result<(), PostError> {
        let url = self.url(connection);
        let mut pause = BACKOFF;
        for _ in 1..ATTEMPTS {
            match self.post_once(&url, frame).await {
                Err(error) if error.is_transient() => {}
                result => return result,
            }
            // A random part of it, so that functions refused together do not come back together.
            tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
            pause *= 2;
        }
        self.post_once(&url, frame).await
    }

    fn url(&self, connection: &ConnectionId) -> String {
        format!("{}/@connections/{}", self.endpoint, encode(connection.as_str()))
    }

    async fn post_once(&self, url: &str, frame: &str) -> Result<(), PostError> {
        let request = self.signed("POST", url, frame, SystemTime::now()).map_err(PostError::Unsent)?;
        let response = self.connector.call(request).await.map_err(PostError::Unanswered)?;
        let status = response.status().as_u16();
        // Read to its end, or its connection would not serve the next request.
        let body = read(response).await;
        match status {
            200..300 => Ok(()),
            410 => Err(PostError::Gone),
            status => {
                let sentence = body.chars().take(SENTENCE_CHARS).collect();
                Err(PostError::Refused { status, sentence })
            }
        }
    }

    fn signed(&self, method: &str, url: &str, body: &str, now: SystemTime) -> Result<HttpRequest, Cause> {
        let signable_body = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new(method, url, std::iter::empty(), signable_body)?;
        let signed = self.signer.sign("execute-api", signable, SigningSettings::default(), now)?;
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method)?;
        request.set_uri(url)?;
        let headers = request.headers_mut();
        for (name, value) in signed.headers() {
            headers.insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }

    /// Closes a connection; one that is gone already is as good.
    pub(crate) async fn close(&self, connection: &ConnectionId) -> Result<(), Cause> {
        match self.sdk().delete_connection().connection_id(connection.as_str()).send().await {
            Err(SdkError::ServiceError(error)) if error.err().is_gone_exception() => Ok(()),
            Err(error) => Err(DisplayErrorContext(error).to_string().into()),
            Ok(_) => Ok(()),
        }
    }
}

async fn read(response: HttpResponse) -> String {
    let bytes = ByteStream::new(response.into_body()).collect().await.map(|bytes| bytes.to_vec());
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

impl PostError {
    /// Whether the next attempt may fare better.
    fn is_transient(&self) -> bool {
        match self {
            Self::Gone | Self::Unsent(_) => false,
            Self::Refused { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            Self::Unanswered(error) => !error.is_user(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signatures that botocore's `SigV4Auth` makes of the same requests at the same time.
    #[test]
    fn signatures_equal_botocores() {
        let deployed = (
            "https://abc123.execute-api.eu-west-1.amazonaws.com/prod",
            "AQoDYXdzEPT//token+=",
            r#"{"type":"new_message","data":{"content":"héllo"}}"#,
            "SignedHeaders=host;x-amz-date;x-amz-security-token, \
             Signature=7e6cb424a57c752fd4b53f1c0eee1ee5c604f0a0ad17c214532abcb68426d482",
        );
        let local = (
            "http://127.0.0.1:3000",
            "",
            r#"{"type":"pong"}"#,
            "SignedHeaders=host;x-amz-date, \
             Signature=af430251916c573b0453507ce31129630b97b91da5c74f3abd7fabf3236ec47b",
        );
        for (endpoint, token, frame, signature) in [deployed, local] {
            let config = Config::read(|name| {
                let value = match name {
                    "REDIS_URL" => "redis://localhost",
                    "MANAGEMENT_ENDPOINT" => endpoint,
                    "AWS_REGION" => "eu-west-1",
                    "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE",
                    "AWS_SECRET_ACCESS_KEY" => "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                    "AWS_SESSION_TOKEN" => token,
                    _ => return None,
                };
                Some(value.to_owned())
            });
            let management = Management::new(&config.expect("complete")).expect("no authority of its own");
            let url = management.url(&ConnectionId::from_platform("L0SM9cOFvHcCIhw="));
            assert_eq!(url, format!("{endpoint}/@connections/L0SM9cOFvHcCIhw%3D"));
            // 2026-01-02T03:04:05Z
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
            let request = management.signed("POST", &url, frame, now).expect("a good URL");
            let header = |name| request.headers().get(name).unwrap_or_default();
            assert_eq!(
                header("authorization"),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/execute-api/aws4_request, {signature}"
                )
            );
            assert_eq!(header("x-amz-date"), "20260102T030405Z");
            assert_eq!(header("x-amz-security-token"), token);
        }
    }
}
