//! The events that wait for an instance, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::invocation::Invocation;

/// A place in the queue.
pub(super) type Ticket = u64;

/// Whatever is done to one event costs the same, up to a logarithm, however many wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    last: Ticket,
    waiting: BTreeMap<Ticket, Waiting>,
    /// By the time up to which they wait. It is not always the order of the queue, as a wait may be extended.
    deadlines: BTreeSet<(Instant, Ticket)>,
}

#[derive(Debug)]
struct Waiting {
    invocation: Invocation,
    since: Instant,
    deadline: Instant,
    extended: bool,
}

impl Queue {
    pub(super) fn push(&mut self, invocation: Invocation, since: Instant, deadline: Instant) -> Ticket {
        self.last += 1;
        self.deadlines.insert((deadline, self.last));
        self.waiting.insert(self.last, Waiting { invocation, since, deadline, extended: false });
        self.last
    }

    /// Takes the event that has waited longest.
    pub(super) fn pop(&mut self) -> Option<Invocation> {
        let (ticket, first) = self.waiting.pop_first()?;
        self.deadlines.remove(&(first.deadline, ticket));
        Some(first.invocation)
    }

    /// Takes out an event, if it still waits.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Invocation> {
        let waiting = self.waiting.remove(&ticket)?;
        self.deadlines.remove(&(waiting.deadline, ticket));
        Some(waiting.invocation)
    }

    /// Takes an event whose time is over. With an `extension`, each event waits so much longer, once.
    pub(super) fn pop_expired(
        &mut self,
        now: Instant,
        extension: Option<std::time::Duration>,
    ) -> Option<Invocation> {
        while let Some(&(deadline, ticket)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now)
        {
            let longer = extension.filter(|_| self.waiting.get(&ticket).is_some_and(|one| !one.extended));
            let (Some(longer), Some(waiting)) = (longer, self.waiting.get_mut(&ticket)) else {
                return self.remove(ticket);
            };
            self.deadlines.remove(&(deadline, ticket));
            (waiting.deadline, waiting.extended) = (deadline + longer, true);
            self.deadlines.insert((waiting.deadline, ticket));
        }
        None
    }

    /// Since when the first event waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, first)| first.since)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::lambda::invocation::Answer;

    const SECOND: Duration = Duration::from_secs(1);

    fn event(id: &str) -> Invocation {
        let answer = Answer { label: "test".into(), to: oneshot::channel().0 };
        Invocation { id: id.to_owned(), payload: bytes::Bytes::new(), answer }
    }

    fn id(invocation: Option<Invocation>) -> String {
        invocation.expect("an event").id
    }

    #[test]
    fn events_leave_in_the_order_in_which_they_came() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let tickets = ["a", "b", "c"].map(|id| queue.push(event(id), now, now + SECOND));
        assert_eq!(id(queue.remove(tickets[1])), "b");
        assert!(queue.remove(tickets[1]).is_none());
        assert_eq!((id(queue.pop()), id(queue.pop())), ("a".into(), "c".into()));
        assert!(queue.pop().is_none() && queue.oldest().is_none() && queue.len() == 0);
        assert!(queue.pop_expired(now + 2 * SECOND, None).is_none(), "nothing taken expires");
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_is_extended_once() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(event("a"), now, now + SECOND);
        queue.push(event("b"), now, now + 2 * SECOND);
        assert!(queue.pop_expired(now, None).is_none());
        assert!(queue.pop_expired(now + SECOND, Some(5 * SECOND)).is_none(), "it was extended");
        assert_eq!(id(queue.pop_expired(now + 2 * SECOND, None)), "b", "before the one in front of it");
        assert!(queue.pop_expired(now + 5 * SECOND, None).is_none());
        assert_eq!(id(queue.pop_expired(now + 6 * SECOND, Some(5 * SECOND))), "a");
    }
}
