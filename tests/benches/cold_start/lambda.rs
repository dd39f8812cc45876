//! An endpoint that speaks the Lambda Invoke API, over instances that are started for one event each, or kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::IntoResponse;

use crate::endpoint;
use crate::gate::Gate;
use crate::instance::{Cost, Instance, Program};

/// Invocations beyond the first whose costs are taken, of one instance.
pub(crate) const WARM: usize = 20;

/// What one function has taken, an entry for each instance or invocation.
#[derive(Clone, Default)]
pub(crate) struct Costs {
    /// Until it was ready, its connections open.
    pub(crate) ready: Vec<Cost>,
    pub(crate) first: Vec<Cost>,
    /// Until it was ready, where nothing could be reached.
    pub(crate) alone: Vec<Cost>,
    /// The first event of such a one, which had to connect.
    pub(crate) connecting: Vec<Cost>,
    pub(crate) warm: Vec<Cost>,
    pub(crate) peak_mb: Vec<f64>,
}

impl Costs {
    /// How many events' costs were taken.
    pub(crate) fn events(&self) -> usize {
        self.first.len() + self.connecting.len() + self.warm.len()
    }
}

/// The endpoint.
#[derive(Clone)]
pub(crate) struct Lambda {
    inner: Arc<Inner>,
}

struct Inner {
    programs: BTreeMap<String, Program>,
    /// Ports of the servers that functions connect to.
    servers: [u16; 2],
    idle: Mutex<BTreeMap<String, Vec<Instance>>>,
    state: Mutex<Measuring>,
}

/// The one function whose costs are taken now.
#[derive(Default)]
struct Measuring {
    function: String,
    what: Phase,
    costs: Costs,
}

/// What of a function is measured.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Its start and first event.
    #[default]
    Start,
    /// The same where it reaches nothing until it is ready.
    StartAlone,
    /// Events of an instance that is kept.
    Later,
}

impl Lambda {
    /// Where it listens, and it. Functions connect to servers on these ports.
    pub(crate) async fn start(programs: Vec<Program>, servers: [u16; 2]) -> (String, Self) {
        let programs = programs.into_iter().map(|program| (program.name.clone(), program)).collect();
        let (idle, state) = Default::default();
        let this = Self { inner: Arc::new(Inner { programs, servers, idle, state }) };
        (endpoint::serve(invoke, this.clone()).await, this)
    }

    /// Takes these costs of this function from now on.
    pub(crate) fn measure(&self, function: &str, what: Phase) {
        let mut state = self.inner.state.lock().unwrap();
        if state.function != function {
            state.costs = Costs::default();
        }
        (state.function, state.what) = (function.to_owned(), what);
    }

    /// The costs of the function that is measured.
    pub(crate) fn costs(&self) -> Costs {
        self.inner.state.lock().unwrap().costs.clone()
    }

    async fn invoke(&self, function: &str, event: Bytes) -> Bytes {
        let what = {
            let state = self.inner.state.lock().unwrap();
            (state.function == function).then_some(state.what)
        };
        match what {
            Some(Phase::Start) => self.invoke_first(function, event).await,
            Some(Phase::StartAlone) => self.invoke_alone(function, event).await,
            Some(Phase::Later) | None => self.invoke_kept(function, event, what.is_some()).await,
        }
    }

    async fn invoke_first(&self, function: &str, event: Bytes) -> Bytes {
        let mut instance = Instance::start(&self.inner.programs[function]).await;
        let (first, answer) = instance.invoke(event).await;
        self.take(|costs| {
            costs.ready.push(instance.ready);
            costs.first.push(first);
            costs.peak_mb.push(instance.peak_mb());
        });
        instance.stop().await;
        answer
    }

    async fn invoke_alone(&self, function: &str, event: Bytes) -> Bytes {
        let gates = self.inner.servers.map(Gate::closed_before);
        let mut program = Program { warns: false, ..self.inner.programs[function].clone() };
        for gate in &gates {
            for setting in program.environment.values_mut() {
                *setting = gate.put_into(setting);
            }
        }
        let mut instance = Instance::start(&program).await;
        let open = gates.map(Gate::open);
        let (first, answer) = instance.invoke(event).await;
        self.take(|costs| {
            costs.alone.push(instance.ready);
            costs.connecting.push(first);
        });
        instance.stop().await;
        drop(open);
        answer
    }

    async fn invoke_kept(&self, function: &str, event: Bytes, measured: bool) -> Bytes {
        let kept = self.inner.idle.lock().unwrap().get_mut(function).and_then(Vec::pop);
        let is_new = kept.is_none();
        let mut instance = match kept {
            Some(instance) => instance,
            None => Instance::start(&self.inner.programs[function]).await,
        };
        let (cost, answer) = instance.invoke(event).await;
        if measured && !is_new {
            self.take(|costs| costs.warm.push(cost));
        }
        self.inner.idle.lock().unwrap().entry(function.to_owned()).or_default().push(instance);
        answer
    }

    fn take(&self, take: impl FnOnce(&mut Costs)) {
        take(&mut self.inner.state.lock().unwrap().costs);
    }
}

async fn invoke(
    State(lambda): State<Lambda>,
    Path(function): Path<String>,
    event: Bytes,
) -> impl IntoResponse {
    lambda.invoke(&function, event).await
}
