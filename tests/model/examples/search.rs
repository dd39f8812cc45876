//! Searches every scenario and prints what it took: some whole, the others to a bound. `search STATES WALKS` bounds the
//! states of each, and says how many random sequences of each are tried to their end.

use std::time::Instant;

use model::scenario::Scenario;
use model::scenarios::{all, large, of_two, whole};
use model::search::{search, told};
use model::walk::walk;

/// The most frames of a scenario that is not searched whole.
const FRAMES: u8 = 12;

/// More steps than a scenario that is searched whole takes.
const ALL: usize = 100_000_000;

fn main() -> std::process::ExitCode {
    let number = |place| std::env::args().nth(place).and_then(|number| number.parse::<usize>().ok());
    let most_states = number(1).unwrap_or(20_000);
    let most_walks = number(2).and_then(|walks| u64::try_from(walks).ok()).unwrap_or(300);
    let (began, mut states, mut faults) = (Instant::now(), 0, 0);
    let bounded = large().into_iter().chain(of_two(FRAMES)).chain(all(FRAMES));
    let bounded = bounded.map(|scenario| (scenario, most_states));
    for (scenario, most_states) in whole().into_iter().map(|scenario| (scenario, ALL)).chain(bounded) {
        let (found, broken) = try_out(&scenario, most_states, most_walks);
        states += found;
        faults += usize::from(broken);
    }
    println!("{states} states in {:.1} s, {faults} faults", began.elapsed().as_secs_f64());
    std::process::ExitCode::from(u8::from(faults > 0))
}

/// Returns the states that were found, and whether a promise was broken.
fn try_out(scenario: &Scenario, most_states: usize, most_walks: u64) -> (usize, bool) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let began = Instant::now();
    let found = search(scenario, threads, most_states);
    println!(
        "{:>9} states, {}, {:>3} steps, {:>5.1} s: {} {:?} {:?}",
        found.states,
        if found.whole { "whole     " } else { "to a bound" },
        found.depth,
        began.elapsed().as_secs_f64(),
        scenario.name,
        scenario.habits,
        scenario.budget
    );
    let walks = (0..most_walks).map(|seed| walk(scenario, seed));
    let walk = walks.filter(|walk| walk.broken.is_some()).min_by_key(|walk| walk.steps.len());
    if let Some(walk) = &walk {
        println!("broken: {}\n{}", walk.broken.unwrap_or_default(), walk.told());
    }
    let is_broken = found.fault.is_some() || walk.is_some();
    if let Some((promise, path)) = found.fault {
        println!("broken: {promise}\n{}", told(&path));
    }
    (found.states, is_broken)
}
