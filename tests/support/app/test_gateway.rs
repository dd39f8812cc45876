//! A gateway of this process.

use std::sync::{Arc, OnceLock};

use gateway::http_api::Authorizers;
use gateway::server::{Gateway, Options};
use strum::EnumCount as _;

use super::{App, Mode};
use crate::StoreKind;
use crate::environment::block_on;

/// A gateway that can be stopped and started again; dropped, it ends, and so do its functions.
#[derive(Debug)]
pub struct TestGateway {
    options: Options,
    running: Option<Gateway>,
}

impl TestGateway {
    /// The gateway in open mode that all tests share, on the shared store of this kind.
    pub fn shared(kind: StoreKind) -> Arc<Self> {
        static SHARED: [OnceLock<Arc<TestGateway>>; StoreKind::COUNT] =
            [const { OnceLock::new() }; StoreKind::COUNT];
        let start = || Arc::new(App::builder().on(kind).start_gateway());
        Arc::clone(SHARED[kind as usize].get_or_init(start))
    }

    pub(super) fn start(options: Options) -> Self {
        let running = start(options.clone());
        Self { options: Options { port: running.port(), ..options }, running: Some(running) }
    }

    /// Stops it in order: every connection is closed.
    pub fn stop(&mut self) {
        let gateway = self.running.take().expect("it runs");
        block_on(|| gateway.stop());
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        self.running = Some(start(self.options.clone()));
    }

    /// Starts it again, on the same port, now asking for tokens of its own development issuer.
    pub fn start_guarded(&mut self) {
        self.options.authorizers = Authorizers::Enforced;
        self.start_again();
    }

    /// The gateway while it runs.
    pub fn running(&self) -> &Gateway {
        self.running.as_ref().expect("it runs")
    }

    pub fn port(&self) -> u16 {
        self.options.port
    }

    pub(super) fn mode(&self) -> Mode {
        match self.options.authorizers {
            Authorizers::Enforced => Mode::Guarded,
            _ => Mode::Open,
        }
    }

    /// As browsers know it; without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port())
    }
}

fn start(options: Options) -> Gateway {
    block_on(|| Gateway::start(options)).unwrap_or_else(|error| panic!("{error}"))
}
