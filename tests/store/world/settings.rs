//! The settings of a function, and a principal that its platform vouches for.

use shared::config::Config;
use shared::identity::Principal;
use shared::ids::UserKey;

/// The principal that the platform's authorizer vouches for.
pub(crate) fn vouched_for(user: &UserKey) -> Principal {
    let event = serde_json::json!({
        "version": "2.0", "routeKey": "GET /messages", "rawPath": "/messages", "rawQueryString": "", "headers": {},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdef1234", "stage": "$default", "requestId": "r",
            "routeKey": "GET /messages", "time": "01/Jan/2024:12:00:00 +0000", "timeEpoch": 1_704_110_400_000_u64,
            "authorizer": { "jwt": { "claims": { "sub": user.as_str() }, "scopes": null } },
            "http": { "method": "GET", "path": "/messages", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                      "userAgent": "tests" },
        },
        "isBase64Encoded": false,
    });
    let request = lambda_http::request::from_str(&event.to_string()).expect("an event of an HTTP API");
    Principal::from_request(&request, &config("redis://localhost", None, false)).expect("a verified claim")
}

/// The settings of a function whose store is here, behind a certificate of this authority.
pub(crate) fn config(redis_url: &str, authority: Option<&str>, open: bool) -> Config {
    config_keeping(redis_url, authority, open, 0)
}

pub(super) fn config_keeping(redis_url: &str, authority: Option<&str>, open: bool, days: u16) -> Config {
    let days = days.to_string();
    let setting = |name: &str| {
        let value = match name {
            "REDIS_URL" => redis_url,
            "REDIS_TLS_CA" => authority?,
            "MANAGEMENT_ENDPOINT" => "http://localhost",
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "test",
            "ALLOW_ANONYMOUS" if open => "true",
            "CONNECTION_LIFETIME" => "7200",
            "RETENTION_DAYS" => &days,
            _ => return None,
        };
        Some(value.to_owned())
    };
    Config::read(setting).expect("complete settings")
}
