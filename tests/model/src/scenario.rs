//! The scenarios: which clients there are, what may happen, and which rule is left out.

use crate::call::Line;
use crate::client::{Client, Phase};
use crate::world::{Budget, CLIENTS, Connection, World};

/// The time at which every scenario begins.
const START: u64 = 1_000_000;

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The clients: user 0 or 1, and whether it follows the contract.
    pub clients: [(usize, bool); CLIENTS],
    /// The clients whose connection is there from the start.
    pub online: [bool; CLIENTS],
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
}

const MODERN: bool = true;
const OLDER: bool = false;

impl Scenario {
    /// One in which nothing may happen.
    pub fn new(name: &'static str, clients: [(usize, bool); CLIENTS]) -> Self {
        let budget = Budget {
            frames: 12,
            calls: [0; CLIENTS],
            hang_ups: 0,
            deaths: 0,
            connects: 0,
            steps: 0,
            mishaps: 0,
        };
        Self { name, clients, online: [true; CLIENTS], budget, mutation: Mutation::None }
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
        };
        let open = (0..CLIENTS).filter(|client| self.online[*client]);
        World {
            now: START,
            line: Line::default(),
            open: open.map(|client| Connection { client, generation: 0 }).collect(),
            waiting: Vec::new(),
            clients: [client(0), client(1), client(2)],
            invocations: Vec::new(),
            left: self.budget,
            mishap: false,
            ended: Vec::new(),
            broken: None,
        }
    }
}

/// Scenarios with one device on each side, in each with at most so many frames.
pub fn of_two(frames: u8) -> Vec<Scenario> {
    let pairings =
        [("two", MODERN, MODERN), ("two older ones", OLDER, OLDER), ("one, and an older one", MODERN, OLDER)];
    let mut scenarios = Vec::new();
    for (name, one, other) in pairings {
        let mut base = Scenario::new(name, [(0, one), (1, other), (1, other)]).frames(frames);
        base.online[2] = false;
        for calls in [[1, 0, 0], [0, 1, 0], [1, 1, 0], [2, 0, 0], [0, 2, 0]] {
            let mut scenario = base.clone();
            scenario.budget.calls = calls;
            scenario.budget.hang_ups = 1;
            scenarios.push(scenario.clone());
            if calls.iter().sum::<u8>() == 1 {
                scenario.budget.deaths = 1;
                scenario.budget.connects = 1;
                scenarios.push(scenario);
            }
        }
    }
    scenarios
}

/// All scenarios, in each with at most so many frames.
pub fn all(frames: u8) -> Vec<Scenario> {
    let pairings = [
        ("one caller and two devices", [(0, MODERN), (1, MODERN), (1, MODERN)]),
        ("older ones", [(0, OLDER), (1, OLDER), (1, OLDER)]),
        ("a caller, two older devices", [(0, MODERN), (1, OLDER), (1, OLDER)]),
        ("an older caller, two devices", [(0, OLDER), (1, MODERN), (1, MODERN)]),
        ("an older caller, one of each", [(0, OLDER), (1, MODERN), (1, OLDER)]),
        ("a caller, one of each", [(0, MODERN), (1, MODERN), (1, OLDER)]),
    ];
    let mut scenarios = Vec::new();
    for (name, clients) in pairings {
        let base = Scenario::new(name, clients).frames(frames);
        let all_modern = clients.iter().all(|(_, modern)| *modern);
        let mut add = |change: &dyn Fn(&mut Scenario)| {
            let mut scenario = base.clone();
            change(&mut scenario);
            scenarios.push(scenario);
        };
        // Calls, hang-ups and redials.
        add(&|scenario| {
            scenario.budget.calls = [2, 0, 0];
            scenario.budget.hang_ups = 2;
        });
        // Offers that cross.
        add(&|scenario| {
            scenario.budget.calls = [1, 1, 0];
            scenario.budget.hang_ups = 1;
            scenario.budget.steps = 1;
        });
        // Connections that die and come back.
        add(&|scenario| {
            scenario.budget.calls = [1, 0, 0];
            scenario.budget.hang_ups = 1;
            scenario.budget.deaths = 1;
            scenario.budget.connects = 1;
            scenario.budget.steps = 1;
        });
        // A device that comes later.
        add(&|scenario| {
            scenario.online[2] = false;
            scenario.budget.connects = 1;
            scenario.budget.calls = [1, 0, 0];
            scenario.budget.hang_ups = 1;
        });
        // Pushes that are lost or come twice; clients written before the contract cannot mend that.
        if all_modern {
            add(&|scenario| {
                scenario.budget.calls = [1, 0, 0];
                scenario.budget.hang_ups = 1;
                scenario.budget.mishaps = 2;
            });
        }
    }
    scenarios
}
