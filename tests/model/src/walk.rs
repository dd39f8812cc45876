//! Random sequences of what can happen, each to its end: much longer than a search of every order reaches.

use stateright::Model;

use crate::scenario::Scenario;
use crate::search::{Action, told};
use crate::world::World;

/// A sequence of what happened, and the promise that it broke.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Each state, and what happened then.
    pub steps: Vec<(World, Action)>,
    /// The state in the end.
    pub end: World,
    /// The promise that was broken.
    pub broken: Option<&'static str>,
}

impl Walk {
    /// Each state and what happened then, to the last.
    pub fn told(&self) -> String {
        let steps = self.steps.iter().map(|(world, action)| (world.clone(), Some(*action)));
        told(&steps.chain([(self.end.clone(), None)]).collect::<Vec<_>>())
    }
}

/// A random sequence until nothing more can happen, or a promise is broken.
pub fn walk(scenario: &Scenario, seed: u64) -> Walk {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut world, mut steps) = (scenario.start(), Vec::new());
    let properties = scenario.properties();
    loop {
        let broken =
            properties.iter().find(|property| !(property.condition)(scenario, &world)).map(|one| one.name);
        let mut actions = Vec::new();
        scenario.actions(&world, &mut actions);
        let mut next = None;
        while next.is_none() && broken.is_none() && !actions.is_empty() {
            let action = actions.swap_remove(random.usize(..actions.len()));
            next = scenario.after(&world, action).map(|after| (after, action));
        }
        let Some((after, action)) = next else { return Walk { steps, end: world, broken } };
        steps.push((std::mem::replace(&mut world, after), action));
    }
}
