//! Signing requests as the function's role does, by
//! [Signature Version 4](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableRequest, SigningInstructions, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;

use crate::error::Cause;

/// Signs with one role's keys in one region; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    region: String,
    identity: Identity,
}

impl Signer {
    pub(crate) fn new(region: &str, credentials: Credentials) -> Self {
        Self { region: region.to_owned(), identity: credentials.into() }
    }

    /// The headers that a request must carry for `service` to take it.
    pub(crate) fn sign(
        &self,
        service: &str,
        request: SignableRequest<'_>,
        settings: SigningSettings,
        now: SystemTime,
    ) -> Result<SigningInstructions, Cause> {
        let parameters = SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(service)
            .time(now)
            .settings(settings)
            .build()?
            .into();
        Ok(sign(request, &parameters)?.into_parts().0)
    }
}
