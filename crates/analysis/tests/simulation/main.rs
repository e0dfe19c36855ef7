//! The whole pipeline in virtual time, from what receivers hand in to what the store answers: workers, rollup and writer of several
//! nodes over one store that fails, with restarts, late agents and hours that pass.
//!
//! A failing seed is printed; `run(seed, …)` runs its world again, exactly.

mod bugs;
mod crash;
mod elements;
mod flow;
mod late;
mod node;
mod reference;
mod traces;
mod world;

use bugs::Bug;
use world::{Seen, Setup, metrics, run};

const RIGHT: Setup = Setup { bug: Bug::None, refused: 0, hurry: false };

/// Runs the worlds of these seeds on all cores. Panics with the first one that is wrong.
fn all(seeds: std::ops::Range<u64>, setup: Setup) -> Seen {
    let metrics = metrics();
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() as u64);
    let part = |first: u64| {
        let mut seen = Seen::default();
        for seed in (seeds.start + first..seeds.end).step_by(usize::try_from(threads).expect("few")) {
            match run(seed, setup, &metrics) {
                Ok(world) => seen.add(world),
                Err(wrong) => panic!("seed {seed}, {setup:?}: {wrong}"),
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|first| scope.spawn(move || part(first))).collect();
        let mut all = Seen::default();
        parts.into_iter().for_each(|part| all.add(part.join().expect("a seed is wrong; it is printed above")));
        all
    })
}

#[test]
fn whatever_happens_on_the_way_the_store_holds_the_sum_of_what_was_accepted() {
    let seen = all(0..1_000, RIGHT);
    assert!(
        seen.elements > 20_000
            && seen.failed_calls > 1_000
            && seen.restarts > 100
            && seen.evicted > 1_000
            && seen.late > 100,
        "{seen:?}"
    );
}

#[test]
fn every_element_ends_once_also_where_the_store_refuses_some_for_good() {
    let seen = all(0..1_000, Setup { refused: 100, ..RIGHT });
    assert!(seen.refused > 1_000, "{seen:?}");
}

#[test]
fn every_element_ends_once_also_where_nodes_give_up() {
    let seen = all(0..1_000, Setup { hurry: true, ..RIGHT });
    assert!(seen.refused > 1_000, "{seen:?}");
}

/// Whether a bug shows within these seeds; the fewer it takes, the better the worlds are.
fn check_caught(bug: Bug) {
    let metrics = metrics();
    let caught =
        (0..1_000).find_map(|seed| run(seed, Setup { bug, ..RIGHT }, &metrics).err().map(|wrong| (seed, wrong)));
    assert!(caught.is_some(), "{bug:?} was not caught");
}

#[test]
fn a_merge_that_overwrites_is_caught() {
    check_caught(Bug::MergeOverwrites);
}

#[test]
fn a_life_number_that_is_used_again_is_caught() {
    check_caught(Bug::LifeNumberKept);
}

#[test]
fn a_lost_retry_is_caught() {
    check_caught(Bug::RetryLost);
}

#[test]
fn an_ignored_flush_sequence_is_caught() {
    check_caught(Bug::SequenceIgnored);
}

#[test]
fn a_record_that_counts_twice_is_caught() {
    check_caught(Bug::RepeatKept);
}
