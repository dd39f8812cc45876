//! The user behind a request. What that user may do stands in [`access`](crate::access).

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

use crate::config::Config;
use crate::error::Error;
use crate::ids::UserKey;
use crate::telemetry;

/// The user behind a request, as the platform vouches for them; in open mode, anyone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Principal(Option<UserKey>);

impl Principal {
    /// Reads the claim that the platform's JWT authorizer verified.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where there is none and open mode is off.
    pub fn from_request(request: &Request, config: &Config) -> Result<Self, Error> {
        let claim = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context
                .authorizer
                .as_ref()
                .and_then(|authorizer| authorizer.jwt.as_ref())
                .and_then(|jwt| jwt.claims.get(&config.user_claim)),
            _ => None,
        };
        let principal = Self::from_claim(claim.cloned(), config.allow_anonymous)?;
        if let Some(user) = principal.user() {
            telemetry::user(user);
        }
        Ok(principal)
    }

    fn from_claim(claim: Option<String>, allow_anonymous: bool) -> Result<Self, Error> {
        match claim {
            Some(claim) => {
                UserKey::try_from(claim).map(|user| Self(Some(user))).map_err(|_| Error::Unauthenticated)
            }
            None if allow_anonymous => Ok(Self(None)),
            None => Err(Error::Unauthenticated),
        }
    }

    /// The user, or `None` in open mode.
    pub(crate) fn into_user(self) -> Option<UserKey> {
        self.0
    }

    /// The user, or `None` in open mode.
    pub fn user(&self) -> Option<&UserKey> {
        self.0.as_ref()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn principal(user: &str) -> Principal {
        Principal::from_claim(Some(user.to_owned()), false).expect("a valid key")
    }

    pub(crate) fn anyone() -> Principal {
        Principal::from_claim(None, true).expect("open mode")
    }

    #[test]
    fn nobody_is_anybody_without_the_flag() {
        assert!(matches!(Principal::from_claim(None, false), Err(Error::Unauthenticated)));
        assert_eq!(anyone().user(), None);
    }

    #[test]
    fn a_claim_counts_even_in_open_mode() {
        let principal = Principal::from_claim(Some("alice".into()), true).expect("a valid key");
        assert_eq!(principal.user().map(UserKey::as_str), Some("alice"));
        assert!(Principal::from_claim(Some("\0".into()), true).is_err());
    }
}
