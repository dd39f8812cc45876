//! The gateway as a whole: one port in front of every door, and what has to run behind them.

mod listen;
mod options;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap};
use axum::response::Response;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::connections_api;
use crate::executables::{self, BuildError};
use crate::faults::{self, Faults};
use crate::http_api::{self, Authorizers, HttpDoor};
use crate::issuer::Issuer;
use crate::lambda::{self, Lambda};
use crate::origin::Guard;
use crate::page::Page;
use crate::project::Project;
use crate::settings::Settings;
use crate::template::{self, Template, TemplateError};
use crate::valkey::{self, Valkey, ValkeyError};
use crate::websocket_api::{WebSocketDoor, WebSocketOptions};
use listen::Port;

pub use options::{Options, Store};

/// How long requests in progress may take when the gateway stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST_PUSH: usize = 10 * 1024 * 1024;

/// Why the gateway did not start, in a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    Port(String),
    Template(TemplateError),
    Settings(String),
    Build(BuildError),
    Store(ValkeyError),
    /// A fault that makes no sense.
    Faults(String),
    /// The development issuer has no key.
    Issuer(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(text) | Self::Settings(text) | Self::Faults(text) | Self::Issuer(text) => {
                formatter.write_str(text)
            }
            Self::Template(error) => error.fmt(formatter),
            Self::Build(error) => error.fmt(formatter),
            Self::Store(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for StartError {}

/// A running gateway; [`Gateway::stop`] ends it in order, dropping it ends it at once.
#[derive(Debug)]
pub struct Gateway {
    port: u16,
    project: Project,
    environment: BTreeMap<String, String>,
    page: Option<PathBuf>,
    signed_in_examples: Vec<String>,
    enforces_authorizers: bool,
    issuer: Option<Issuer>,
    store: Option<RunningStore>,
    lambda: Lambda,
    websocket: Option<WebSocketDoor>,
    faults: Faults,
    admin_port: Option<u16>,
    serving: TaskTracker,
    shutdown: DropGuard,
}

/// The store that functions use.
#[derive(Debug)]
pub enum RunningStore {
    /// Somebody else's.
    Given(String),
    Own(Box<Valkey>),
}

impl RunningStore {
    pub fn url(&self) -> String {
        match self {
            Self::Given(url) => url.clone(),
            Self::Own(valkey) => valkey.url(),
        }
    }
}

impl Gateway {
    /// Starts everything; whatever was started is stopped again if something fails.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        // First what fails fast: a taken port should not be found out after a long build.
        let held = listen::take(options.port).map_err(StartError::Port)?;
        let port = held.number();
        if options.admin_port == Some(port) {
            return Err(StartError::Port(format!("Port {port} cannot be both: choose another --admin-port")));
        }
        let held_for_admin = options.admin_port.map(listen::take).transpose().map_err(StartError::Port)?;
        let admin_port = held_for_admin.as_ref().map(Port::number);
        let faults = Faults::parse(options.faults.iter().map(String::as_str)).map_err(StartError::Faults)?;
        let template = std::path::absolute(&options.template).unwrap_or_else(|_| options.template.clone());
        let folder = template.parent().unwrap_or(Path::new("/")).to_owned();
        let Template { mut project, warnings } =
            template::read(&template, &options.parameters).map_err(StartError::Template)?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        faults.check_routes(project.websocket_api.as_ref()).map_err(StartError::Faults)?;
        let mut settings = Settings::read(&folder).map_err(StartError::Settings)?;
        if options.authorizers != Authorizers::Off {
            settings.close();
        }
        let issuer = match options.authorizers {
            Authorizers::Enforced => {
                Issuer::stand_in(&mut project, &folder, port).await.map_err(StartError::Issuer)?
            }
            _ => None,
        };
        if let (true, Store::Url(url)) = (settings.needs_store(), &options.store) {
            valkey::check(url).await.map_err(StartError::Store)?;
        }
        let executables = match options.executables {
            Some(executables) => executables,
            None if options.lambda_url.is_some() => BTreeMap::new(),
            None => executables::build(&project, &folder).await.map_err(StartError::Build)?,
        };
        let store = match settings.needs_store() {
            true => Some(open_store(options.store, &folder).await.map_err(StartError::Store)?),
            false => None,
        };
        let endpoint = format!("http://127.0.0.1:{port}");
        let store_url = store.as_ref().map(RunningStore::url);
        let mut environment = settings.environment(&endpoint, store_url.as_deref());
        environment.extend(options.environment);

        let lambda = Lambda::start(lambda::Options {
            functions: project.functions.clone(),
            executables,
            environment: environment.clone(),
            concurrency: options.concurrency,
            verbosity: options.verbosity,
            remote: options.lambda_url,
            ..lambda::Options::default()
        });
        let websocket = project.websocket_api.clone().map(|api| {
            let limits = WebSocketOptions { faults: faults.clone(), ..WebSocketOptions::default() };
            let mut limits = if options.aws_limits { limits.with_aws_limits() } else { limits };
            limits.idle_limit = options.idle_limit.or(limits.idle_limit);
            limits.lifetime = options.lifetime.or(limits.lifetime);
            WebSocketDoor::new(api, lambda.clone(), limits)
        });
        let shutdown = CancellationToken::new();
        let serving = TaskTracker::new();
        if let Some(held) = held_for_admin {
            let admin = faults::admin(faults.clone(), lambda.clone(), websocket.clone());
            held.serve(&admin, &serving, &shutdown).map_err(StartError::Port)?;
        }

        let anybody_may_enter = options.authorizers == Authorizers::Off || issuer.is_some();
        let doors = Doors {
            http: project
                .http_api
                .clone()
                .map(|api| HttpDoor::new(api, lambda.clone(), port, &options.authorizers, issuer.as_ref())),
            websocket: websocket.clone(),
            issuer: issuer.clone(),
            guard: anybody_may_enter.then(|| guard(&project)),
            page: settings.page.as_deref().map(Page::new),
        };
        let app = Router::new().fallback(dispatch).with_state(Arc::new(doors));
        held.serve(&app, &serving, &shutdown).map_err(StartError::Port)?;
        serving.close();
        Ok(Self {
            port,
            project,
            environment,
            page: settings.page,
            signed_in_examples: settings.signed_in_examples,
            enforces_authorizers: options.authorizers != Authorizers::Off,
            issuer,
            store,
            lambda,
            websocket,
            faults,
            admin_port,
            serving,
            shutdown: shutdown.drop_guard(),
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Without a slash at its end; works with or without IPv6.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn project(&self) -> &Project {
        &self.project
    }

    /// What every function gets besides what the template says.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// What functions that somebody else starts must be given: all that is set here but their own names.
    pub fn environment_elsewhere(&self) -> BTreeMap<String, String> {
        let mut variables: BTreeMap<String, String> =
            lambda::platform_variables().map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        for function in self.project.functions.values() {
            variables.extend(function.environment.clone());
        }
        variables.extend(self.environment.clone());
        variables
    }

    pub fn store(&self) -> Option<&RunningStore> {
        self.store.as_ref()
    }

    pub fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// For counting and cutting connections in tests.
    pub fn websocket(&self) -> Option<&WebSocketDoor> {
        self.websocket.as_ref()
    }

    /// What goes wrong on purpose; changes take effect at once.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Where faults can be changed, if anywhere.
    pub fn admin_port(&self) -> Option<u16> {
        self.admin_port
    }

    /// The folder of the static page, if there is one.
    pub fn page(&self) -> Option<&Path> {
        self.page.as_deref()
    }

    /// Whether routes with an authorizer ask for a token.
    pub fn enforces_authorizers(&self) -> bool {
        self.enforces_authorizers
    }

    /// The development issuer, where it stands in for one that the template creates.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// Lines to try with a token, as the project words them.
    pub fn signed_in_examples(&self) -> &[String] {
        &self.signed_in_examples
    }

    /// Finishes what is in progress, then stops sockets, functions and store, in this order.
    pub async fn stop(self) {
        // Sockets first: their `$disconnect`s still push and write through this port.
        if let Some(websocket) = &self.websocket {
            websocket.stop().await;
        }
        drop(self.shutdown);
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.serving.wait()).await;
        self.lambda.stop().await;
        if let Some(RunningStore::Own(mut valkey)) = self.store {
            valkey.stop().await;
        }
    }
}

async fn open_store(store: Store, folder: &Path) -> Result<RunningStore, ValkeyError> {
    let tools = folder.join(".local");
    let dir = match store {
        Store::Url(url) => return Ok(RunningStore::Given(url)),
        Store::Kept => Some(tools.join("store")),
        Store::Ephemeral => None,
    };
    let program = valkey::find(&tools).await?;
    tracing::info!("Starting the store ({}, {}) …", program.path.display(), program.origin);
    let options = valkey::Options { dir, tools: Some(tools), program: Some(program) };
    Ok(RunningStore::Own(Valkey::start(options).await?.into()))
}

fn guard(project: &Project) -> Guard {
    let cors = project.http_api.as_ref().and_then(|api| api.cors.as_ref());
    Guard::new(cors.map(|cors| cors.allow_origins.as_slice()).unwrap_or_default())
}

#[derive(Debug)]
struct Doors {
    http: Option<HttpDoor>,
    websocket: Option<WebSocketDoor>,
    issuer: Option<Issuer>,
    /// Only where nobody has to prove who they are.
    guard: Option<Guard>,
    page: Option<Page>,
}

async fn dispatch(
    State(doors): State<Arc<Doors>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let started = std::time::Instant::now();
    let response = doors.answer(request, peer).await;
    // Not the query: it may hold a token.
    tracing::debug!("{method} {} {} in {:.1?}", uri.path(), response.status().as_u16(), started.elapsed());
    response
}

impl Doors {
    async fn answer(&self, request: Request, peer: SocketAddr) -> Response {
        let upgrade = asks_for_websocket(request.headers());
        let (method, uri) = (request.method(), request.uri());
        if let Some(why) =
            self.guard.as_ref().and_then(|guard| guard.refuse(method, uri, request.headers(), upgrade))
        {
            tracing::warn!("{method} {}: refused: {why}", uri.path());
            return http_api::answer_forbidden();
        }
        if let Some(websocket) = &self.websocket {
            if upgrade {
                return websocket.upgrade(request, peer).await;
            }
            if connection_id(uri.path(), websocket.stage()).is_some() {
                return manage_connection(websocket, request).await;
            }
        }
        if let Some(issuer) = self.issuer.as_ref().filter(|issuer| issuer.serves(uri.path())) {
            return issuer.handle(request).await;
        }
        let routed = self.http.as_ref().is_some_and(|http| http.has_route(method, uri.path()));
        if let (false, Some(page)) = (routed, &self.page) {
            let file = page.serve(&request);
            if let Some(response) = file.await {
                return response;
            }
        }
        match &self.http {
            Some(http) => http.handle(request, peer).await,
            None => http_api::answer_not_found(),
        }
    }
}

async fn manage_connection(websocket: &WebSocketDoor, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let id = connection_id(parts.uri.path(), websocket.stage()).unwrap_or_default();
    // Anything over the platform's 128 KB is refused there; more than this is not even read.
    match axum::body::to_bytes(body, LARGEST_PUSH).await {
        Ok(body) => connections_api::handle(websocket, &parts.method, id, body).await,
        Err(_) => connections_api::too_large(),
    }
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let holds = |name, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    holds(header::CONNECTION, "upgrade") && holds(header::UPGRADE, "websocket")
}

/// The id, still encoded, in `/@connections/{id}` and `/{stage}/@connections/{id}`.
fn connection_id<'p>(path: &'p str, stage: &str) -> Option<&'p str> {
    const BELOW: &str = "/@connections/";
    let staged = || path.strip_prefix('/')?.strip_prefix(stage)?.strip_prefix(BELOW);
    path.strip_prefix(BELOW).or_else(staged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_found_with_and_without_the_stage() {
        assert_eq!(connection_id("/@connections/a%3D", "live"), Some("a%3D"));
        assert_eq!(connection_id("/live/@connections/a%3D", "live"), Some("a%3D"));
        assert_eq!(connection_id("/other/@connections/a", "live"), None);
        assert_eq!(connection_id("/@connections", "live"), None);
        assert_eq!(connection_id("/live/messages", "live"), None);
    }

    #[test]
    fn only_a_websocket_upgrade_counts_as_one() {
        let headers = |connection: &str, upgrade: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONNECTION, connection.parse().expect("a header"));
            headers.insert(header::UPGRADE, upgrade.parse().expect("a header"));
            headers
        };
        assert!(asks_for_websocket(&headers("keep-alive, Upgrade", "WebSocket")));
        assert!(!asks_for_websocket(&headers("upgrade", "h2c")));
        assert!(!asks_for_websocket(&headers("keep-alive", "websocket")));
    }
}
