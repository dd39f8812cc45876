//! Tokens for ElastiCache's [IAM authentication](https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html):
//! a presigned request that takes the place of a password.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings};

use crate::config::Config;
use crate::error::Cause;
use crate::signer::Signer;
use crate::uri::encode;

/// The longest a token is valid for.
const VALIDITY: Duration = Duration::from_secs(900);

/// Makes tokens for one user of one cache.
#[derive(Debug)]
pub(super) struct Iam {
    cache: Cache,
    user: String,
    signer: Signer,
}

/// The cache to log in to, by name.
#[derive(Debug)]
pub(super) enum Cache {
    Serverless(String),
    ReplicationGroup(String),
}

impl Iam {
    pub(super) fn new(cache: Cache, user: String, config: &Config) -> Self {
        Self { cache, user, signer: Signer::new(&config.region, config.credentials.for_aws()) }
    }

    pub(super) fn token(&self, now: SystemTime) -> Result<String, Cause> {
        let (name, kind) = match &self.cache {
            Cache::Serverless(name) => (name, "&ResourceType=ServerlessCache"),
            Cache::ReplicationGroup(name) => (name, ""),
        };
        // ElastiCache signs the lowercase name.
        let mut url =
            format!("http://{}/?Action=connect&User={}{kind}", name.to_lowercase(), encode(&self.user));
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(VALIDITY);
        let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]))?;
        let signed = self.signer.sign("elasticache", request, settings, now)?;
        for (name, value) in signed.params() {
            url.push_str(&format!("&{name}={}", encode(value)));
        }
        Ok(url.trim_start_matches("http://").to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_credential_types::Credentials;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn token(cache: Cache, session: Option<&str>) -> String {
        let credentials = Credentials::new("AKIDEXAMPLE", SECRET, session.map(str::to_owned), None, "test");
        let iam = Iam { cache, user: "app-user".into(), signer: Signer::new("eu-west-1", credentials) };
        // 2026-01-02T03:04:05Z
        iam.token(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045)).expect("a token")
    }

    fn parts(token: &str) -> BTreeSet<&str> {
        token.split(['?', '&']).collect()
    }

    /// The token that botocore's `SigV4QueryAuth` makes of the same inputs at the same time.
    #[test]
    fn tokens_equal_botocores() {
        assert_eq!(
            parts(&token(Cache::Serverless("My-Cache".into()), Some("AQoDYXdzEPT//token+="))),
            parts(
                "my-cache/?Action=connect&User=app-user&ResourceType=ServerlessCache\
                 &X-Amz-Algorithm=AWS4-HMAC-SHA256\
                 &X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Felasticache%2Faws4_request\
                 &X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
                 &X-Amz-Security-Token=AQoDYXdzEPT%2F%2Ftoken%2B%3D\
                 &X-Amz-Signature=78720fad8b0143c3f04d259b72ef1fde878431241bec78b8e44eba3cd7a01b0d"
            )
        );
        assert_eq!(
            parts(&token(Cache::ReplicationGroup("My-Cache".into()), None)),
            parts(
                "my-cache/?Action=connect&User=app-user&X-Amz-Algorithm=AWS4-HMAC-SHA256\
                 &X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Felasticache%2Faws4_request\
                 &X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
                 &X-Amz-Signature=5164c0aff9c8f46cefe3b7830bc5773653a422b085cbd505aaedb0be8c5c203b"
            )
        );
    }
}
