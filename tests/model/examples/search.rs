//! Searches every scenario and prints what it took. `search FRAMES STATES WALKS` bounds the frames
//! and the states of each, and says how many random sequences of each are tried to their end.

use std::time::Instant;

use model::scenario::{all, of_two};
use model::search::{search, told};
use model::walk::walk;

fn main() -> std::process::ExitCode {
    let number = |place| std::env::args().nth(place).and_then(|number| number.parse::<usize>().ok());
    let frames = number(1).and_then(|frames| u8::try_from(frames).ok()).unwrap_or(12);
    let most_states = number(2).unwrap_or(60_000);
    let most_walks = number(3).and_then(|walks| u64::try_from(walks).ok()).unwrap_or(1_000);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let (began, mut states, mut faults) = (Instant::now(), 0, 0);
    for scenario in of_two(frames).into_iter().chain(all(frames)) {
        let began = Instant::now();
        let found = search(&scenario, threads, most_states);
        states += found.states;
        println!(
            "{:>9} states, {:>3} steps, {:>5.1} s: {} {:?}",
            found.states,
            found.depth,
            began.elapsed().as_secs_f64(),
            scenario.name,
            scenario.budget
        );
        let walks = (0..most_walks).map(|seed| walk(&scenario, seed));
        let broken = walks.filter(|walk| walk.broken.is_some()).min_by_key(|walk| walk.steps.len());
        if let Some(walk) = broken {
            faults += 1;
            println!("broken: {}\n{}", walk.broken.unwrap_or_default(), walk.told());
        }
        if let Some((promise, path)) = found.fault {
            faults += 1;
            println!("broken: {promise}\n{}", told(&path));
        }
    }
    println!("{states} states in {:.1} s, {faults} faults", began.elapsed().as_secs_f64());
    std::process::ExitCode::from(u8::from(faults > 0))
}
