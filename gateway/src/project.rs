//! The model of a project: its template once parameters, conditions and intrinsic functions are resolved.

mod route_selection;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::aws;
pub use route_selection::RouteSelection;

/// A project as the gateway runs it.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// By logical id.
    pub functions: BTreeMap<String, Function>,
    pub http_api: Option<HttpApi>,
    pub websocket_api: Option<WebSocketApi>,
}

impl Project {
    /// Whether anything that is served invokes a function.
    pub fn invokes(&self, function: &str) -> bool {
        let http = self.http_api.iter().flat_map(|api| &api.routes).any(|route| route.function == function);
        let mut routes = self.websocket_api.iter().flat_map(|api| api.routes.values());
        http || routes.any(|route| {
            let is_behind = matches!(&route.integration, Integration::Lambda(name) if name == function);
            is_behind || route.authorizer.as_ref().is_some_and(|authorizer| authorizer.function == function)
        })
    }
}

/// An `AWS::Serverless::Function`.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its logical id in the template; also its name towards the function.
    pub name: String,
    /// The name of what runs, in log lines and towards an Invoke endpoint: that of its binary.
    pub program: String,
    /// The folder of its package, or of what was built, absolute.
    pub code_uri: PathBuf,
    /// The binary that its metadata asks for, as `sam build` reads it.
    pub binary: Option<String>,
    pub handler: String,
    /// `Environment.Variables`, resolved, the globals merged in.
    pub environment: BTreeMap<String, String>,
    pub timeout: Duration,
    pub memory_mb: u32,
}

#[derive(Clone, Debug)]
pub struct HttpApi {
    /// Shaped like AWS's: ten lowercase letters and digits, derived from the logical id.
    pub api_id: String,
    /// `$default` has no path prefix; any other stage is served under `/{stage}`.
    pub stage: String,
    pub stage_variables: BTreeMap<String, String>,
    pub cors: Option<Cors>,
    pub routes: Vec<HttpRoute>,
    /// By name.
    pub authorizers: BTreeMap<String, JwtAuthorizer>,
}

impl HttpApi {
    /// The part of a path that leads to the stage; empty for the stage that adds nothing.
    pub fn stage_path(&self) -> String {
        if self.stage == aws::DEFAULT { String::new() } else { format!("/{}", self.stage) }
    }
}

#[derive(Clone, Debug)]
pub struct HttpRoute {
    /// As in events: `GET /messages/{id}`, `ANY /files/{proxy+}`, `$default`.
    pub route_key: String,
    /// The function's logical id.
    pub function: String,
    /// The authorizer's name, if the route has one.
    pub authorizer: Option<String>,
    pub scopes: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Cors {
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub allow_credentials: bool,
    pub max_age_seconds: Option<i32>,
}

#[derive(Clone, Debug)]
pub struct JwtAuthorizer {
    pub issuer: String,
    /// The issuer is a resource of the template itself, or none is given: there is none yet.
    pub needs_stand_in: bool,
    pub audience: Vec<String>,
    /// As in the template: `$request.header.Authorization` or `$request.querystring.name`.
    pub identity_source: String,
}

#[derive(Clone, Debug)]
pub struct WebSocketApi {
    /// Why nobody may open a connection: the authorization of `$connect` cannot be emulated.
    pub closed: Option<String>,
    pub api_id: String,
    pub stage: String,
    pub stage_variables: BTreeMap<String, String>,
    pub route_selection: RouteSelection,
    /// By route key.
    pub routes: BTreeMap<String, WebSocketRoute>,
}

#[derive(Clone, Debug)]
pub struct WebSocketRoute {
    pub integration: Integration,
    /// True where the route has a `RouteResponseSelectionExpression` and a `$default` route response:
    /// the integration's answer is then sent to the client.
    pub two_way: bool,
    /// Only ever on `$connect`.
    pub authorizer: Option<RequestAuthorizer>,
}

#[derive(Clone, Debug)]
pub enum Integration {
    /// The function's logical id.
    Lambda(String),
    /// A fixed answer, from literal templates.
    Mock { response: Option<String> },
}

#[derive(Clone, Debug)]
pub struct RequestAuthorizer {
    pub name: String,
    /// The function's logical id.
    pub function: String,
    /// E.g. `route.request.querystring.token`, `route.request.header.Auth`.
    pub identity_sources: Vec<String>,
}
