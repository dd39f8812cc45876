//! The rules keep their promises in a small search, and the search finds it where one of them is left out.

use model::scenario::{Mutation, Scenario};
use model::scenarios::{all, large, of_two, whole};
use model::search::{search, told};
use model::walk::walk;

/// Enough to find each rule that is left out; the example `search` goes further.
const STATES: usize = 12_000;

fn scenarios() -> impl Iterator<Item = Scenario> {
    whole().into_iter().chain(large()).chain(of_two(12)).chain(all(12))
}

#[test]
fn the_promises_hold() {
    for scenario in scenarios() {
        if let Some((promise, path)) = search(&scenario, 2, STATES).fault {
            panic!("{}: broken: {promise}\n{}", scenario.name, told(&path));
        }
    }
}

#[test]
fn the_promises_hold_at_the_end_of_long_sequences() {
    let mut longest = 0;
    for scenario in scenarios() {
        for seed in 0..300 {
            let walk = walk(&scenario, seed);
            assert_eq!(walk.broken, None, "{}, seed {seed}:\n{}", scenario.name, walk.told());
            assert!(walk.end.is_settled(), "{}, seed {seed}: something never ends", scenario.name);
            longest = longest.max(walk.steps.len());
        }
    }
    assert!(longest > 50, "the longest sequence has {longest} steps");
}

fn is_found(mutation: Mutation) {
    let found = scenarios().any(|scenario| {
        let scenario = scenario.without(mutation);
        search(&scenario, 2, STATES).fault.is_some()
    });
    assert!(found, "the search does not see that a rule is missing");
}

#[test]
fn it_is_found_where_rule_7_is_left_out() {
    is_found(Mutation::WithoutRule7);
}

#[test]
fn it_is_found_where_nothing_is_looked_at_again() {
    is_found(Mutation::WithoutLookingAgain);
}

#[test]
fn it_is_found_where_no_end_is_an_echo() {
    is_found(Mutation::WithoutEchoes);
}

#[test]
fn it_is_found_where_a_connection_is_not_noted_again() {
    is_found(Mutation::WithoutNotingAgain);
}

#[test]
fn it_is_found_where_nothing_says_that_a_connection_has_closed() {
    is_found(Mutation::WithoutMarkingTheGone);
}
