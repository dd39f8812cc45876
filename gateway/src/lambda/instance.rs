//! One instance from its start to its end: its process, the runtime API that it polls, and the limits it is held to.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use super::error::InvokeError;
use super::peer::{self, OwnListener};
use super::pool::Slot;
use super::process::{Process, Program};
use super::runtime_api::{Activity, RuntimeApi};
use crate::aws::limits::INIT_TIMEOUT;
use crate::project::Function;

/// Settings that all instances of one function share.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) function: Arc<Function>,
    /// It may be another one after a build.
    pub(super) executable: RwLock<Option<PathBuf>>,
    /// Over the function's own.
    pub(super) environment: Arc<BTreeMap<String, String>>,
    /// How long an instance may wait for work before it is stopped.
    pub(super) idle_timeout: Duration,
    /// Whether each invocation logs a `REPORT` line.
    pub(super) report: bool,
    pub(super) tasks: TaskTracker,
}

/// Runs one instance from start to end and tells its pool why it ended.
pub(super) async fn run(settings: Arc<Settings>, slot: Slot) {
    let cause = match Instance::start(settings, slot.clone()).await {
        Ok(instance) => instance.supervise().await,
        Err(cause) => cause,
    };
    slot.vacate(&cause);
}

struct Instance {
    settings: Arc<Settings>,
    slot: Slot,
    started: Instant,
    process: Process,
    listener: TcpListener,
    runtime_api: Arc<RuntimeApi>,
}

/// The next step of an instance's supervision.
#[derive(Debug, PartialEq, Eq)]
enum NextAction {
    /// Decide again then.
    Wait(Instant),
    /// Kill it: the event took too long.
    TimeOut,
    /// Kill it: it never polled.
    TimeOutInit,
    /// Kill it: it answered and never polled again.
    TimeOutPoll,
    /// Kill it: it has had no work for long and is out of service already.
    Retire,
}

impl Instance {
    async fn start(settings: Arc<Settings>, slot: Slot) -> Result<Self, String> {
        let executable = settings.executable.read().unwrap_or_else(PoisonError::into_inner).clone();
        let executable = executable.ok_or("no executable was built for it")?;
        let no_port = |error| format!("no port for its runtime API: {error}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_port)?;
        let runtime_api = RuntimeApi::new(Arc::clone(&settings.function), slot.clone(), settings.report);
        let endpoint = runtime_api.endpoint(listener.local_addr().map_err(no_port)?);
        let program = Program {
            executable: &executable,
            function: &settings.function,
            environment: &settings.environment,
            runtime_api: &endpoint,
        };
        let recorder = Arc::clone(&runtime_api);
        let record = move |line: &str| recorder.record_stderr_line(line);
        let process = Process::start(program, slot.label(), &settings.tasks, record)?;
        slot.set_process(process.id());
        Ok(Self { settings, slot, started: Instant::now(), process, listener, runtime_api })
    }

    /// Serves the process until it ends or must end; returns the cause.
    async fn supervise(self) -> String {
        let Self { settings, slot, started, mut process, listener, runtime_api } = self;
        let own = process.id().filter(|_| peer::can_be_told());
        let listener = OwnListener { listener, process: own, label: Arc::clone(slot.label()) };
        let mut server = std::pin::pin!(axum::serve(listener, runtime_api.router()).into_future());
        let mut wake = Instant::now();
        loop {
            tokio::select! {
                biased;
                _ = &mut server => return "its runtime API ended".into(),
                // Before the process's end, which often follows at once and tells less.
                cause = runtime_api.init_error() => {
                    process.kill().await;
                    runtime_api.fail(slot.ended(&cause));
                    return cause;
                }
                end = process.wait() => {
                    process.finish_output().await;
                    let last_line = runtime_api.last_stderr_line();
                    let cause =
                        if last_line.is_empty() { end } else { format!("{end}, last saying: {last_line}") };
                    runtime_api.fail(slot.ended(&cause));
                    return cause;
                }
                () = slot.killed() => {
                    let grace = if slot.is_stopping() { runtime_api.grace() } else { Duration::ZERO };
                    end(&mut process, grace, server.as_mut()).await;
                    let cause = "its instance was killed";
                    runtime_api.fail(slot.ended(cause));
                    return cause.into();
                }
                () = slot.released() => {
                    end(&mut process, runtime_api.grace(), server.as_mut()).await;
                    return "its code has changed".into();
                }
                () = sleep_until(wake) => match next_action(&settings, &slot, started, runtime_api.activity()) {
                    NextAction::Wait(then) => wake = then,
                    NextAction::Retire => {
                        end(&mut process, runtime_api.grace(), server.as_mut()).await;
                        return "it had no work".into();
                    }
                    NextAction::TimeOut => {
                        runtime_api.fail(InvokeError::TimedOut { limit: settings.function.timeout });
                        process.kill().await;
                        return "its instance timed out".into();
                    }
                    NextAction::TimeOutPoll => {
                        process.kill().await;
                        let cause = "it did not ask for another event after its answer";
                        tracing::error!("[{}] an instance was killed: {cause}", slot.label());
                        return cause.into();
                    }
                    NextAction::TimeOutInit => {
                        process.kill().await;
                        return format!("it did not ask for an event within {} s of its start", INIT_TIMEOUT.as_secs());
                    }
                },
            }
        }
    }
}

/// Ends the process; until it has ended, its runtime API answers.
async fn end(process: &mut Process, grace: Duration, runtime_api: Pin<&mut impl Future>) {
    tokio::select! {
        () = process.end(grace) => {}
        _ = runtime_api => {}
    }
}

/// Decides the next step; an instance that is to be retired is taken out of service here.
fn next_action(settings: &Settings, slot: &Slot, started: Instant, activity: Activity) -> NextAction {
    let now = Instant::now();
    let timeout = settings.function.timeout;
    // An event that arrives meanwhile has its deadline at least one timeout from now.
    let next_poll = now + timeout.max(Duration::from_millis(1));
    match activity {
        Activity::Working { deadline } if now >= deadline => NextAction::TimeOut,
        Activity::Working { deadline } => NextAction::Wait(deadline),
        Activity::Starting => {
            let limit = started + INIT_TIMEOUT;
            if now >= limit { NextAction::TimeOutInit } else { NextAction::Wait(next_poll.min(limit)) }
        }
        Activity::Waiting { since } if now >= since + timeout && slot.is_returning() => {
            NextAction::TimeOutPoll
        }
        Activity::Waiting { since } => {
            let idle_limit = since + settings.idle_timeout;
            if now < idle_limit {
                NextAction::Wait(next_poll.min(idle_limit))
            } else if slot.retire() {
                NextAction::Retire
            } else {
                NextAction::Wait(next_poll)
            }
        }
    }
}
