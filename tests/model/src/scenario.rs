//! A scenario: which clients there are, what may happen, and which rule is left out.

use crate::call::Line;
use crate::client::{Client, Phase};
use crate::world::{Budget, CLIENTS, Connection, Habits, World};

/// The time at which every scenario begins.
pub const START: u64 = 1_000_000;

/// The longest step of time.
pub const LONGEST_STEP: u64 = 60_000;

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The clients: user 0 or 1, and whether it follows the contract.
    pub clients: [(usize, bool); CLIENTS],
    /// The clients whose connection is there from the start.
    pub online: [bool; CLIENTS],
    /// Whether there are but two clients.
    pub absent: bool,
    /// What sets the clients apart.
    pub habits: Habits,
    /// The things that may happen.
    pub budget: Budget,
    /// The rule that is left out.
    pub mutation: Mutation,
}

/// A rule that is left out, to see that the search finds it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mutation {
    /// None.
    #[default]
    None,
    /// Rule 7: every frame seems to have come when it is handled.
    WithoutRule7,
    /// The second half of rule 3: after a delivery nothing more is sent.
    WithoutLookingAgain,
    /// Rule 6: an `end_call` without id is never an echo.
    WithoutEchoes,
    /// A connection is noted as taking part beside the line alone, and not once more after that.
    WithoutNotingAgain,
    /// Nothing says of a connection that it has closed.
    WithoutMarkingTheGone,
}

impl Scenario {
    /// One in which nothing may happen.
    pub fn new(name: &'static str, clients: [(usize, bool); CLIENTS]) -> Self {
        let budget = Budget {
            frames: 12,
            calls: [0; CLIENTS],
            hang_ups: 0,
            deaths: 0,
            vanishings: 0,
            reoffers: 0,
            connects: 0,
            steps: 0,
            mishaps: 0,
        };
        Self {
            name,
            clients,
            online: [true; CLIENTS],
            absent: false,
            habits: Habits::default(),
            budget,
            mutation: Mutation::None,
        }
    }

    /// With a rule left out.
    #[must_use]
    pub fn without(mut self, mutation: Mutation) -> Self {
        self.mutation = mutation;
        self
    }

    /// With at most so many frames.
    #[must_use]
    pub fn frames(mut self, frames: u8) -> Self {
        self.budget.frames = frames;
        self
    }

    /// Whether a client has no part in this.
    pub(crate) fn is_absent(&self, client: usize) -> bool {
        client == 2 && self.absent
    }

    /// Its beginning.
    pub fn start(&self) -> World {
        let client = |place: usize| Client {
            user: self.clients[place].0,
            modern: self.clients[place].1,
            online: self.online[place],
            ready: self.online[place],
            generation: 0,
            calls: 0,
            phase: Phase::Idle,
            id: None,
            resumed: None,
            declined: None,
            reoffers: false,
            unread: Vec::new(),
        };
        let open = (0..CLIENTS).filter(|client| self.online[*client]);
        World {
            now: START,
            clock: 0,
            line: Line::default(),
            open: open.map(|client| Connection { client, generation: 0 }).collect(),
            noted: Vec::new(),
            gone: Vec::new(),
            waiting: Vec::new(),
            clients: [client(0), client(1), client(2)],
            invocations: Vec::new(),
            habits: self.habits,
            left: self.budget,
            mishap: false,
            ended: Vec::new(),
            broken: None,
        }
    }
}
