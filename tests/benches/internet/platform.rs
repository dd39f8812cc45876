//! Quotas of the platform, as published; docs/scale.md links each.

/// API Gateway: requests per second of an account in a region, over all APIs and `@connections`, and the bucket's size.
pub(crate) const REQUESTS: f64 = 10_000.0;
pub(crate) const REQUEST_BURST: f64 = 5_000.0;
/// API Gateway: new WebSockets per second.
pub(crate) const UPGRADES: f64 = 500.0;
/// Lambda: concurrent executions.
pub(crate) const CONCURRENCY: f64 = 1_000.0;
/// How long an invocation takes, in seconds, as docs/deploy.md reckons.
pub(crate) const INVOCATION: f64 = 0.03;
/// ElastiCache Serverless: processing units per second, and gigabytes, that a cache may be given.
pub(crate) const UNITS: f64 = 15_000_000.0;
pub(crate) const GIGABYTES: f64 = 5_000.0;
/// Cognito: sign-ins and refreshes per second. An access token lasts an hour.
pub(crate) const SIGN_INS: f64 = 120.0;
pub(crate) const TOKEN_SECONDS: f64 = 3600.0;
/// Cognito: dollars for each active user beyond those that are free.
pub(crate) const USER_DOLLARS: f64 = 0.0055;
pub(crate) const FREE_USERS: f64 = 10_000.0;
