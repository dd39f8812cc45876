//! The load: clients that create without pause, and listeners that must be pushed every message of theirs once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

use crate::clients::{FRAME_TIMEOUT, Listener, Sender, Wire, spawn};

const WARM_UP: Duration = Duration::from_secs(1);

/// Creates without pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    /// An even number: the two users of each conversation listen, on one connection each.
    pub(crate) listeners: usize,
    pub(crate) duration: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) created: usize,
    /// How often a create was answered with another status.
    pub(crate) errors: HashMap<StatusCode, usize>,
    took: Duration,
    /// Until the answer.
    pub(crate) answered: Times,
    /// Until the frame on the receiver's device.
    pub(crate) delivered: Times,
}

/// Ascending, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut times: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1000.0).collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }
}

impl Times {
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        self.0.get((self.0.len() as f64 * part) as usize).copied().unwrap_or_default()
    }
}

impl Outcome {
    pub(crate) fn rate(&self) -> f64 {
        self.created as f64 / self.took.as_secs_f64()
    }
}

/// What one client did.
#[derive(Default)]
struct Done {
    created: Vec<Created>,
    errors: HashMap<StatusCode, usize>,
}

struct Created {
    id: Uuid,
    conversation: usize,
    started: Instant,
    took: Duration,
}

impl Load {
    /// Creates for the time given and checks that the listeners of each conversation were pushed all its messages once.
    pub(crate) async fn run(&self, port: u16, wire: Wire) -> Outcome {
        // Instances start and code gets hot before the clock does.
        self.create(port, WARM_UP.min(self.duration)).await;
        let conversations = self.listeners / 2;
        let users: Vec<_> = (0..conversations).flat_map(users).collect();
        let listeners = Listener::register_all(port, wire, &users).await;
        let expected = watch::Sender::new(None);
        let listening = listeners.into_iter().enumerate().map(|(number, listener)| {
            let expected = expected.subscribe();
            spawn(collect(listener, number / 2, expected))
        });
        let listening: Vec<_> = listening.collect();

        let started = Instant::now();
        let done = self.create(port, self.duration).await;
        let mut counts = vec![0; conversations];
        for created in &done.created {
            counts[created.conversation] += 1;
        }
        expected.send_replace(Some(counts));
        let mut arrived: Vec<_> = join_all(listening).await.into_iter().map(Result::unwrap).collect();
        // The time of the last pushes counts.
        let took = started.elapsed();

        let mut delivered = Vec::with_capacity(done.created.len());
        for created in &done.created {
            for listener in [created.conversation * 2, created.conversation * 2 + 1] {
                let at = arrived[listener].remove(&created.id).expect("every message is pushed to everybody");
                if listener % 2 == 1 {
                    delivered.push(at - created.started);
                }
            }
        }
        assert!(arrived.iter().all(HashMap::is_empty), "nothing else is pushed");
        Outcome {
            created: done.created.len(),
            errors: done.errors,
            took,
            answered: done.created.iter().map(|created| created.took).collect(),
            delivered: delivered.into_iter().collect(),
        }
    }

    async fn create(&self, port: u16, duration: Duration) -> Done {
        let until = Instant::now() + duration;
        let clients = (0..self.clients).map(|client| {
            let conversations = self.listeners / 2;
            spawn(create_until(port, client, self.clients, conversations, until))
        });
        let mut all = Done::default();
        for done in join_all(clients).await.into_iter().map(Result::unwrap) {
            all.created.extend(done.created);
            for (status, count) in done.errors {
                *all.errors.entry(status).or_default() += count;
            }
        }
        all
    }
}

/// The sender and the receiver of a conversation.
fn users(conversation: usize) -> [String; 2] {
    ["alice", "bob"].map(|name| format!("{name}-{conversation}"))
}

async fn create_until(
    port: u16,
    client: usize,
    clients: usize,
    conversations: usize,
    until: Instant,
) -> Done {
    let mut sender = Sender::connect(port).await;
    let mut done = Done::default();
    for turn in 0.. {
        let started = Instant::now();
        if started >= until {
            break;
        }
        let conversation = (client + turn * clients) % conversations;
        let [from, to] = users(conversation);
        match sender.create(&from, &to).await {
            Ok(id) => done.created.push(Created { id, conversation, started, took: started.elapsed() }),
            Err(status) => *done.errors.entry(status).or_default() += 1,
        }
    }
    done
}

/// Reads pushes until as many as expected have come, by conversation; how many those are is known at the end only.
async fn collect(
    mut listener: Listener,
    conversation: usize,
    mut expected: watch::Receiver<Option<Vec<usize>>>,
) -> HashMap<Uuid, Instant> {
    let mut arrived = HashMap::new();
    let mut add = |id| assert!(arrived.insert(id, Instant::now()).is_none(), "nothing is pushed twice");
    let mut count = 0;
    let all = loop {
        tokio::select! {
            frame = listener.next() => {
                add(frame.message_id());
                count += 1;
            }
            _ = expected.changed() => break expected.borrow().as_ref().unwrap()[conversation],
        }
    };
    while count < all {
        let frame = timeout(FRAME_TIMEOUT, listener.next()).await.expect("pushes go on");
        add(frame.message_id());
        count += 1;
    }
    arrived
}
