//! The search: every order of everything that can happen, and the promises that must hold.

use std::fmt::Write;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::call::{Ender, Event, HELD_MS, Reason, Role, State, Status, apply};
use crate::client::{Phase, Press};
use crate::scenario::Scenario;
use crate::server::Step;
use crate::wave::Fate;
use crate::world::{CLIENTS, Connection, World, user_key};

/// Something that happens.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// A person does something.
    Press(usize, Press),
    /// A connection dies.
    Die(usize),
    /// A connection dies without a word.
    Vanish(usize),
    /// A client reads a frame.
    Read(usize),
    /// A client connects.
    Connect(usize),
    /// An invocation takes its next step.
    Handle(usize),
    /// An invocation notes at its connection that it takes part.
    Note(usize),
    /// A push of an invocation is made.
    Push(usize, usize, Fate),
    /// Time passes, in milliseconds.
    Pass(u64),
}

/// The steps of time: of crossing, of echoes, of absence, of ringing.
const STEPS: [u64; 4] = [500, 5_000, 30_000, 60_000];

impl Model for Scenario {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.start()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        if let Some((place, push)) = world.idle_push() {
            actions.push(Action::Push(place, push, Fate::Arrives));
            return;
        }
        for client in 0..CLIENTS {
            for press in [Press::Call, Press::Accept, Press::Decline, Press::HangUp, Press::Reoffer] {
                if world.may(client, press) {
                    actions.push(Action::Press(client, press));
                }
            }
            let me = &world.clients[client];
            if world.left.deaths > 0 && me.ready {
                actions.push(Action::Die(client));
            }
            if world.left.vanishings > 0 && me.ready {
                actions.push(Action::Vanish(client));
            }
            if !me.unread.is_empty() {
                actions.push(Action::Read(client));
            }
            if world.left.connects > 0 && !me.online && !self.is_absent(client) {
                actions.push(Action::Connect(client));
            }
        }
        for (place, invocation) in world.invocations.iter().enumerate() {
            if invocation.notes {
                actions.push(Action::Note(place));
            }
            let Step::Push(wave) = &invocation.step else {
                actions.push(Action::Handle(place));
                continue;
            };
            if invocation.notes {
                continue;
            }
            for (push, one) in wave.pushes.iter().enumerate() {
                actions.push(Action::Push(place, push, Fate::Arrives));
                if world.left.mishaps > 0 && !one.repeated {
                    actions.push(Action::Push(place, push, Fate::IsLost));
                    actions.push(Action::Push(place, push, Fate::Repeats));
                }
            }
        }
        // A function is done within two seconds, and a frame reaches it within 500 ms.
        let begins = world.invocations.iter().any(|one| one.step == Step::Begin);
        if world.left.steps > 0 && world.line.call.is_some() && !begins {
            let longest = if world.is_settled() { STEPS.len() } else { 1 };
            actions.extend(STEPS[..longest].iter().copied().map(Action::Pass));
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = self.after(world, action)?;
        world.normalize();
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no call ends that both sides want", |_, world: &World| world.broken.is_none()),
            Property::always("no phone rings for a call that is over", |_, world: &World| {
                !world.is_settled() || (0..CLIENTS).all(|client| rings_rightly(world, client))
            }),
            Property::always("no call lives on after a hang-up", |_, world: &World| {
                !world.is_settled() || sides_are_there(world)
            }),
            Property::always("both sides agree", |_, world: &World| {
                !world.is_settled() || (0..CLIENTS).all(|client| is_in_its_call(world, client))
            }),
            Property::always("every state is left", |_, world: &World| !world.is_settled() || can_end(world)),
        ]
    }
}

impl Scenario {
    /// The state after something has happened, none where that came too early.
    pub(crate) fn after(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        match action {
            Action::Press(client, press) => world.press(client, press),
            Action::Die(client) => world.die(client),
            Action::Vanish(client) => world.vanish(client),
            Action::Read(client) => world.read(client),
            Action::Connect(client) => world.connect(client),
            Action::Handle(place) => {
                if !world.handle(place, self.mutation) {
                    return None;
                }
            }
            Action::Push(place, push, fate) => world.make_push(place, push, fate, self.mutation),
            Action::Note(place) => world.note(place, self.mutation),
            Action::Pass(time) => {
                world.now += time;
                world.left.steps -= 1;
            }
        }
        Some(world)
    }
}

/// The state that a client shows in the end, once it has asked where it has reason to.
fn shown(world: &World, client: usize) -> (Phase, Option<crate::ids::CallId>) {
    let over = world.line.live().is_some() && world.line.at(world.now).live().is_none();
    // A client that yields asks when it is given nothing.
    if world.mishap || over || world.clients[client].phase == Phase::Yielding {
        world.after_asking(client)
    } else {
        (world.clients[client].phase, world.clients[client].id.clone())
    }
}

fn rings_rightly(world: &World, client: usize) -> bool {
    let (phase, id) = shown(world, client);
    if phase != Phase::Ringing || !world.clients[client].ready {
        return true;
    }
    let line = world.line.at(world.now);
    line.live().is_some_and(|call| call.state == State::Ringing && Some(&call.id) == id.as_ref())
}

fn is_in_its_call(world: &World, client: usize) -> bool {
    let me = &world.clients[client];
    let (phase, id) = shown(world, client);
    if !me.ready {
        return true;
    }
    let line = world.line.at(world.now);
    let live = line.live();
    let mine = live.filter(|call| Some(&call.id) == id.as_ref());
    let is_side = mine.is_some_and(|call| {
        let side = call.side(&user_key(me.user)).connection.as_ref();
        side.is_some_and(|side| Some(Connection::of(side)) == world.connection_of(client))
    });
    match phase {
        Phase::Calling => is_side && mine.is_some_and(|call| call.state == State::Ringing),
        Phase::Active => is_side && mine.is_some_and(|call| call.state == State::Active),
        Phase::Yielding => false,
        // A call that rings, rings at every device that has not refused it, and was there within the 60 seconds.
        Phase::Idle => {
            let rings =
                live.filter(|call| call.state == State::Ringing && call.callee.user == user_key(me.user));
            // Its caller was away when the device came, or the 60 seconds were over.
            let is_late = |call: &crate::call::Call| {
                let away = call.caller.away_since.is_some()
                    || call.caller.connection.as_ref().is_some_and(|one| Connection::of(one).generation > 0);
                me.generation > 0 && (away || world.now >= call.rang_at + HELD_MS)
            };
            world.mishap || rings.is_none_or(|call| is_late(call) || me.declined.as_ref() == Some(&call.id))
        }
        Phase::Ringing => true,
    }
}

/// A call that lives is shown by the clients whose connections take part, unless they are away.
fn sides_are_there(world: &World) -> bool {
    let line = world.line.at(world.now);
    let Some(call) = line.live() else { return true };
    let there = |side: &crate::call::Side, phase: Phase| {
        let Some(connection) = side.connection.as_ref().filter(|_| side.away_since.is_none()) else {
            return side.away_since.is_some();
        };
        let connection = Connection::of(connection);
        // A connection that vanished takes part until a push meets it.
        let vanished = !world.is_there(connection) && world.open.contains(&connection);
        vanished
            || world.is_there(connection) && shown(world, connection.client) == (phase, Some(call.id.clone()))
    };
    match call.state {
        State::Ringing => there(&call.caller, Phase::Calling),
        _ => there(&call.caller, Phase::Active) && there(&call.callee, Phase::Active),
    }
}

/// From here each side can end the call.
fn can_end(world: &World) -> bool {
    let line = world.line.at(world.now);
    let Some(call) = line.live() else { return true };
    [0, 1].into_iter().all(|user| {
        let by = Ender::User(user_key(user));
        let end = Event::End { by, id: Some(call.id.clone()), reason: Reason::Hangup };
        let (after, _) = apply(line.clone(), &end, world.now);
        let read = after.summary(&user_key(user), world.now);
        after.live().is_none()
            && read.is_some_and(|read| {
                read.status == Status::Ended && matches!(read.role, Role::Caller | Role::Callee)
            })
    })
}

/// States in order, each with what happened then.
pub type Steps = Vec<(World, Option<Action>)>;

/// The findings of a search.
#[derive(Debug)]
pub struct Found {
    /// The states.
    pub states: usize,
    /// Whether these are all.
    pub whole: bool,
    /// The longest sequence of what happens.
    pub depth: usize,
    /// The promise that was broken, and how it came to that.
    pub fault: Option<(&'static str, Steps)>,
}

/// Searches a scenario, the shortest sequences first: until it breaks a promise, it is searched whole, or it has about so
/// many states.
pub fn search(scenario: &Scenario, threads: usize, most_states: usize) -> Found {
    let checker = scenario.clone().checker().threads(threads).target_state_count(most_states);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let fault = checker.discoveries().into_iter().next().map(|(promise, path)| (promise, path.into_vec()));
    let whole = fault.is_none() && checker.state_count() < most_states;
    Found { states: checker.unique_state_count(), whole, depth: checker.max_depth(), fault }
}

/// A sequence of what happens, in words: each step, and what the clients show then.
pub fn told(steps: &[(World, Option<Action>)]) -> String {
    let mut text = String::new();
    for (world, action) in steps {
        let phases: Vec<_> = world.clients.iter().map(|client| client.phase).collect();
        let _ = writeln!(text, "    {phases:?}");
        let Some(action) = action else { continue };
        let _ = match action {
            Action::Handle(place) | Action::Note(place) => {
                writeln!(text, "{action:?} {:?}", world.invocations[*place])
            }
            Action::Push(place, push, _) => match &world.invocations[*place].step {
                Step::Push(wave) => writeln!(text, "{action:?} {:?}", wave.pushes[*push]),
                _ => Ok(()),
            },
            _ => writeln!(text, "{action:?}"),
        };
    }
    text
}
