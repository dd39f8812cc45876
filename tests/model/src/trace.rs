//! Traces: what clients send, one frame after another, and what each of them gets. They can be replayed elsewhere.

use stateright::Model;

use crate::scenario::Scenario;
use crate::search::Action;
use crate::server::{Sent, Step};
use crate::wave::Fate;
use crate::world::{CLIENTS, Frame, World};

/// A frame that was handled to its end, or a connection that came or went.
#[derive(Clone, Debug)]
pub struct Handled {
    /// The frame.
    pub sent: Sent,
    /// The frames that each client got, in order.
    pub seen: [Vec<Frame>; CLIENTS],
}

/// A random sequence in which each frame is handled to its end before the next one is, in the order in which they were
/// sent. Connections come and go while nothing is on its way.
pub fn trace(scenario: &Scenario, seed: u64) -> Vec<Handled> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut world, mut trace) = (scenario.start(), Vec::new());
    loop {
        let mut actions = Vec::new();
        scenario.actions(&world, &mut actions);
        let mut choices: Vec<_> =
            actions.into_iter().filter(|action| is_of_a_person(*action, &world)).collect();
        if let Some(oldest) = oldest(&world) {
            choices.push(Action::Handle(oldest));
        }
        if choices.is_empty() {
            return trace;
        }
        let action = choices[random.usize(..choices.len())];
        let handled = matches!(action, Action::Handle(_)).then(|| oldest(&world)).flatten();
        let sent = handled.map(|place| world.invocations[place].sent.clone());
        world = scenario.after(&world, action).expect("nothing comes too early in order");
        let Some(sent) = sent else { continue };
        let mut seen = [const { Vec::new() }; CLIENTS];
        while let Some(place) = under_way(&world) {
            let action = match &world.invocations[place].step {
                Step::Push(wave) => {
                    let push = &wave.pushes[0];
                    if world.is_there(push.to) {
                        seen[push.to.client].extend(push.frames.iter().cloned());
                    }
                    Action::Push(place, 0, Fate::Arrives)
                }
                _ => Action::Handle(place),
            };
            world = scenario.after(&world, action).expect("nothing comes too early in order");
        }
        trace.push(Handled { sent, seen });
    }
}

fn is_of_a_person(action: Action, world: &World) -> bool {
    match action {
        Action::Press(..) => true,
        Action::Die(_) | Action::Connect(_) => world.is_settled(),
        Action::Vanish(_)
        | Action::Read(_)
        | Action::Handle(_)
        | Action::Note(_)
        | Action::Push(..)
        | Action::Pass(_) => false,
    }
}

/// Of the invocations that are still to begin, the one whose frame was sent first.
fn oldest(world: &World) -> Option<usize> {
    let waiting = world.invocations.iter().enumerate().filter(|(_, one)| one.step == Step::Begin);
    waiting.min_by_key(|(_, one)| one.sent.at).map(|(place, _)| place)
}

fn under_way(world: &World) -> Option<usize> {
    world.invocations.iter().position(|one| one.step != Step::Begin)
}
