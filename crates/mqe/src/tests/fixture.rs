//! A small world of metrics, and how an outcome is shown in a test.

use std::fmt::Write;

use expect_test::Expect;

use crate::{Loaded, Need, Outcome, Owner, Place, Ranked, RankedRecord, Series, evaluate, format_value, parse};

/// Evaluates expressions in [`world`] and compares what comes out: a line for each, or a block where there are several label
/// sets.
pub(super) fn check(texts: &[&str], expected: Expect) {
    check_in(world, texts, expected);
}

/// [`check`] in another world.
#[expect(clippy::needless_pass_by_value, reason = "reads as expect_test's own examples do")]
pub(super) fn check_in(world: impl Fn(&Need) -> Loaded + Copy, texts: &[&str], expected: Expect) {
    let mut all = String::new();
    for text in texts {
        let shown = show(&outcome(text, world));
        let between = if shown.lines().count() > 2 { "\n    " } else { " " };
        writeln!(all, "{text}  =>  {}", shown.trim_end().replace('\n', between)).unwrap();
    }
    expected.assert_eq(&all);
}

/// Parses, loads and evaluates; a minute for each bucket.
pub(super) fn outcome(text: &str, load: impl Fn(&Need) -> Loaded) -> Outcome {
    match parse(text) {
        Ok(expr) => evaluate(&expr, &expr.needs().iter().map(load).collect::<Vec<_>>(), 60),
        Err(error) => Outcome::failed(error.to_string()),
    }
}

/// Kind, then one line for each label set: `{labels} id=value …`. An owner is shown by its service, a trace by its id.
pub(super) fn show(outcome: &Outcome) -> String {
    let mut text = format!("{}\n", outcome.kind.name());
    if let Some(error) = &outcome.error {
        writeln!(text, "error: {error}").unwrap();
    }
    for result in &outcome.results {
        let labels: Vec<String> = result.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(text, "{{{}}}", labels.join(",")).unwrap();
        for point in &result.values {
            let value = point.value.map_or("null".to_owned(), format_value);
            write!(text, " {}={value}", point.id.as_deref().unwrap_or("-")).unwrap();
            if let Some(owner) = &point.owner {
                write!(text, "@{}", owner.service_name.as_deref().unwrap_or("?")).unwrap();
            }
            if let Some(trace) = &point.trace_id {
                write!(text, "#{trace}").unwrap();
            }
        }
        text.push('\n');
    }
    text
}

/// Labels and values of a label set.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [Option<f64>]);

/// A loaded series. The first `before` buckets have ids `b0` …, those of the duration `t0` ….
pub(super) fn series(labelled: bool, before: u32, rows: &[Row<'_>]) -> Loaded {
    let n = rows.first().map_or(4, |(_, values)| values.len());
    let before = usize::try_from(before).unwrap().min(n);
    let ids = (0..n).map(|index| if index < before { format!("b{index}") } else { format!("t{}", index - before) });
    let owned = |labels: &[(&str, &str)]| labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let rows =
        rows.iter().map(|(labels, values)| Series { labels: owned(labels), values: values.iter().copied().collect() });
    Loaded::Series { labelled, ids: ids.collect(), rows: rows.collect() }
}

/// Whole series of a metric without labels: `before` buckets of 1, 2, 3 …, then what is given.
fn plain(before: u32, values: &[Option<f64>]) -> Loaded {
    let front = (1..=before.min(20)).map(|n| Some(f64::from(n)));
    let all: Vec<_> = front.chain(values.iter().copied()).collect();
    series(false, before, &[(&[], &all)])
}

fn ranked(list: &[(&str, f64)]) -> Loaded {
    let owner = |name: &str| Owner { service_name: Some(name.to_owned()), ..Owner::default() };
    Loaded::SortedList(
        list.iter().map(|(id, value)| Ranked { id: (*id).to_owned(), value: *value, owner: Some(owner(id)) }).collect(),
    )
}

/// What each metric name means in these tests.
pub(super) fn world(need: &Need) -> Loaded {
    let before = if let Need::Series { before, .. } = need { *before } else { 0 };
    let top_n = matches!(need, Need::TopN { .. });
    match need.metric().name.as_str() {
        "rank" => ranked(&[("a", 30.0), ("b", 20.0), ("c", 10.0)]),
        "rank2" => ranked(&[("d", 25.0), ("e", 20.0)]),
        "nobody" => ranked(&[]),
        "no_attr" => Loaded::NoAttribute("attr1".to_owned()),
        "slow" => {
            let record = |id: &str, value, trace: &str| RankedRecord { id: id.into(), value, trace_id: trace.into() };
            Loaded::RecordList(vec![record("select 1", 900.0, "t.1"), record("select 2", 260.0, "")])
        }
        "m" if !top_n => plain(before, &[Some(1.0), Some(2.0), None, Some(4.0)]),
        "n" => plain(before, &[Some(10.0), Some(0.0), Some(30.0), Some(-40.0)]),
        "f" => plain(before, &[Some(1.005), Some(-2.5), Some(0.1), Some(99.995)]),
        "none" => plain(before, &[None; 4]),
        "short" => plain(before, &[Some(1.0)]),
        "p" => series(
            true,
            before,
            &[
                (&[("p", "50")], &[Some(5.0), Some(6.0), None, Some(8.0)]),
                (&[("p", "99")], &[Some(50.0), None, None, Some(80.0)]),
                (&[("p", "100")], &[None, None, None, Some(100.0)]),
            ],
        ),
        "two" => series(
            true,
            before,
            &[
                (&[("status", "200"), ("az", "x")], &[Some(1.0), Some(2.0), Some(3.0), Some(4.0)]),
                (&[("status", "500"), ("az", "x")], &[Some(10.0), None, Some(30.0), None]),
                (&[("status", "200"), ("az", "y")], &[Some(100.0), None, None, None]),
            ],
        ),
        "empty_p" => series(true, before, &[]),
        "nameless" => Loaded::InvalidEntity,
        "broken" => Loaded::Failed("the store is away".to_owned()),
        name if name.starts_with("m") => plain(before, &[Some(1.0), Some(2.0), None, Some(4.0)]),
        _ => Loaded::UnknownMetric,
    }
}

/// What stands in a place of a text.
pub(super) fn within(text: &str, place: Place) -> &str {
    text.get(place.start..place.end).unwrap()
}
