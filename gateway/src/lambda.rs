//! Invoking functions: the one way in for all that the gateway serves.

mod error;
mod extensions;
mod instance;
mod invocation;
mod peer;
mod pool;
mod process;
mod queue;
mod remote;
mod runtime_api;
mod state;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use error::InvokeError;

use crate::aws::limits::LONGEST_TIMEOUT;
use crate::project::Function;
use crate::record::Recorder;
use instance::Settings;
use pool::{Limits, Pool, Slot};
use remote::Remote;

/// How many instances one function may have, unless more or fewer are asked for.
pub const DEFAULT_CONCURRENCY: u16 = 10;
/// How long `stop` waits for processes and their output to end.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The functions to run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// By logical id, as in the project.
    pub functions: BTreeMap<String, Function>,
    /// Each function's executable, by logical id; not needed with `remote`.
    pub executables: BTreeMap<String, PathBuf>,
    /// Set for every function; wins over the template's.
    pub environment: BTreeMap<String, String>,
    /// How many instances one function may have.
    pub concurrency: usize,
    /// How many of them start as soon as there are events for them; others follow where an event has waited for
    /// 100 ms. Three per core keep a machine busy: most of the time an instance waits itself, and more of them
    /// only take the caches from each other.
    pub burst: usize,
    /// How long an instance may wait for work before it is stopped.
    pub idle: Duration,
    /// From 1 on, a `REPORT` line is logged per invocation.
    pub verbosity: u8,
    /// The base of an endpoint speaking the Lambda Invoke API, e.g. `http://127.0.0.1:9000`; then nothing is
    /// started here.
    pub remote: Option<String>,
    pub record: Recorder,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            functions: BTreeMap::new(),
            executables: BTreeMap::new(),
            environment: BTreeMap::new(),
            concurrency: DEFAULT_CONCURRENCY.into(),
            burst: 3 * std::thread::available_parallelism().map_or(1, usize::from),
            idle: Duration::from_secs(5 * 60),
            verbosity: 0,
            remote: None,
            record: Recorder::default(),
        }
    }
}

/// The functions of a project, invocable by logical id; cheap to clone.
#[derive(Clone, Debug)]
pub struct Lambda {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    functions: BTreeMap<String, Backend>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    record: Recorder,
}

#[derive(Debug)]
enum Backend {
    Local { pool: Arc<Pool>, settings: Arc<Settings> },
    Remote(Box<Remote>),
}

impl Lambda {
    /// Makes the functions invocable; none is started before its first event.
    ///
    /// Must be called within a Tokio runtime.
    pub fn start(options: Options) -> Self {
        let tasks = TaskTracker::new();
        let stopping = CancellationToken::new();
        let environment = Arc::new(options.environment);
        let limits = Limits { concurrency: options.concurrency.max(1), burst: options.burst.max(1) };
        let programs: Vec<_> = options.functions.values().map(|function| function.program.clone()).collect();
        let start_pool = |function: Function, executable| {
            let (label, queue_timeout) = (label(&function, &programs).into(), function.timeout);
            let settings = Arc::new(Settings {
                function: Arc::new(function),
                executable: RwLock::new(executable),
                environment: Arc::clone(&environment),
                idle_timeout: options.idle,
                report: options.verbosity > 0,
                tasks: tasks.clone(),
            });
            let shared = Arc::clone(&settings);
            let start_instance = move |slot: Slot| {
                shared.tasks.spawn(instance::run(Arc::clone(&shared), slot));
            };
            let (tasks, stopping) = (tasks.clone(), stopping.clone());
            let pool = Pool::new(label, queue_timeout, limits, tasks, stopping, Box::new(start_instance));
            Backend::Local { pool, settings }
        };
        let backend = |id: &str, function: Function| match &options.remote {
            Some(base) => Backend::Remote(Box::new(Remote::new(base, &function))),
            None => start_pool(function, options.executables.get(id).cloned()),
        };
        let functions = options.functions.into_iter().map(|(id, function)| {
            let backend = backend(&id, function);
            (id, backend)
        });
        let functions = functions.collect();
        Self { inner: Arc::new(Inner { functions, tasks, stopping, record: options.record }) }
    }

    /// Sends one event to one instance of `function` and waits for its answer.
    ///
    /// Logs every failure with its cause, so that callers only translate it.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, InvokeError> {
        let record = &self.inner.record;
        let number = record.event(function, &payload);
        let result = self.send(function, payload).await;
        if let Some(number) = number {
            record.answer(function, number, result.as_deref().map_err(ToString::to_string));
        }
        result
    }

    async fn send(&self, function: &str, payload: Bytes) -> Result<Bytes, InvokeError> {
        match self.inner.functions.get(function) {
            Some(Backend::Local { pool, .. }) => pool.invoke(payload).await,
            Some(Backend::Remote(remote)) => remote.invoke(payload).await,
            None => {
                tracing::error!("[{function}] is not a function of this project");
                Err(InvokeError::Crashed { cause: format!("there is no function {function}") })
            }
        }
    }

    /// Runs `function` from this executable from its next event on; instances at work finish theirs first.
    pub(crate) fn renew(&self, function: &str, executable: PathBuf) {
        if let Some(Backend::Local { pool, settings }) = self.inner.functions.get(function) {
            *settings.executable.write().unwrap_or_else(PoisonError::into_inner) = Some(executable);
            pool.renew();
        }
    }

    /// Kills one instance of `function`, a busy one first; false where there is none.
    pub fn kill(&self, function: &str) -> bool {
        self.pool(function).is_some_and(|pool| pool.kill_one())
    }

    /// The logical id of the function that log lines call so, or that has this id.
    pub(crate) fn id_of(&self, name: &str) -> Option<&str> {
        let is_named = |id: &str| self.pool(id).is_some_and(|pool| pool.label() == name);
        let found = self.names().find(|id| *id == name);
        found.or_else(|| self.names().find(|id| is_named(id)))
    }

    /// How long an API waits for an answer that the platform would wait `platform` for: functions behind an Invoke
    /// endpoint may be compiled first, and limit themselves.
    pub(crate) fn answer_timeout(&self, platform: Duration) -> Duration {
        let remote = self.inner.functions.values().any(|backend| matches!(backend, Backend::Remote(_)));
        if remote { LONGEST_TIMEOUT } else { platform }
    }

    /// How many instances of `function` exist, those starting included.
    pub fn instances(&self, function: &str) -> usize {
        self.pool(function).map_or(0, |pool| pool.size())
    }

    /// How many instances of `function` were ever started; as many as there are, if none has ended.
    pub fn started(&self, function: &str) -> u64 {
        self.pool(function).map_or(0, |pool| pool.started())
    }

    /// How many instances of `function` are working on an event.
    pub fn busy(&self, function: &str) -> usize {
        self.pool(function).map_or(0, |pool| pool.busy())
    }

    /// How many instances of `function` wait for an event.
    pub fn idle(&self, function: &str) -> usize {
        self.pool(function).map_or(0, |pool| pool.idle())
    }

    /// The process ids of `function`'s instances.
    pub fn processes(&self, function: &str) -> Vec<u32> {
        self.pool(function).map(|pool| pool.processes()).unwrap_or_default()
    }

    /// The instances of a function that runs here.
    fn pool(&self, function: &str) -> Option<&Arc<Pool>> {
        match self.inner.functions.get(function)? {
            Backend::Local { pool, .. } => Some(pool),
            Backend::Remote(_) => None,
        }
    }

    /// The project's functions, by logical id.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.functions.keys().map(String::as_str)
    }

    /// Ends every instance and fails what waits; later invocations fail at once.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        for backend in self.inner.functions.values() {
            if let Backend::Local { pool, .. } = backend {
                pool.drain();
            }
        }
        self.inner.tasks.close();
        if tokio::time::timeout(STOP_LIMIT, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!("some functions did not end within {} s", STOP_LIMIT.as_secs());
        }
    }
}

/// The name of a function in log lines: that of its binary, which it may share with others.
fn label(function: &Function, programs: &[String]) -> String {
    let program = &function.program;
    let is_shared = program == "bootstrap" || programs.iter().filter(|other| *other == program).count() > 1;
    if is_shared { function.name.clone() } else { program.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_called_by_its_binary_unless_that_says_nothing() {
        let programs = ["get", "put", "put", "bootstrap"].map(str::to_owned);
        let named = |program: &str| {
            let (name, program) = ("Logical".to_owned(), program.to_owned());
            label(&Function { name, program, ..Function::default() }, &programs)
        };
        assert_eq!(["get", "put", "bootstrap"].map(named), ["get", "Logical", "Logical"]);
    }
}
