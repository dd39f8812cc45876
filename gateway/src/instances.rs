//! One function's instances: who gets the next event, when to start another, when to let one go.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::lambda::InvokeError;
use crate::process;
use crate::project::Function;

/// How long a function may take from its start to its first poll, as on Lambda.
pub(crate) const INIT_LIMIT: Duration = Duration::from_secs(10);

/// An instance that has just answered polls again at once; starting another for that gap would be waste.
const RETURN_GRACE: Duration = Duration::from_millis(20);

/// How long an event waits for one of a burst of instances before others are started beside them.
const PATIENCE: Duration = Duration::from_millis(100);

/// What all pools share.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) concurrency: usize,
    pub(crate) burst: usize,
    pub(crate) idle: Duration,
    pub(crate) report: bool,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
}

impl Settings {
    /// What becomes of an event whose instance ended.
    pub(crate) fn ended(&self, cause: &str) -> InvokeError {
        match self.stopping.is_cancelled() {
            true => InvokeError::Stopped,
            false => InvokeError::Crashed { cause: cause.to_owned() },
        }
    }
}

/// One event on its way to an instance.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) payload: Bytes,
    pub(crate) answer: Answer,
}

/// Where the outcome of an invocation goes; a failure is logged on its way.
#[derive(Debug)]
pub(crate) struct Answer {
    label: Arc<str>,
    to: oneshot::Sender<Result<Bytes, InvokeError>>,
}

impl Answer {
    pub(crate) fn succeed(self, response: Bytes) {
        // Nobody listening any more means the caller gave up; the work is done all the same.
        let _ = self.to.send(Ok(response));
    }

    pub(crate) fn fail(self, error: InvokeError) {
        match error {
            // Whoever stops the gateway knows.
            InvokeError::Stopped => tracing::debug!("[{}] {error}", self.label),
            _ => tracing::error!("[{}] {error}", self.label),
        }
        let _ = self.to.send(Err(error));
    }

    fn is_abandoned(&self) -> bool {
        self.to.is_closed()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Idle,
    Busy,
    /// Has answered and not polled again yet.
    Returning,
}

#[derive(Debug)]
struct Member {
    phase: Phase,
    process: Option<u32>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    started: u64,
    members: BTreeMap<u64, Member>,
    /// The most recently used last, so that the others grow old and are reaped.
    idle: Vec<(u64, oneshot::Sender<Invocation>)>,
    waiting: VecDeque<Invocation>,
    /// When an instance last finished starting.
    settled: Option<Instant>,
}

/// How far to scale out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Up to a burst; instances that have just answered count as coming.
    Some,
    /// Up to a burst; those that have just answered have not come back.
    Urgent,
    /// Up to the limit: those at work are slow.
    All,
}

impl State {
    fn count(&self, phase: Phase) -> usize {
        self.members.values().filter(|member| member.phase == phase).count()
    }

    fn set_phase(&mut self, number: u64, phase: Phase) {
        if let Some(member) = self.members.get_mut(&number) {
            member.phase = phase;
        }
    }

    fn is_waiting(&self, id: &str) -> bool {
        self.waiting.iter().any(|waiting| waiting.id == id)
    }

    fn next_waiting(&mut self) -> Option<Invocation> {
        std::iter::from_fn(|| self.waiting.pop_front()).find(|waiting| !waiting.answer.is_abandoned())
    }
}

/// The instances of one function and the events waiting for one.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) function: Function,
    pub(crate) executable: Option<PathBuf>,
    pub(crate) settings: Arc<Settings>,
    /// How log lines name the function: its package.
    pub(crate) label: Arc<str>,
    state: Mutex<State>,
}

impl Pool {
    pub(crate) fn new(function: Function, executable: Option<PathBuf>, settings: Arc<Settings>) -> Arc<Self> {
        let label = package_name(&function).into();
        Arc::new(Self { function, executable, settings, label, state: Mutex::default() })
    }

    pub(crate) async fn invoke(self: &Arc<Self>, payload: Bytes) -> Result<Bytes, InvokeError> {
        let (id, outcome) = self.offer(payload.clone());
        if let Some(result) = self.wait(&id, outcome).await {
            return result;
        }
        // The instance ended in the moment it was chosen; the event was never delivered.
        let (id, outcome) = self.offer(payload);
        self.wait(&id, outcome).await.unwrap_or_else(|| {
            let error =
                InvokeError::Crashed { cause: "two instances ended before they took the event".into() };
            tracing::error!("[{}] {error}", self.label);
            Err(error)
        })
    }

    /// Hands the event to an idle instance or queues it; returns its id and where the outcome arrives.
    fn offer(self: &Arc<Self>, payload: Bytes) -> (String, oneshot::Receiver<Result<Bytes, InvokeError>>) {
        let (to, outcome) = oneshot::channel();
        let id = Uuid::new_v4().to_string();
        let answer = Answer { label: Arc::clone(&self.label), to };
        let mut invocation = Invocation { id: id.clone(), payload, answer };
        if self.settings.stopping.is_cancelled() {
            invocation.answer.fail(InvokeError::Stopped);
            return (id, outcome);
        }
        let mut state = self.lock();
        while let Some((number, hand)) = state.idle.pop() {
            match hand.send(invocation) {
                Ok(()) => {
                    state.set_phase(number, Phase::Busy);
                    return (id, outcome);
                }
                Err(back) => invocation = back,
            }
        }
        state.waiting.push_back(invocation);
        self.scale_out(&mut state, Need::Some);
        (id, outcome)
    }

    /// Waits for the outcome: in the queue up to the time limit, afterwards as long as the instance lives, which
    /// is bounded too. `None`: the instance ended without taking the event.
    async fn wait(
        self: &Arc<Self>,
        id: &str,
        mut outcome: oneshot::Receiver<Result<Bytes, InvokeError>>,
    ) -> Option<Result<Bytes, InvokeError>> {
        if let Ok(result) = timeout(RETURN_GRACE, &mut outcome).await {
            return result.ok();
        }
        self.scale_out(&mut self.lock(), Need::Urgent);
        if let Ok(result) = timeout(self.function.timeout, self.wait_patiently(id, &mut outcome)).await {
            return result.ok();
        }
        // An instance that is starting must not cost the event its place: starting is bounded by itself.
        if self.lock().count(Phase::Starting) > 0
            && let Ok(result) = timeout(INIT_LIMIT, &mut outcome).await
        {
            return result.ok();
        }
        let queued = {
            let mut state = self.lock();
            let place = state.waiting.iter().position(|waiting| waiting.id == id);
            place.and_then(|place| state.waiting.remove(place))
        };
        if let Some(invocation) = queued {
            invocation.answer.fail(InvokeError::Throttled);
        }
        outcome.await.ok()
    }

    /// Waits for the outcome, and has more instances started while those that there are take no event.
    async fn wait_patiently<T>(
        self: &Arc<Self>,
        id: &str,
        outcome: &mut oneshot::Receiver<T>,
    ) -> Result<T, oneshot::error::RecvError> {
        while self.lock().is_waiting(id) {
            if let Ok(result) = timeout(PATIENCE, &mut *outcome).await {
                return result;
            }
            let mut state = self.lock();
            if state.count(Phase::Starting) == 0
                && state.settled.is_none_or(|settled| settled.elapsed() >= PATIENCE)
            {
                self.scale_out(&mut state, Need::All);
            }
        }
        outcome.await
    }

    /// Starts as many instances as there are events that none will be free for.
    fn scale_out(self: &Arc<Self>, state: &mut State, need: Need) {
        if self.settings.stopping.is_cancelled() {
            return;
        }
        state.waiting.retain(|waiting| !waiting.answer.is_abandoned());
        let returning = if need == Need::Some { state.count(Phase::Returning) } else { 0 };
        let mut coming = state.count(Phase::Starting) + returning;
        let limit = match need {
            Need::Some | Need::Urgent => self.settings.concurrency.min(self.settings.burst),
            Need::All => self.settings.concurrency,
        };
        while coming < state.waiting.len() && state.members.len() < limit {
            state.started += 1;
            let number = state.started;
            let stop = self.settings.stopping.child_token();
            state
                .members
                .insert(number, Member { phase: Phase::Starting, process: None, stop: stop.clone() });
            self.settings.tasks.spawn(process::run(Arc::clone(self), number, stop));
            coming += 1;
        }
    }

    /// An instance's process has started.
    pub(crate) fn set_process(&self, number: u64, process: Option<u32>) {
        if let Some(member) = self.lock().members.get_mut(&number) {
            member.process = process;
        }
    }

    /// An instance's process, while it has one.
    pub(crate) fn process(&self, number: u64) -> Option<u32> {
        self.lock().members.get(&number).and_then(|member| member.process)
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        self.lock().members.values().filter_map(|member| member.process).collect()
    }

    /// An instance polls for its next event; `None` if it is no longer wanted.
    pub(crate) fn next(&self, number: u64) -> Option<oneshot::Receiver<Invocation>> {
        let (hand, taken) = oneshot::channel();
        let mut state = self.lock();
        // A second poll replaces the first.
        state.idle.retain(|(idle, _)| *idle != number);
        if state.members.get(&number)?.phase == Phase::Starting {
            state.settled = Some(Instant::now());
        }
        match state.next_waiting() {
            Some(invocation) => {
                state.set_phase(number, Phase::Busy);
                // Cannot fail: the receiver is right here.
                let _ = hand.send(invocation);
            }
            None => {
                state.set_phase(number, Phase::Idle);
                state.idle.push((number, hand));
            }
        }
        Some(taken)
    }

    /// An instance has answered and will poll again.
    pub(crate) fn returning(&self, number: u64) {
        self.lock().set_phase(number, Phase::Returning);
    }

    /// Whether an instance has answered and not polled again.
    pub(crate) fn is_returning(&self, number: u64) -> bool {
        self.lock().members.get(&number).is_some_and(|member| member.phase == Phase::Returning)
    }

    /// Takes an instance out of service if it has no work; false if it got some meanwhile.
    pub(crate) fn retire(&self, number: u64) -> bool {
        let mut state = self.lock();
        let idle = state.members.get(&number).is_some_and(|member| member.phase == Phase::Idle);
        if idle {
            state.idle.retain(|(other, _)| *other != number);
            state.members.remove(&number);
        }
        idle
    }

    /// An instance has ended. One that never polled fails the event it was started for, so that a function that
    /// cannot start is not started for ever.
    pub(crate) fn lost(self: &Arc<Self>, number: u64, cause: &str) {
        let mut state = self.lock();
        state.idle.retain(|(other, _)| *other != number);
        let Some(member) = state.members.remove(&number) else { return };
        if member.phase == Phase::Starting
            && let Some(invocation) = state.next_waiting()
        {
            invocation.answer.fail(self.settings.ended(cause));
        }
        self.scale_out(&mut state, Need::Some);
    }

    /// Kills one instance, a busy one first.
    pub(crate) fn kill_one(&self) -> bool {
        let mut state = self.lock();
        let rank = |member: &Member| match member.phase {
            Phase::Busy => 0,
            Phase::Returning => 1,
            Phase::Idle => 2,
            Phase::Starting => 3,
        };
        let Some(number) =
            state.members.iter().min_by_key(|(_, member)| rank(member)).map(|(number, _)| *number)
        else {
            return false;
        };
        state.idle.retain(|(idle, _)| *idle != number);
        if let Some(member) = state.members.get(&number) {
            member.stop.cancel();
        }
        true
    }

    /// Fails everything that waits.
    pub(crate) fn drain(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        for invocation in waiting {
            invocation.answer.fail(InvokeError::Stopped);
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.lock().members.len()
    }

    pub(crate) fn started(&self) -> u64 {
        self.lock().started
    }

    pub(crate) fn busy(&self) -> usize {
        self.lock().count(Phase::Busy)
    }

    pub(crate) fn idle(&self) -> usize {
        self.lock().count(Phase::Idle)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The package's name, by which cargo-lambda knows a function too: the last part of its folder.
pub(crate) fn package_name(function: &Function) -> String {
    function
        .code_uri
        .file_name()
        .map_or_else(|| function.name.clone(), |name| name.to_string_lossy().into_owned())
}
