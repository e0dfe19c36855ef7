//! Generated expressions over generated values: this evaluator against the naive one, alone and in a batch.

use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::prelude::*;

use super::fixture::world;
use super::laws::tree;
use super::naive::{Naive, Table};
use crate::ast::{Expr, Op};
use crate::frame::{Frame, Span};
use crate::{Batch, Column, Loaded, Need, Outcome, Program, Series, evaluate};

/// How many entities are evaluated together.
const WIDTH: usize = 3;
/// How long the duration is.
const BUCKETS: usize = 4;

/// A value that depends on all it is asked for: small numbers, often equal, often none.
fn number(what: impl Hash) -> Option<f64> {
    const NUMBERS: [Option<f64>; 10] =
        [None, None, Some(0.0), Some(1.0), Some(1.0), Some(2.5), Some(-3.0), Some(10.0), Some(0.1), Some(1000.0)];
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    NUMBERS[usize::try_from(hasher.finish() % 10).unwrap()]
}

/// The answer for one entity: the label sets of the fixture with other numbers.
fn load(need: &Need, seed: u64, entity: usize) -> Loaded {
    let (Loaded::Series { labelled, rows, .. }, Need::Series { metric, before, frame }) = (world(need), need) else {
        return world(need);
    };
    let n = frame.window.map_or(BUCKETS, |window| usize::try_from(window.n_buckets().min(5)).unwrap());
    let n = n + usize::try_from(*before).unwrap().min(5);
    // Now and then an entity has no value of a metric at all.
    let none = number((seed, entity, &metric.name)).is_none();
    let row = |row: Series| {
        let value = |bucket| number((seed, entity, &metric.name, &row.labels, bucket, frame.back_minutes));
        let value = |bucket| value(bucket).filter(|_| !none);
        Series { values: (0..n).map(value).collect(), labels: row.labels }
    };
    let ids = (0..n).map(|id| id.to_string()).collect();
    Loaded::Series { labelled, ids, rows: rows.into_iter().map(row).collect() }
}

/// The answers for all entities, side by side.
fn load_batch(need: &Need, seed: u64) -> Loaded {
    let all: Vec<Loaded> = (0..WIDTH).map(|entity| load(need, seed, entity)).collect();
    let Loaded::Series { labelled, ids, rows } = &all[0] else { return all[0].clone() };
    let row = |(at, row): (usize, &Series)| {
        let mut values = Column::empty(WIDTH, ids.len());
        for (entity, loaded) in all.iter().enumerate() {
            let Loaded::Series { rows, .. } = loaded else { unreachable!() };
            rows[at].values.iter().enumerate().for_each(|(bucket, value)| values.set(bucket, entity, value));
        }
        Series { labels: row.labels.clone(), values }
    };
    Loaded::Series { labelled: *labelled, ids: ids.clone(), rows: rows.iter().enumerate().map(row).collect() }
}

/// Numbers by what they are: what is no number equals itself.
fn same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn compare(expr: &Expr, ours: &Outcome, naive: &Result<Table, ()>) {
    let Ok(naive) = naive else {
        assert!(ours.error.is_some(), "{expr}: {ours:?} and not an error");
        return;
    };
    assert_eq!((&ours.error, ours.kind), (&None, naive.kind), "{expr}: {ours:?} and not {naive:?}");
    assert_eq!(ours.results.len(), naive.rows.len(), "{expr}: {ours:?} and not {naive:?}");
    for (ours, (labels, cells)) in ours.results.iter().zip(&naive.rows) {
        assert_eq!(&ours.labels, labels, "{expr}");
        assert_eq!(ours.values.len(), cells.len(), "{expr}: {ours:?} and not {cells:?}");
        for (point, (id, value)) in ours.values.iter().zip(cells) {
            assert!(same(point.value, *value), "{expr}: {point:?} and not {value:?} in {cells:?}");
            assert_eq!(&point.id, id, "{expr}: {ours:?} and not {cells:?}");
        }
    }
}

/// An outcome of the batch for one entity, without ids: a batch has none.
fn of_entity(value: Result<&crate::Value, &str>, entity: usize) -> Vec<Option<f64>> {
    let rows = value.map(|value| value.rows().to_vec()).unwrap_or_default();
    rows.iter().flat_map(|row| row.values().of_entity(entity).collect::<Vec<_>>()).collect()
}

fn ranks(expr: &Expr) -> bool {
    expr.parts().iter().any(|part| matches!(part.op, Op::TopN(_) | Op::TopNOf { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) })]

    #[test]
    fn an_expression_comes_to_what_the_language_says(expr in tree(), seed in any::<u64>()) {
        let loaded: Vec<Loaded> = expr.needs().iter().map(|need| load(need, seed, 0)).collect();
        let naive = Naive { load: &|need| load(need, seed, 0) };
        compare(&expr, &evaluate(&expr, &loaded, 60), &naive.table(&expr, Frame::default()));
    }

    #[test]
    fn many_expressions_over_many_entities_come_to_what_each_comes_to_alone(
        mut exprs in prop::collection::vec(tree(), 1..4),
        seed in any::<u64>(),
    ) {
        // Expressions with common parts: each of the first in a comparison with another.
        let more: Vec<Expr> = exprs.iter().map(|expr| {
            Expr::new(Op::Binary(crate::ast::Operator::Gt), vec![expr.clone(), exprs[0].clone()])
        }).collect();
        exprs.extend(more);
        exprs.retain(|expr| !ranks(expr));
        let program = Program::new(&exprs);
        let loaded: Vec<Loaded> = program.needs().iter().map(|need| load_batch(need, seed)).collect();
        let mut n_answers = vec![0; exprs.len()];
        program.run(Batch { loaded: &loaded, width: WIDTH, step_seconds: 60 }, |number, entities, value| {
            let whole = entities.len() == WIDTH;
            for (column, entity) in entities.enumerate() {
                let expr = &exprs[number];
                let naive = Naive { load: &|need| load(need, seed, entity) }.table(expr, Frame::default());
                assert_eq!(value.is_err(), naive.is_err(), "{expr}: {value:?} and not {naive:?}");
                let ours = of_entity(value, if whole { entity } else { column });
                let theirs: Vec<Option<f64>> = naive.into_iter()
                    .flat_map(|table| table.rows.into_iter().flat_map(|(_, cells)| cells))
                    .map(|(_, value)| value)
                    .collect();
                assert!(
                    ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| same(*a, *b)),
                    "{expr} of entity {entity}: {ours:?} and not {theirs:?}"
                );
                n_answers[number] += 1;
            }
        });
        assert!(n_answers.iter().all(|n| *n == WIDTH), "{n_answers:?}");
    }

    #[test]
    fn the_parts_of_an_explanation_are_what_they_come_to(expr in tree(), seed in any::<u64>()) {
        let loaded: Vec<Loaded> = expr.needs().iter().map(|need| load(need, seed, 0)).collect();
        let parts = crate::explain(&expr, &loaded, 60);
        assert_eq!(parts.len(), expr.parts().len());
        assert_eq!(parts[0].outcome.error, evaluate(&expr, &loaded, 60).error);
        for (part, explained) in expr.parts().into_iter().zip(&parts) {
            assert_eq!(part.to_string(), explained.text);
        }
    }

    #[test]
    fn what_is_portable_comes_to_the_same(expr in tree(), seed in any::<u64>()) {
        let Ok(portable) = expr.portable() else { return Ok(()) };
        assert_eq!(portable.extensions(), Vec::<&Expr>::new());
        assert!(crate::parse_whole(&portable.to_string()).is_ok_and(|again| again == portable));
        assert_eq!(portable.is_bool(), expr.is_bool());
        let load = |need: &Need| load(need, seed, 0);
        let of = |expr: &Expr| Naive { load: &load }.table(expr, Frame::default());
        let cells = |table: Table| -> Vec<Option<f64>> {
            table.rows.into_iter().flat_map(|(_, cells)| cells).map(|(_, value)| value).collect()
        };
        // Two things differ: what cannot be read is an error to `absent` and absent to `is_present`, and `0-0` has no sign.
        let alike = expr.parts().into_iter().all(|part| {
            let zero = |table| part.op == Op::Negate && cells(table).contains(&Some(0.0));
            of(part).is_ok_and(|table| !zero(table))
        });
        let (Ok(ours), Ok(theirs), true) = (of(&expr), of(&portable), alike) else { return Ok(()) };
        let (ours, theirs) = (cells(ours), cells(theirs));
        assert!(ours.iter().zip(&theirs).all(|(a, b)| same(*a, *b)), "{expr} and {portable}");
    }
}

#[test]
fn the_generated_values_are_of_every_kind() {
    let metric = crate::need::Metric { name: "m".to_owned(), labels: Vec::new() };
    let need = Need::Series { metric, before: 0, frame: Frame { window: Span::minutes(60), ..Frame::default() } };
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let Loaded::Series { rows, .. } = load(&need, seed, 0) else { panic!("a series") };
        seen.extend(rows[0].values.iter().map(|value| format!("{value:?}")));
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}
