//! Totals by small examples.

use expect_test::{Expect, expect};
use model::cell::{self, CellId};
use model::telemetry::Signal;
use model::{Agg, UnixMillis};
use testkit::START;

use super::*;

const CPM: CellId = CellId(64);
/// 2024-01-15T12:00Z.
const NOON: u32 = 28_422_000;

fn key(scope: Scope, step: Step, bucket: u32, entity: &str) -> RowKey {
    RowKey { scope, step, bucket: Bucket(bucket), entity: entity.into() }
}

fn calls(n: u64) -> Cells {
    Cells::from_iter([(CPM, Agg::Count(n))])
}

fn ping(minute: i64) -> Cells {
    Cells::from_iter([(cell::LAST_PING, Agg::Max(minute))])
}

fn at(minute: u32) -> UnixMillis {
    Bucket(minute).start()
}

/// Totals that hand over everything with every flush.
fn totals(limits: Limits) -> Totals {
    Totals::new(7, Zone::utc(), limits, Turns::ALWAYS)
}

fn take(totals: &mut Totals) -> Vec<Row> {
    let mut rows = Vec::new();
    totals.begin_flush();
    while totals.take_rows(2, &mut rows) {}
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

fn show(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let cells: Vec<_> = row.cells.iter().map(|(_, agg)| format!("{agg:?}")).collect();
        let bucket = i64::from(row.key.bucket.0) - i64::from(NOON);
        format!(
            "{} {:?} {bucket:+} life {} seq {}: {}\n",
            row.key.entity,
            row.key.step,
            row.partial.life,
            row.seq,
            cells.join(" ")
        )
    };
    rows.iter().map(line).collect()
}

fn check(rows: &[Row], expected: Expect) {
    expected.assert_eq(&show(rows));
}

#[test]
fn a_minute_counts_in_its_hour_and_its_day_and_rows_are_absolute() {
    let mut totals = totals(Limits::default());
    assert!(totals.merge(&key(Scope::Service, Step::Minute, NOON, "a"), &calls(2), START));
    assert!(totals.merge(&key(Scope::Service, Step::Minute, NOON + 61, "a"), &calls(3), START));
    check(
        &take(&mut totals),
        expect![[r#"
            a Minute +0 life 1 seq 1: Count(2)
            a Minute +61 life 4 seq 1: Count(3)
            a Hour +0 life 2 seq 1: Count(2)
            a Hour +60 life 5 seq 1: Count(3)
            a Day -720 life 3 seq 1: Count(5)
        "#]],
    );
    totals.answered();
    assert!(totals.is_clean());
    assert!(totals.merge(&key(Scope::Service, Step::Minute, NOON + 1, "a"), &calls(1), START));
    check(
        &take(&mut totals),
        expect![[r#"
            a Minute +1 life 6 seq 2: Count(1)
            a Hour +0 life 2 seq 2: Count(3)
            a Day -720 life 3 seq 2: Count(6)
        "#]],
    );
}

#[test]
fn hours_and_days_are_those_of_the_zone() {
    let mut totals = Totals::new(7, Zone::named("Asia/Kolkata").unwrap(), Limits::default(), Turns::ALWAYS);
    assert!(totals.merge(&key(Scope::Service, Step::Minute, NOON + 10, "a"), &calls(1), START));
    // 17:40 in Kolkata: the hour began at 11:30 UTC, the day at 18:30 UTC the evening before.
    check(
        &take(&mut totals),
        expect![[r#"
            a Minute +10 life 1 seq 1: Count(1)
            a Hour -30 life 2 seq 1: Count(1)
            a Day -1050 life 3 seq 1: Count(1)
        "#]],
    );
}

#[test]
fn what_was_touched_while_a_flush_was_in_flight_stays_dirty() {
    let mut totals = totals(Limits::default());
    for entity in ["a", "b"] {
        totals.merge(&key(Scope::Service, Step::Hour, NOON, entity), &calls(1), START);
    }
    assert_eq!(take(&mut totals).len(), 2);
    totals.merge(&key(Scope::Service, Step::Hour, NOON, "b"), &calls(1), START);
    totals.answered();
    check(
        &take(&mut totals),
        expect![[r#"
        b Hour +0 life 2 seq 2: Count(2)
    "#]],
    );
}

#[test]
fn elements_wait_for_a_flush_even_where_no_row_changed() {
    let mut totals = totals(Limits::default());
    let mut one = Elements::default();
    one.add(Signal::Management, 1);
    totals.count(&one);
    totals.count(&one);
    assert!(!totals.is_clean());
    assert_eq!(totals.begin_flush().iter().collect::<Vec<_>>(), [(Signal::Management, 2)]);
    assert!(totals.is_clean(), "a flush carries them");
}

#[test]
fn saying_what_is_known_dirties_nothing() {
    let mut totals = totals(Limits::default());
    let life = key(Scope::ServiceInstance, Step::Life, 0, "i");
    totals.merge(&life, &ping(5), START);
    take(&mut totals);
    totals.answered();
    totals.merge(&life, &ping(5), START);
    totals.merge(&life, &ping(4), START);
    assert!(totals.is_clean());
    totals.merge(&life, &ping(6), START);
    assert_eq!(take(&mut totals).len(), 1);
}

#[test]
fn an_ended_row_goes_when_it_was_left_alone_and_opens_again_as_another_partial() {
    let mut totals = totals(Limits::default());
    let minute = key(Scope::Service, Step::Minute, NOON, "a");
    totals.merge(&minute, &calls(1), at(NOON));
    take(&mut totals);
    assert_eq!(totals.sweep(9, at(NOON + 60)), 0, "it is in flight");
    totals.answered();
    totals.merge(&minute, &calls(1), at(NOON + 5));
    assert_eq!(totals.sweep(9, at(NOON + 60)), 0, "it is dirty");
    take(&mut totals);
    totals.answered();
    assert_eq!(totals.sweep(9, at(NOON + 11)), 0, "its minute ended 10 minutes ago, not over 10");
    assert_eq!(totals.sweep(9, at(NOON + 15)), 0, "it was touched 10 minutes ago, not over 10");
    assert_eq!(totals.sweep(9, at(NOON + 16)), 1);
    assert_eq!(totals.sweep(9, at(NOON + 70)), 0, "the hour ended 10 minutes ago, not over 10");
    assert_eq!(totals.sweep(9, at(NOON + 71)), 1);
    assert_eq!((totals.rows(), totals.entities()), (1, 1), "the day is running");
    totals.merge(&minute, &calls(5), at(NOON + 72));
    check(
        &take(&mut totals),
        expect![[r#"
            a Minute +0 life 4 seq 3: Count(5)
            a Hour +0 life 5 seq 3: Count(5)
            a Day -720 life 3 seq 3: Count(7)
        "#]],
    );
}

#[test]
fn a_life_row_goes_after_an_idle_day() {
    let mut totals = totals(Limits::default());
    totals.merge(&key(Scope::Address, Step::Life, 0, "b:80"), &ping(1), at(NOON));
    take(&mut totals);
    totals.answered();
    assert_eq!(totals.sweep(9, at(NOON + LIFE_IDLE_MINUTES)), 0);
    assert_eq!(totals.sweep(9, at(NOON + LIFE_IDLE_MINUTES + 1)), 1);
    assert_eq!((totals.rows(), totals.entities()), (0, 0));
}

#[test]
fn above_a_limit_new_entities_and_late_rows_are_refused_and_running_ones_go_on() {
    let mut totals = totals(Limits { entities: 2, rows: 6 });
    let row = |minute, entity| key(Scope::Service, Step::Minute, minute, entity);
    assert!(totals.merge(&row(NOON, "a"), &calls(1), at(NOON)));
    assert!(totals.merge(&row(NOON, "b"), &calls(1), at(NOON)));
    assert!(!totals.merge(&row(NOON, "c"), &calls(1), at(NOON)), "a third entity");
    assert!(totals.merge(&row(NOON + 1, "a"), &calls(1), at(NOON)), "the running minute");
    assert_eq!(totals.rows(), 7);
    assert!(!totals.merge(&row(NOON - 60, "a"), &calls(1), at(NOON)), "a late minute that is not open");
    assert!(totals.merge(&row(NOON, "a"), &calls(1), at(NOON + 600)), "a late minute that is open");
    assert_eq!(totals.rows(), 7);
}

/// The steps of the rows that the next flushes take.
fn turns(totals: &mut Totals, flushes: usize) -> Vec<Vec<Step>> {
    let flush = |_| {
        let steps = take(totals).iter().map(|row| row.key.step).collect();
        totals.answered();
        steps
    };
    (0..flushes).map(flush).collect()
}

fn in_turn(hour: u32, day: u32) -> Totals {
    Totals::new(7, Zone::utc(), Limits::default(), Turns { hour, day })
}

#[test]
fn hours_and_days_wait_for_their_turn_and_minutes_do_not() {
    use Step::{Day, Hour, Minute};
    let mut totals = in_turn(2, 6);
    let minute = key(Scope::Service, Minute, NOON, "a");
    let mut steps = Vec::new();
    for _ in 0..12 {
        totals.merge(&minute, &calls(1), START);
        steps.extend(turns(&mut totals, 1));
    }
    let (some, hour, all) = (vec![Minute], vec![Minute, Hour], vec![Minute, Hour, Day]);
    let cycle = [&hour, &some, &hour, &some, &all, &some];
    assert_eq!(steps.iter().collect::<Vec<_>>(), [cycle, cycle].concat());
}

#[test]
fn what_waits_is_not_forgotten_when_nothing_more_comes() {
    use Step::{Day, Hour, Minute};
    let mut totals = in_turn(4, 9);
    totals.merge(&key(Scope::Service, Minute, NOON, "a"), &calls(1), START);
    assert_eq!(turns(&mut totals, 2), [vec![Minute], vec![]]);
    assert!(!totals.is_clean());
    assert_eq!(totals.dirty(), 1);
    totals.merge(&key(Scope::Service, Minute, NOON, "a"), &calls(1), START);
    let rest = turns(&mut totals, 8);
    assert_eq!(rest.concat(), [Minute, Hour, Day]);
    assert_eq!(rest[0], [Minute, Hour]);
    assert!(totals.is_clean());
    assert_eq!(totals.dirty(), 0);
    assert_eq!(turns(&mut totals, 40).concat(), []);
}

#[test]
fn an_hour_that_changes_while_its_day_waits_keeps_its_turn() {
    use Step::{Day, Hour, Minute};
    let mut totals = in_turn(2, 100);
    let minute = key(Scope::Service, Minute, NOON, "a");
    totals.merge(&minute, &calls(1), START);
    assert_eq!(turns(&mut totals, 3), [vec![Minute, Hour], vec![], vec![]], "the day alone waits");
    totals.merge(&minute, &calls(1), START);
    assert_eq!(turns(&mut totals, 2), [vec![Minute], vec![Hour]]);
    assert_eq!(turns(&mut totals, 100).concat(), [Day]);
    assert!(totals.is_clean());
}

#[test]
fn rows_that_grow_by_no_minute_go_with_the_next_flush() {
    let mut totals = in_turn(50, 50);
    totals.merge(&key(Scope::Tag, Step::Day, NOON, "t"), &calls(1), START);
    totals.merge(&key(Scope::Service, Step::Life, 0, "a"), &ping(1), START);
    assert_eq!(turns(&mut totals, 1), [[Step::Life, Step::Day]]);
    assert!(totals.is_clean());
}

#[test]
fn turns_are_spread_over_the_flushes() {
    let mut totals = in_turn(6, 30);
    for entity in 0..60 {
        totals.merge(&key(Scope::Endpoint, Step::Minute, NOON, &format!("e{entity}")), &calls(1), START);
    }
    let counts: Vec<_> = turns(&mut totals, 30).iter().map(Vec::len).collect();
    assert_eq!(counts[0], 60 + 10 + 2);
    assert_eq!(counts[1..6], [12; 5]);
    assert_eq!(counts[6..], [2; 24]);
    assert!(totals.is_clean());
}

#[test]
fn in_a_hurry_everything_goes_at_once() {
    let mut totals = in_turn(6, 30);
    for entity in ["a", "b", "c"] {
        totals.merge(&key(Scope::Service, Step::Minute, NOON, entity), &calls(1), START);
    }
    let first = take(&mut totals).len();
    assert!(first < 9);
    totals.hurry();
    totals.merge(&key(Scope::Service, Step::Minute, NOON, "a"), &calls(1), START);
    totals.answered();
    let steps = turns(&mut totals, 1).concat();
    assert!(steps.len() >= 9 - first && steps.contains(&Step::Minute) && steps.contains(&Step::Day), "{steps:?}");
    assert!(totals.is_clean());
    totals.merge(&key(Scope::Service, Step::Minute, NOON, "a"), &calls(1), START);
    assert_eq!(turns(&mut totals, 1), [[Step::Minute, Step::Hour, Step::Day]]);
}

#[test]
fn what_waits_for_its_turn_is_not_evicted() {
    let mut totals = in_turn(100, 100);
    totals.merge(&key(Scope::Service, Step::Minute, NOON, "a"), &calls(1), at(NOON));
    assert_eq!(turns(&mut totals, 1), [[Step::Minute]]);
    assert_eq!(totals.sweep(9, at(NOON + 10_000)), 1, "the minute");
    assert_eq!((totals.rows(), totals.entities()), (2, 1));
    assert_eq!(turns(&mut totals, 100).concat(), [Step::Hour, Step::Day]);
    assert_eq!(totals.sweep(9, at(NOON + 10_000)), 2);
    assert_eq!((totals.rows(), totals.entities()), (0, 0));
}
