//! How a gateway of a test's own differs from others.

use std::path::Path;
use std::sync::Arc;

use gateway::http_api::Authorizers;
use gateway::server::{Options, Store};

use super::{App, Mode, TestGateway};
use crate::environment::{executables, released, root};
use crate::issuer::{AUDIENCE, Issuer};
use crate::{Clock, StoreKind, TestStore};

/// A gateway that is not started yet: in open mode and on the single server that all tests share, until told otherwise.
#[derive(Debug, Default)]
pub struct AppBuilder {
    options: Options,
    has_store: bool,
}

impl AppBuilder {
    /// On the store of this kind that all tests share.
    pub fn on(self, kind: StoreKind) -> Self {
        self.on_store(TestStore::shared(kind))
    }

    /// On this store, on which there may be several gateways.
    pub fn on_store(self, store: &TestStore) -> Self {
        self.at(store.url(), store.authority())
    }

    /// On a store at this URL, behind a certificate of this authority if it speaks TLS.
    pub fn at(mut self, url: impl Into<String>, authority: Option<&str>) -> Self {
        self.options.store = Store::Url(url.into());
        self.has_store = true;
        match authority {
            Some(pem) => self.parameter("RedisTlsCa", pem),
            None => self,
        }
    }

    /// On a private store of the gateway's own that keeps its data in this folder.
    pub fn with_private_store(mut self, folder: &Path) -> Self {
        self.options.store = Store::KeptIn(folder.to_owned());
        self.has_store = true;
        self
    }

    /// In this mode.
    pub fn mode(self, mode: Mode) -> Self {
        match mode {
            Mode::Open => self,
            Mode::Guarded => self.guarded(),
        }
    }

    /// Asks for tokens of the [`Issuer`]. Without limits, which a test that wants them sets by their parameters.
    pub fn guarded(mut self) -> Self {
        self.options.authorizers = Authorizers::Enforced;
        self.parameter("JwtIssuer", &Issuer::shared().url)
            .parameter("JwtAudience", AUDIENCE)
            .parameter("MessagesPerSecond", "0")
            .parameter("RegistersPerMinute", "0")
            .parameter("FramesPerSecond", "0")
    }

    /// Asks for tokens of the gateway's own development issuer.
    pub fn guarded_by_development_issuer(mut self) -> Self {
        self.options.authorizers = Authorizers::Enforced;
        self
    }

    /// These faults happen, written as on the command line.
    pub fn faults(mut self, faults: &[&str]) -> Self {
        self.options.faults = faults.iter().map(|&fault| fault.to_owned()).collect();
        self
    }

    /// Functions read this clock.
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.options.environment.extend(clock.environment());
        self
    }

    /// Frames of one connection are handled one after another.
    pub fn serial_frames(mut self) -> Self {
        self.options.serial_frames = true;
        self
    }

    /// Each function has one instance at most.
    pub fn one_instance(mut self) -> Self {
        self.options.concurrency = 1;
        self
    }

    /// Gives every function this variable, over all others of its name.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.options.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives the template this parameter.
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.options.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// These functions, by their logical ids, are built as they are deployed.
    pub fn released(mut self, functions: &[&str]) -> Self {
        self.options.executables = Some(released(functions));
        self
    }

    /// Functions run behind this endpoint, which speaks the Lambda Invoke API.
    pub fn invoked_at(mut self, url: &str) -> Self {
        self.options.lambda_url = Some(url.to_owned());
        self
    }

    /// Starts the gateway; it ends with the last clone of the `App`.
    pub async fn start(self) -> App {
        App::of(Arc::new(self.start_gateway()))
    }

    /// Starts the gateway, without a client for it.
    pub fn start_gateway(self) -> TestGateway {
        let mut this = if self.has_store { self } else { self.on(StoreKind::Single) };
        // As deployed: a line for each invocation, which the tests look at.
        let environment = &mut this.options.environment;
        environment.entry("AWS_LAMBDA_LOG_FORMAT".to_owned()).or_insert_with(|| "JSON".to_owned());
        TestGateway::start(Options {
            template: root().join("template.yaml"),
            executables: Some(this.options.executables.clone().unwrap_or_else(|| executables().clone())),
            ..this.options
        })
    }
}
