//! An endpoint that speaks the Lambda Invoke API, over instances that are kept, and what each event of theirs took.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::Value;
use support::proxy::{CountingProxy, Wave};

use crate::LEARNING;
use crate::endpoint;
use crate::instance::{Instance, Program};

/// The proxies by which functions reach the store.
pub(crate) type Proxies = Arc<BTreeMap<String, CountingProxy>>;

/// An event that was served.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) function: String,
    /// What the function logged of it.
    pub(crate) line: Value,
    pub(crate) cpu_ms: f64,
    /// To the store, and how many bytes they took, where that was counted.
    pub(crate) waves: Vec<Wave>,
    pub(crate) bytes: usize,
}

/// The endpoint.
#[derive(Clone)]
pub(crate) struct Lambda(Arc<Inner>);

struct Inner {
    programs: BTreeMap<String, Program>,
    proxies: Proxies,
    /// Instances, and how many events each has had.
    idle: Mutex<BTreeMap<String, Vec<(Instance, usize)>>>,
    /// In the order in which they ended.
    served: Mutex<Vec<(usize, Served)>>,
}

impl Lambda {
    /// Where it listens, and it.
    pub(crate) async fn start(programs: Vec<Program>, proxies: Proxies) -> (String, Self) {
        let programs = programs.into_iter().map(|program| (program.name.clone(), program)).collect();
        let (idle, served) = Default::default();
        let this = Self(Arc::new(Inner { programs, proxies, idle, served }));
        (endpoint::serve(invoke, this.clone()).await, this)
    }

    /// How many events a function has had.
    pub(crate) fn count(&self, function: &str) -> usize {
        self.0.served.lock().unwrap().iter().filter(|(_, served)| served.function == function).count()
    }

    /// All events but those by which instances learned.
    pub(crate) fn served(&self) -> Vec<Served> {
        let served = self.0.served.lock().unwrap();
        served.iter().filter(|(before, _)| *before >= LEARNING).map(|(_, served)| served.clone()).collect()
    }

    async fn invoke(&self, function: String, event: Bytes) -> Bytes {
        let kept = self.0.idle.lock().unwrap().get_mut(&function).and_then(Vec::pop);
        let (mut instance, before) = match kept {
            Some(kept) => kept,
            None => (Instance::start(&self.0.programs[&function]).await, 0),
        };
        let proxy = self.0.proxies.get(&function);
        let counted = || proxy.map_or((0, 0), |proxy| (proxy.count(), proxy.bytes()));
        let (waves, bytes) = counted();
        let (cost, answer) = instance.invoke(event).await;
        let served = Served {
            line: serde_json::from_str(&instance.line().await).unwrap(),
            cpu_ms: cost.cpu.as_secs_f64() * 1e3,
            waves: proxy.map(|proxy| proxy.waves_after(waves)).unwrap_or_default(),
            bytes: counted().1 - bytes,
            function: function.clone(),
        };
        self.0.served.lock().unwrap().push((before, served));
        self.0.idle.lock().unwrap().entry(function).or_default().push((instance, before + 1));
        answer
    }
}

async fn invoke(State(lambda): State<Lambda>, Path(function): Path<String>, event: Bytes) -> Bytes {
    lambda.invoke(function, event).await
}
