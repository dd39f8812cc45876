//! One function's instances: which of them gets the next event, when another is started, when one is let go.
//!
//! A pool does not know what an instance is made of: it is handed a way to start one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::error::InvokeError;
use super::invocation::{Answer, Invocation};
use super::queue::Ticket;
use super::state::{Entry, Phase, State};
use crate::aws::limits::INIT_TIMEOUT;

/// An instance that has just answered polls again at once; starting another for that gap would be waste.
const RETURN_GRACE: Duration = Duration::from_millis(20);

/// How long an event waits for one of a burst of instances before others are started beside them.
const BURST_WAIT: Duration = Duration::from_millis(100);

/// How often a pool looks after the events that wait, while there are any.
const TICK: Duration = Duration::from_millis(10);

/// Starts an instance, which reaches its pool through the slot.
pub(super) type StartInstance = Box<dyn Fn(Slot) + Send + Sync>;

/// How many instances a pool starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// At most.
    pub(super) concurrency: usize,
    /// As soon as there are events for them.
    pub(super) burst: usize,
}

/// How far to scale out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UpTo {
    /// Instances that have just answered count as coming.
    Burst,
    /// Those that have just answered do not count, as they have not come back in time.
    BurstWithoutReturning,
    /// Those at work are slow.
    Limit,
}

/// The instances of one function and the events waiting for one.
pub(super) struct Pool {
    /// How log lines name the function.
    label: Arc<str>,
    /// How long an event waits for an instance: as long as one may work on it.
    queue_timeout: Duration,
    limits: Limits,
    start_instance: StartInstance,
    tasks: TaskTracker,
    stopping: CancellationToken,
    state: Mutex<State>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Pool");
        shown.field("label", &self.label).field("limits", &self.limits).field("state", &self.state);
        shown.finish_non_exhaustive()
    }
}

impl Pool {
    /// `queue_timeout` bounds how long an event waits for an instance; `stopping` ends the pool.
    pub(super) fn new(
        label: Arc<str>,
        queue_timeout: Duration,
        limits: Limits,
        tasks: TaskTracker,
        stopping: CancellationToken,
        start_instance: StartInstance,
    ) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { label, queue_timeout, limits, start_instance, tasks, stopping, state })
    }

    /// The function's name in log lines.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) async fn invoke(self: &Arc<Self>, payload: Bytes) -> Result<Bytes, InvokeError> {
        // A chosen instance may end in that moment; the event was then never delivered and is offered once more.
        for _ in 0..2 {
            let (_place, outcome) = self.offer(payload.clone());
            if let Ok(result) = outcome.await {
                return result;
            }
        }
        let error = InvokeError::Crashed { cause: "two instances ended before they took the event".into() };
        tracing::error!("[{}] {error}", self.label);
        Err(error)
    }

    /// Gives the event to an idle instance or queues it; returns its place in the queue, if it has one, and where the
    /// outcome arrives.
    fn offer(
        self: &Arc<Self>,
        payload: Bytes,
    ) -> (Option<Place>, oneshot::Receiver<Result<Bytes, InvokeError>>) {
        let (to, outcome) = oneshot::channel();
        let answer = Answer { label: Arc::clone(&self.label), to };
        let mut invocation = Invocation { id: Uuid::new_v4().to_string(), payload, answer };
        let mut state = self.lock();
        // Under the lock, so that no event is queued after the queue was drained.
        if self.stopping.is_cancelled() {
            drop(state);
            invocation.answer.fail(InvokeError::Stopped);
            return (None, outcome);
        }
        while let Some((number, poll)) = state.idle.pop() {
            match poll.send(invocation) {
                Ok(()) => {
                    state.set_phase(number, Phase::Busy);
                    return (None, outcome);
                }
                Err(back) => invocation = back,
            }
        }
        let now = Instant::now();
        let ticket = state.waiting.push(invocation, now, now + self.queue_timeout);
        self.scale_out(&mut state, UpTo::Burst);
        if !std::mem::replace(&mut state.tended, true) {
            self.tasks.spawn(Arc::clone(self).tend());
        }
        (Some(Place { pool: Arc::clone(self), ticket }), outcome)
    }

    /// Looks after the events that wait, until there are none: one timer for all of them.
    async fn tend(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = sleep(TICK) => {}
                () = self.stopping.cancelled() => return,
            }
            let mut state = self.lock();
            // An instance that is starting must not cost an event its place: starting is bounded by itself.
            let extension = (state.count(Phase::Starting) > 0).then_some(INIT_TIMEOUT);
            let now = Instant::now();
            while let Some(invocation) = state.waiting.pop_expired(now, extension) {
                invocation.answer.fail(InvokeError::Throttled);
            }
            let Some(oldest) = state.waiting.oldest() else {
                state.tended = false;
                return;
            };
            if now >= oldest + RETURN_GRACE {
                self.scale_out(&mut state, UpTo::BurstWithoutReturning);
            }
            let settled = state.count(Phase::Starting) == 0
                && state.settled.is_none_or(|settled| settled.elapsed() >= BURST_WAIT);
            if settled && now >= oldest + BURST_WAIT {
                self.scale_out(&mut state, UpTo::Limit);
            }
        }
    }

    /// Starts as many instances as there are events that none will be free for.
    fn scale_out(self: &Arc<Self>, state: &mut State, how_far: UpTo) {
        if self.stopping.is_cancelled() {
            return;
        }
        let returning = if how_far == UpTo::Burst { state.count(Phase::Returning) } else { 0 };
        let mut coming = state.count(Phase::Starting) + returning;
        let limit = match how_far {
            UpTo::Burst | UpTo::BurstWithoutReturning => self.limits.concurrency.min(self.limits.burst),
            UpTo::Limit => self.limits.concurrency,
        };
        while coming < state.waiting.len() && state.entries.len() < limit {
            state.started += 1;
            let number = state.started;
            let kill = self.stopping.child_token();
            let release = CancellationToken::new();
            let entry = Entry {
                phase: Phase::Starting,
                process: None,
                kill: kill.clone(),
                release: release.clone(),
                outdated: false,
            };
            state.entries.insert(number, entry);
            (self.start_instance)(Slot { pool: Arc::clone(self), number, kill, release });
            coming += 1;
        }
    }

    /// Lets every instance go once it has no event; whoever starts from now on runs the new code.
    pub(super) fn renew(self: &Arc<Self>) {
        let mut state = self.lock();
        let idle: Vec<u64> = std::mem::take(&mut state.idle).into_iter().map(|(number, _)| number).collect();
        for number in idle {
            state.release(number);
        }
        for entry in state.entries.values_mut() {
            entry.outdated = true;
        }
        self.scale_out(&mut state, UpTo::Burst);
    }

    /// Kills one instance, a busy one first.
    pub(super) fn kill_one(&self) -> bool {
        let mut state = self.lock();
        let rank = |entry: &Entry| match entry.phase {
            Phase::Busy => 0,
            Phase::Returning => 1,
            Phase::Idle => 2,
            Phase::Starting => 3,
        };
        let Some(number) =
            state.entries.iter().min_by_key(|(_, entry)| rank(entry)).map(|(number, _)| *number)
        else {
            return false;
        };
        state.forget_poll(number);
        if let Some(entry) = state.entries.get(&number) {
            entry.kill.cancel();
        }
        true
    }

    /// Fails everything that waits.
    pub(super) fn drain(&self) {
        let mut waiting = std::mem::take(&mut self.lock().waiting);
        while let Some(invocation) = waiting.pop() {
            invocation.answer.fail(InvokeError::Stopped);
        }
    }

    pub(super) fn processes(&self) -> Vec<u32> {
        self.lock().entries.values().filter_map(|entry| entry.process).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.lock().entries.len()
    }

    pub(super) fn started(&self) -> u64 {
        self.lock().started
    }

    pub(super) fn busy(&self) -> usize {
        self.lock().count(Phase::Busy)
    }

    pub(super) fn idle(&self) -> usize {
        self.lock().count(Phase::Idle)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event's place in the queue, given up when the caller stops waiting for the outcome.
struct Place {
    pool: Arc<Pool>,
    ticket: Ticket,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pool.lock().waiting.remove(self.ticket);
    }
}

/// One instance's place in its pool: through it the instance takes events and tells how it is doing.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pool: Arc<Pool>,
    number: u64,
    kill: CancellationToken,
    release: CancellationToken,
}

impl Slot {
    /// How log lines name the function.
    pub(super) fn label(&self) -> &Arc<str> {
        &self.pool.label
    }

    /// The instance's process has started.
    pub(super) fn set_process(&self, process: Option<u32>) {
        if let Some(entry) = self.pool.lock().entries.get_mut(&self.number) {
            entry.process = process;
        }
    }

    /// The instance's process, while it has one.
    pub(super) fn process(&self) -> Option<u32> {
        self.pool.lock().entries.get(&self.number).and_then(|entry| entry.process)
    }

    /// The instance polls for its next event; `None` if it is no longer wanted.
    pub(super) fn next(&self) -> Option<oneshot::Receiver<Invocation>> {
        let (poll, taken) = oneshot::channel();
        let mut state = self.pool.lock();
        // A second poll replaces the first.
        state.forget_poll(self.number);
        if state.entries.get(&self.number)?.outdated {
            state.release(self.number);
            self.pool.scale_out(&mut state, UpTo::Burst);
            return None;
        }
        if state.phase(self.number)? == Phase::Starting {
            state.settled = Some(Instant::now());
        }
        match state.waiting.pop() {
            Some(invocation) => {
                state.set_phase(self.number, Phase::Busy);
                // Cannot fail: the receiver is right here.
                let _ = poll.send(invocation);
            }
            None => {
                state.set_phase(self.number, Phase::Idle);
                state.idle.push((self.number, poll));
            }
        }
        Some(taken)
    }

    /// The instance has answered and will poll again.
    pub(super) fn set_returning(&self) {
        self.pool.lock().set_phase(self.number, Phase::Returning);
    }

    /// Whether the instance has answered and not polled again.
    pub(super) fn is_returning(&self) -> bool {
        self.pool.lock().phase(self.number) == Some(Phase::Returning)
    }

    /// Whether the instance may get further events.
    pub(super) fn is_in_service(&self) -> bool {
        self.pool.lock().entries.contains_key(&self.number)
    }

    /// Takes the instance out of service if it has no work; false if it got some meanwhile.
    pub(super) fn retire(&self) -> bool {
        let mut state = self.pool.lock();
        let idle = state.phase(self.number) == Some(Phase::Idle);
        if idle {
            state.forget_poll(self.number);
            state.entries.remove(&self.number);
        }
        idle
    }

    /// Waits until the instance is to be killed.
    pub(super) fn killed(&self) -> WaitForCancellationFuture<'_> {
        self.kill.cancelled()
    }

    /// Whether the instance ends because all do.
    pub(super) fn is_stopping(&self) -> bool {
        self.pool.stopping.is_cancelled()
    }

    /// Waits until the instance is out of service and may end.
    pub(super) fn released(&self) -> WaitForCancellationFuture<'_> {
        self.release.cancelled()
    }

    /// The error that an event gets whose instance has ended.
    pub(super) fn ended(&self, cause: &str) -> InvokeError {
        match self.is_stopping() {
            true => InvokeError::Stopped,
            false => InvokeError::Crashed { cause: cause.to_owned() },
        }
    }

    /// The instance has ended. One that never polled fails the event it was started for, so that a function that
    /// cannot start is not started for ever.
    pub(super) fn vacate(&self, cause: &str) {
        let mut state = self.pool.lock();
        state.forget_poll(self.number);
        let Some(entry) = state.entries.remove(&self.number) else { return };
        if entry.phase == Phase::Starting
            && let Some(invocation) = state.waiting.pop()
        {
            invocation.answer.fail(self.ended(cause));
        }
        self.pool.scale_out(&mut state, UpTo::Burst);
    }
}
