//! The scenarios that are searched: those that are small enough, whole; of the others the shortest sequences.

use crate::scenario::Scenario;

const MODERN: bool = true;
const OLDER: bool = false;

/// Scenarios that are searched whole, however many frames they take. Those without `ringing` are of clients that do not
/// send it: nothing else depends on it, and it multiplies what can happen.
pub fn whole() -> Vec<Scenario> {
    unbounded(false)
}

/// Scenarios like those of [`whole`], but too large to be searched whole each time.
pub fn large() -> Vec<Scenario> {
    unbounded(true)
}

fn unbounded(is_large: bool) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    let mut add =
        |large: bool, name, others: [bool; 2], sends_ringing: bool, change: &dyn Fn(&mut Scenario)| {
            let clients = [(0, others[0]), (1, others[1]), (1, others[1])];
            let mut scenario = Scenario::new(name, clients).frames(u8::MAX);
            scenario.habits.silent = !sends_ringing;
            scenario.budget.calls = [1, 0, 0];
            scenario.budget.hang_ups = 1;
            change(&mut scenario);
            if large == is_large {
                scenarios.push(scenario);
            }
        };
    let modern = [MODERN; 2];
    let two = |scenario: &mut Scenario| {
        scenario.online[2] = false;
        scenario.absent = true;
    };
    add(false, "two, two mishaps", modern, true, &|scenario| {
        two(scenario);
        scenario.budget.mishaps = 2;
    });
    add(false, "two, frames read late", modern, true, &|scenario| {
        two(scenario);
        scenario.habits.read_late = true;
        scenario.budget.mishaps = 1;
    });
    add(true, "two, one that dies", modern, true, &|scenario| {
        two(scenario);
        scenario.budget.deaths = 1;
        scenario.budget.connects = 1;
    });
    add(true, "two, one that vanishes", modern, true, &|scenario| {
        two(scenario);
        scenario.budget.vanishings = 1;
        scenario.budget.connects = 1;
    });
    add(false, "two, an offer in the call", modern, true, &|scenario| {
        two(scenario);
        scenario.budget.reoffers = 1;
    });
    add(true, "two, offers in the call that cross", modern, false, &|scenario| {
        two(scenario);
        scenario.budget.reoffers = 2;
    });
    add(true, "two, offers that cross", modern, false, &|scenario| {
        two(scenario);
        scenario.budget.calls = [1, 1, 0];
    });
    add(false, "two, a redial", modern, false, &|scenario| {
        two(scenario);
        scenario.budget.calls = [2, 0, 0];
    });
    add(false, "three", modern, true, &|_| {});
    add(false, "three, time that passes", modern, false, &|scenario| scenario.budget.steps = 1);
    add(false, "three, a mishap", modern, false, &|scenario| scenario.budget.mishaps = 1);
    add(true, "three, an offer in the call", modern, false, &|scenario| scenario.budget.reoffers = 1);
    add(true, "three, frames read late", modern, false, &|scenario| scenario.habits.read_late = true);
    add(false, "older ones, offers that cross", [OLDER; 2], false, &|scenario| {
        two(scenario);
        scenario.budget.calls = [1, 1, 0];
        scenario.budget.hang_ups = 2;
    });
    add(false, "older ones, one that dies", [OLDER; 2], false, &|scenario| {
        two(scenario);
        scenario.budget.deaths = 1;
        scenario.budget.connects = 1;
    });
    add(false, "one, and an older one, offers that cross", [MODERN, OLDER], false, &|scenario| {
        two(scenario);
        scenario.budget.calls = [1, 1, 0];
    });
    for (name, clients, sends_ringing) in [
        ("two, one that dies, notes apart", modern, true),
        ("one, and an older one, one that dies, notes apart", [MODERN, OLDER], false),
        ("older ones, one that dies, notes apart", [OLDER; 2], false),
    ] {
        add(false, name, clients, sends_ringing, &|scenario| {
            two(scenario);
            scenario.budget.deaths = 1;
            scenario.habits.notes_apart = true;
        });
    }
    add(false, "three older ones", [OLDER; 2], false, &|_| {});
    add(false, "one, two older devices", [MODERN, OLDER], false, &|_| {});
    add(true, "an older one, two devices", [OLDER, MODERN], true, &|_| {});
    scenarios
}

/// Scenarios with one device on each side, in each with at most so many frames.
pub fn of_two(frames: u8) -> Vec<Scenario> {
    let pairings =
        [("two", MODERN, MODERN), ("two older ones", OLDER, OLDER), ("one, and an older one", MODERN, OLDER)];
    let mut scenarios = Vec::new();
    for (name, one, other) in pairings {
        let mut base = Scenario::new(name, [(0, one), (1, other), (1, other)]).frames(frames);
        base.online[2] = false;
        base.absent = true;
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
