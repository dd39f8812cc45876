//! What a pool knows of its instances and of the events that wait for one.

use std::collections::BTreeMap;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::invocation::Invocation;
use super::queue::Queue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Idle,
    Busy,
    /// Has answered and not polled again yet.
    Returning,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) phase: Phase,
    pub(super) process: Option<u32>,
    pub(super) kill: CancellationToken,
    /// Cancelled once the instance is out of service and may end.
    pub(super) release: CancellationToken,
    /// Its code has changed since it started, so that it gets no further event.
    pub(super) outdated: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) started: u64,
    /// The instances by number.
    pub(super) entries: BTreeMap<u64, Entry>,
    /// Where idle instances take their next event. The most recently used is last, so that the others grow old and
    /// are stopped.
    pub(super) idle: Vec<(u64, oneshot::Sender<Invocation>)>,
    pub(super) waiting: Queue,
    /// Whether somebody looks after the events that wait.
    pub(super) tended: bool,
    /// When an instance last finished starting.
    pub(super) settled: Option<Instant>,
}

impl State {
    pub(super) fn count(&self, phase: Phase) -> usize {
        self.entries.values().filter(|entry| entry.phase == phase).count()
    }

    pub(super) fn phase(&self, number: u64) -> Option<Phase> {
        self.entries.get(&number).map(|entry| entry.phase)
    }

    pub(super) fn set_phase(&mut self, number: u64, phase: Phase) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.phase = phase;
        }
    }

    /// Takes an instance out of service; its supervision ends it.
    pub(super) fn release(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(&number) {
            entry.release.cancel();
        }
    }

    pub(super) fn forget_poll(&mut self, number: u64) {
        self.idle.retain(|(idle, _)| *idle != number);
    }
}
