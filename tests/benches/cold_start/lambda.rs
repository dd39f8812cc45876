//! An endpoint that speaks the Lambda Invoke API, over instances that are started for one event each, or kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::post;
use tokio::net::TcpListener;

use crate::instance::{Cost, Instance, Program, spawn};

/// Invocations beyond the first whose costs are taken, of one instance.
pub(crate) const WARM: usize = 20;

/// What one function has taken, an entry for each instance or invocation.
#[derive(Clone, Default)]
pub(crate) struct Costs {
    pub(crate) ready: Vec<Cost>,
    pub(crate) first: Vec<Cost>,
    pub(crate) warm: Vec<Cost>,
    pub(crate) peak_mb: Vec<f64>,
}

/// The endpoint.
#[derive(Clone)]
pub(crate) struct Lambda {
    inner: Arc<Inner>,
}

struct Inner {
    programs: BTreeMap<String, Program>,
    idle: Mutex<BTreeMap<String, Vec<Instance>>>,
    state: Mutex<Measuring>,
}

/// The one function whose costs are taken now.
#[derive(Default)]
struct Measuring {
    function: String,
    cold: bool,
    costs: Costs,
}

impl Lambda {
    /// Where it listens, and it.
    pub(crate) async fn start(programs: Vec<Program>) -> (String, Self) {
        let programs = programs.into_iter().map(|program| (program.name.clone(), program)).collect();
        let this =
            Self { inner: Arc::new(Inner { programs, idle: Mutex::default(), state: Mutex::default() }) };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .with_state(this.clone());
        spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        (url, this)
    }

    /// Takes the costs of this function from now on: of an instance for each event, or of one that is kept.
    pub(crate) fn measure(&self, function: &str, cold: bool) {
        let mut state = self.inner.state.lock().unwrap();
        if state.function != function {
            state.costs = Costs::default();
        }
        (state.function, state.cold) = (function.to_owned(), cold);
    }

    /// The costs of the function that is measured.
    pub(crate) fn costs(&self) -> Costs {
        self.inner.state.lock().unwrap().costs.clone()
    }

    async fn invoke(&self, function: &str, event: Bytes) -> Bytes {
        let (measured, cold) = {
            let state = self.inner.state.lock().unwrap();
            (state.function == function, state.cold)
        };
        let kept = match measured && cold {
            true => None,
            false => self.inner.idle.lock().unwrap().get_mut(function).and_then(Vec::pop),
        };
        let is_new = kept.is_none();
        let mut instance = match kept {
            Some(instance) => instance,
            None => Instance::start(&self.inner.programs[function]).await,
        };
        let (cost, answer) = instance.invoke(event).await;
        if measured {
            let costs = &mut self.inner.state.lock().unwrap().costs;
            match (cold, is_new) {
                (true, _) => {
                    costs.ready.push(instance.ready);
                    costs.first.push(cost);
                    costs.peak_mb.push(instance.peak_mb());
                }
                (false, false) => costs.warm.push(cost),
                (false, true) => {}
            }
        }
        match measured && cold {
            true => instance.stop().await,
            false => self.inner.idle.lock().unwrap().entry(function.to_owned()).or_default().push(instance),
        }
        answer
    }
}

async fn invoke(
    State(lambda): State<Lambda>,
    Path(function): Path<String>,
    event: Bytes,
) -> impl IntoResponse {
    lambda.invoke(&function, event).await
}
