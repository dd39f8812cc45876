//! The start: all its steps, and why it failed.

use std::collections::BTreeMap;
use std::path::Path;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dispatch::{self, Servers};
use super::gateway::Gateway;
use super::listen::{self, Port};
use super::options::{Options, Store};
use super::store::RunningStore;
use super::watch::{self, Watch};
use crate::admin;
use crate::executables::{self, BuildError};
use crate::faults::Faults;
use crate::http_api::{Authorizers, HttpApiServer};
use crate::issuer::Issuer;
use crate::lambda::{self, Lambda};
use crate::origin::Guard;
use crate::page::Page;
use crate::project::Project;
use crate::record::Recorder;
use crate::settings::Settings;
use crate::template::{self, Given, Template, TemplateError};
use crate::valkey::{self, ValkeyError};
use crate::websocket_api::{WebSocketApiServer, WebSocketOptions};

/// Why the gateway did not start, in a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Port(String),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("{0}")]
    Settings(String),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Store(#[from] ValkeyError),
    /// A fault that makes no sense.
    #[error("{0}")]
    Faults(String),
    /// The sources cannot be watched.
    #[error("{0}")]
    Watch(String),
    /// The development issuer has no key.
    #[error("{0}")]
    Issuer(String),
}

impl Gateway {
    /// Starts everything; whatever was started is stopped again if something fails.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        // First what fails fast: a taken port should not be found out after a long build.
        let (held, held_for_admin) = take_ports(&options).map_err(StartError::Port)?;
        let port = held.number();
        let faults = Faults::parse(options.faults.iter().map(String::as_str)).map_err(StartError::Faults)?;
        let template = std::path::absolute(&options.template).unwrap_or_else(|_| options.template.clone());
        let folder = template.parent().unwrap_or(Path::new("/")).to_owned();
        let mut settings = Settings::read(&folder).map_err(StartError::Settings)?;
        if options.authorizers != Authorizers::Off {
            settings.close();
        }
        let given = Given {
            parameters: settings.parameters(&options.parameters),
            variables: settings.variables().chain(options.environment.keys()).cloned().collect(),
            elsewhere: options.lambda_url.is_some(),
        };
        let mut project = read_project(&template, &given)?;
        faults.check_routes(project.websocket_api.as_ref()).map_err(StartError::Faults)?;
        let issuer = match options.authorizers {
            Authorizers::Enforced => {
                Issuer::stand_in(&mut project, &folder, port).await.map_err(StartError::Issuer)?
            }
            _ => None,
        };
        if let (true, Store::Url(url)) = (settings.needs_store(), &options.store) {
            valkey::check(url).await?;
        }
        let record = match &options.record {
            Some(file) => Recorder::open(file).map_err(|error| {
                StartError::Settings(format!(
                    "{} cannot be written ({error}): name another --record",
                    file.display()
                ))
            })?,
            None => Recorder::default(),
        };
        let websocket_options = websocket_options(&options, &faults, &record);

        // Then what takes long: functions and store.
        let executables = match options.executables {
            Some(executables) => executables,
            None if options.lambda_url.is_some() => BTreeMap::new(),
            None => executables::build(&project, &folder).await?,
        };
        let store = match settings.needs_store() {
            true => Some(
                RunningStore::open(options.store, options.store_port, &folder, settings.store_layout).await?,
            ),
            false => None,
        };
        let endpoint = format!("http://127.0.0.1:{port}");
        let store_url = store.as_ref().map(RunningStore::url);
        let mut environment = settings.environment(&endpoint, store_url);
        environment.extend(options.environment);
        let lambda = Lambda::start(lambda::Options {
            functions: project.functions.clone(),
            executables: executables.clone(),
            environment: environment.clone(),
            concurrency: options.concurrency,
            verbosity: options.verbosity,
            remote: options.lambda_url,
            record,
            ..lambda::Options::default()
        });

        // Then all that answers on a port.
        let http = project
            .http_api
            .clone()
            .map(|api| HttpApiServer::new(api, lambda.clone(), port, &options.authorizers, issuer.as_ref()));
        let websocket = project
            .websocket_api
            .clone()
            .map(|api| WebSocketApiServer::new(api, lambda.clone(), websocket_options));
        let anybody_may_enter = options.authorizers == Authorizers::Off || issuer.is_some();
        let app = dispatch::router(Servers {
            http,
            websocket: websocket.clone(),
            issuer: issuer.clone(),
            guard: anybody_may_enter.then(|| guard(&project, &options.hosts)),
            page: settings.page.as_deref().map(|page| Page::new(page, &settings.folders)),
        });
        let (shutdown, serving) = (CancellationToken::new(), TaskTracker::new());
        let admin_port = held_for_admin.as_ref().map(Port::number);
        if let Some(held) = held_for_admin {
            let admin = admin::router(faults.clone(), lambda.clone(), websocket.clone());
            held.serve(&admin, &serving, &shutdown).map_err(StartError::Port)?;
        }
        held.serve(&app, &serving, &shutdown).map_err(StartError::Port)?;
        if options.watch {
            let watch = Watch { project: project.clone(), template, lambda: lambda.clone(), executables };
            let watching = watch::start(watch, shutdown.clone()).map_err(StartError::Watch)?;
            serving.spawn(watching);
        }
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
            hosts: options.hosts,
            serving,
            shutdown: shutdown.drop_guard(),
        })
    }
}

/// The gateway's own port, and that of the admin API if it is to have one.
fn take_ports(options: &Options) -> Result<(Port, Option<Port>), String> {
    let own = listen::take(options.port, &options.hosts)?;
    let port = own.number();
    if options.admin_port == Some(port) {
        return Err(format!("Port {port} cannot be both: choose another --admin-port"));
    }
    Ok((own, options.admin_port.map(|port| listen::take(port, &[])).transpose()?))
}

fn read_project(template: &Path, given: &Given) -> Result<Project, StartError> {
    let Template { mut project, warnings } = template::read(template, given)?;
    executables::name_programs(&mut project);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    Ok(project)
}

fn websocket_options(options: &Options, faults: &Faults, record: &Recorder) -> WebSocketOptions {
    let platform =
        WebSocketOptions { faults: faults.clone(), record: record.clone(), ..WebSocketOptions::default() };
    let platform = if options.aws_limits { platform.with_aws_limits() } else { platform };
    WebSocketOptions {
        idle_limit: options.idle_limit.or(platform.idle_limit),
        lifetime: options.lifetime.or(platform.lifetime),
        in_flight: if options.serial_frames { 1 } else { platform.in_flight },
        ..platform
    }
}

fn guard(project: &Project, hosts: &[String]) -> Guard {
    let cors = project.http_api.as_ref().and_then(|api| api.cors.as_ref());
    Guard::new(cors.map(|cors| cors.allow_origins.as_slice()).unwrap_or_default(), hosts)
}
