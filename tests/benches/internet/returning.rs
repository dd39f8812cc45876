//! Clients that have all lost their WebSocket and come back as `client/src/connection.js` does, in steps of 100 ms:
//! a ticket, the upgrade, `register`, then the events since. What is refused at one of these is tried from the start
//! after a pause, the events alone likewise. Meanwhile those who are back go on with what people do.

use fastrand::Rng;

use crate::bucket::Bucket;

/// Seconds of a step, which each request takes.
pub(crate) const STEP: f64 = 0.1;

/// Processing units that opening a connection takes: ticket, its use, `register`, events and conversations.
const UNITS: [f64; 5] = [9.0, 1.0, 20.0, 8.0, 8.0];

/// How a client waits before it tries again.
#[derive(Clone, Copy)]
pub(crate) enum Pause {
    /// As `client/src/backoff.js`: from 1 s doubled up to 30 s, half of it at random.
    BackOff,
    /// Every second, without chance, to compare the other with.
    EverySecond,
}

#[derive(Clone, Copy)]
pub(crate) struct Storm {
    pub(crate) clients: usize,
    /// How long everything is refused after the loss, in seconds.
    pub(crate) outage: f64,
    pub(crate) load: Load,
    pub(crate) limits: Limits,
    pub(crate) pause: Pause,
}

/// The requests of a client that is online.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Requests, frames and pushes per second.
    pub(crate) requests: f64,
    /// The parts of these that go to the HTTP API, and that are frames to the WebSocket API.
    pub(crate) over_http: f64,
    pub(crate) frames: f64,
    /// Processing units of the cache that each takes on average.
    pub(crate) units: f64,
}

/// Rates and bursts.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Of the account.
    pub(crate) requests: (f64, f64),
    /// Of either API, `RateLimit` and `BurstLimit`.
    pub(crate) api: (f64, f64),
    pub(crate) upgrades: (f64, f64),
    /// Processing units of the cache.
    pub(crate) units: f64,
}

pub(crate) struct Outcome {
    /// Seconds after the end of the outage until half, and until 99 of 100, are registered and have read their events.
    pub(crate) half: Option<f64>,
    pub(crate) nearly_all: Option<f64>,
    /// The most requests in a second, refused ones included, and the most units of the cache.
    pub(crate) made: f64,
    pub(crate) units: f64,
    /// Of what people did who were back, the part that was refused at first.
    pub(crate) refused: f64,
}

/// The next thing that a client asks for.
#[derive(Clone, Copy)]
enum Stage {
    Ticket,
    Upgrade,
    Register,
    Events,
    Conversations,
}

struct Client {
    stage: Stage,
    failures: i32,
}

/// A simulation that takes longer is given up.
const LONGEST: f64 = 4.0 * 3600.0;

/// More steps than the longest pause has.
const RING: usize = 512;

struct Simulation {
    random: Rng,
    clients: Vec<Client>,
    /// Whose turn it is at each step, modulo `RING`.
    turns: Vec<Vec<u32>>,
    requests: Bucket,
    http: Bucket,
    frames: Bucket,
    upgrades: Bucket,
    units: Bucket,
    load: Load,
    pause: Pause,
    is_away: bool,
    online: usize,
    back: usize,
    peaks: Peaks,
}

pub(crate) fn simulate(storm: &Storm) -> Outcome {
    let mut simulation = Simulation::new(storm);
    let mut half = None;
    let (mut done, mut refused, mut fraction) = (0_u64, 0_u64, 0.0);
    let share = |refused, done: u64| refused as f64 / done.max(1) as f64;
    for step in 0_usize.. {
        let seconds = step as f64 * STEP - storm.outage;
        simulation.is_away = seconds < 0.0;
        let load = simulation.online as f64 * storm.load.requests * STEP + fraction;
        fraction = load.fract();
        done += load as u64;
        refused += simulation.step(step, load as usize);
        let reached = |percent| simulation.back * 100 >= storm.clients * percent;
        half = half.or_else(|| reached(50).then_some(seconds));
        let nearly_all = reached(99).then_some(seconds);
        if nearly_all.is_some() || seconds > LONGEST {
            let Peaks { most_requests: made, most_units: units, .. } = simulation.peaks;
            return Outcome { half, nearly_all, made, units, refused: share(refused, done) };
        }
    }
    unreachable!("the loop ends by time")
}

impl Simulation {
    fn new(storm: &Storm) -> Self {
        let mut random = Rng::with_seed(7);
        let mut turns: Vec<Vec<u32>> = vec![Vec::new(); RING];
        for index in 0..u32::try_from(storm.clients).expect("fewer than 2³² clients") {
            turns[steps(storm.pause, 0, &mut random)].push(index);
        }
        let Limits { requests, api, upgrades, units } = storm.limits;
        Self {
            random,
            // Losing the connection was the first failure.
            clients: (0..storm.clients).map(|_| Client { stage: Stage::Ticket, failures: 1 }).collect(),
            turns,
            requests: Bucket::new(requests.0, requests.1),
            http: Bucket::new(api.0, api.1),
            frames: Bucket::new(api.0, api.1),
            upgrades: Bucket::new(upgrades.0, upgrades.1),
            units: Bucket::new(units, units),
            load: storm.load,
            pause: storm.pause,
            is_away: false,
            online: 0,
            back: 0,
            peaks: Peaks::default(),
        }
    }

    /// How many of the other requests are refused.
    fn step(&mut self, step: usize, others: usize) -> u64 {
        for bucket in
            [&mut self.requests, &mut self.http, &mut self.frames, &mut self.upgrades, &mut self.units]
        {
            bucket.refill(STEP);
        }
        let slot = step % RING;
        // Requests of those who come back and of the others meet the throttle in any order.
        let mut queue: Vec<Option<u32>> =
            std::mem::take(&mut self.turns[slot]).into_iter().map(Some).collect();
        queue.extend(std::iter::repeat_n(None, others));
        self.random.shuffle(&mut queue);
        let mut refused = 0;
        for turn in queue {
            match turn {
                None => refused += u64::from(!self.other()),
                Some(client) => {
                    if let Some(wait) = self.turn(client) {
                        self.turns[(slot + wait) % RING].push(client);
                    }
                }
            }
            self.peaks.requests += 1.0;
        }
        self.peaks.end_of_step(step);
        refused
    }

    /// Whether one of the other requests is let in.
    fn other(&mut self) -> bool {
        let Load { over_http, frames, units, .. } = self.load;
        let kind = self.random.f64();
        let door = match kind {
            _ if kind < over_http => self.http.take(1.0),
            _ if kind < over_http + frames => self.frames.take(1.0),
            // A push passes neither.
            _ => true,
        };
        let passed = door && self.requests.take(1.0) && self.units.take(units);
        self.peaks.units += if passed { units } else { 0.0 };
        passed
    }

    /// After how many steps the client has its next turn, if it needs one.
    fn turn(&mut self, index: u32) -> Option<usize> {
        let client = &mut self.clients[index as usize];
        let units = UNITS[client.stage as usize];
        let door = match client.stage {
            Stage::Upgrade => &mut self.upgrades,
            Stage::Register => &mut self.frames,
            Stage::Ticket | Stage::Events | Stage::Conversations => &mut self.http,
        };
        if self.is_away || !door.take(1.0) || !self.requests.take(1.0) || !self.units.take(units) {
            if !matches!(client.stage, Stage::Events | Stage::Conversations) {
                client.stage = Stage::Ticket;
            }
            client.failures += 1;
            return Some(steps(self.pause, client.failures - 1, &mut self.random));
        }
        self.peaks.units += units;
        client.stage = match client.stage {
            Stage::Ticket => Stage::Upgrade,
            Stage::Upgrade => Stage::Register,
            Stage::Register => {
                client.failures = 0;
                self.online += 1;
                Stage::Events
            }
            Stage::Events => Stage::Conversations,
            Stage::Conversations => {
                self.back += 1;
                return None;
            }
        };
        Some(1)
    }
}

/// Steps until the next attempt after so many failures.
fn steps(pause: Pause, failures: i32, random: &mut Rng) -> usize {
    let seconds = match pause {
        Pause::BackOff => 2_f64.powi(failures.min(10)).min(30.0) * (1.0 + random.f64()) / 2.0,
        Pause::EverySecond => 1.0,
    };
    ((seconds / STEP).round() as usize).max(1)
}

/// The most of anything within one second.
#[derive(Default)]
struct Peaks {
    requests: f64,
    units: f64,
    most_requests: f64,
    most_units: f64,
}

impl Peaks {
    fn end_of_step(&mut self, step: usize) {
        if step % 10 == 9 {
            self.most_requests = self.most_requests.max(self.requests);
            self.most_units = self.most_units.max(self.units);
            (self.requests, self.units) = (0.0, 0.0);
        }
    }
}
