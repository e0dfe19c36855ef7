//! A pass against the plain evaluation of each rule for each entity and minute: what takes part in it (columns, shared steps, batches,
//! label classes, selectors, overrides) must not be seen in what comes out.

use std::collections::BTreeSet;

use model::item::Revision;
use model::metric::{Catalogue, Function};
use model::{Bucket, Scope, UnixMillis, Zone, id};
use mqe::{Column, Loaded, Need, Series};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::columns::Grain;
use crate::doc::Stored;
use crate::rule::{LabelMode, NoData, NoDataPolicy, Override};
use crate::select::Selector;
use crate::testing;
use crate::variables;

const START: u32 = 1_000;
/// Minutes with data. Rules are looked at in the last one alone, so that nothing but the values decides.
const N_MINUTES: u32 = 12;
const NAMES: [&str; 6] = ["web", "shop", "db-1", "db-2", "queue", "cache"];
const LABELS: [&str; 3] = ["50", "75", "99"];

fn catalogue() -> Catalogue {
    let all =
        [("calls", Function::Cpm), ("latency", Function::LongAvg), ("ranks", Function::Percentile { precision: 10 })];
    testing::catalogue(&all.map(|(name, function)| (name, Scope::Service, function)))
}

/// A number for each minute of an entity: `calls`, `latency`, and one for each label of `ranks`.
#[derive(Clone, Debug)]
struct Values {
    plain: [Vec<Option<f64>>; 2],
    ranks: Vec<Vec<Option<f64>>>,
}

fn values() -> impl Strategy<Value = Values> {
    let row = || vec(weighted(0.7, (0..100i32).prop_map(f64::from)), N_MINUTES as usize);
    (row(), row(), vec(row(), LABELS.len()), any::<[bool; 3]>()).prop_map(|(calls, latency, mut ranks, has)| {
        // Not every entity has every label.
        for (row, has) in ranks.iter_mut().zip(has) {
            if !has {
                row.iter_mut().for_each(|value| *value = None);
            }
        }
        Values { plain: [calls, latency], ranks }
    })
}

fn expression() -> impl Strategy<Value = String> {
    let metric = prop_oneof![
        Just("calls".to_owned()),
        Just("latency".to_owned()),
        Just("(calls + latency)".to_owned()),
        Just("offset(latency, 3m)".to_owned()),
        Just("increase(calls, 2)".to_owned()),
        Just("latency * 2 - calls".to_owned()),
        subsequence(LABELS.to_vec(), 1..=3).prop_map(|labels| format!("ranks{{p='{}'}}", labels.join(","))),
        Just("ranks".to_owned()),
        Just("aggregate_labels(ranks, max)".to_owned()),
    ];
    let single = (metric, select(vec!["avg", "sum", "max", "min", "latest", "count"]))
        .prop_map(|(metric, function)| format!("{function}({metric})"));
    let compared = (single, select(vec![">", ">=", "<", "<=", "==", "!="]), 0..3u8, 0..200i32);
    let truth = compared.prop_map(|(single, op, named, number)| {
        let number = if named == 0 { "$limit".to_owned() } else { number.to_string() };
        format!("{single} {op} {number}")
    });
    let counted = (select(vec!["calls", "latency"]), 0..100i32, 1..4i32)
        .prop_map(|(metric, number, n)| format!("sum({metric} > {number}) >= {n}"));
    let one = prop_oneof![3 => truth, 1 => counted];
    (one.clone(), proptest::option::of((select(vec!["&&", "||"]), one))).prop_map(|(left, right)| match right {
        None => left,
        Some((op, right)) => format!("{left} {op} {right}"),
    })
}

fn selector() -> impl Strategy<Value = Selector> {
    let named = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    prop_oneof![
        2 => Just(Selector::default()),
        1 => subsequence(NAMES.to_vec(), 1..4)
            .prop_map(move |names| Selector { include_names: named(names), ..Selector::default() }),
        1 => subsequence(NAMES.to_vec(), 1..4)
            .prop_map(move |names| Selector { exclude_names: named(names), ..Selector::default() }),
        1 => Just(Selector { service_regex: "db-.*".to_owned(), ..Selector::default() }),
        1 => Just(Selector { layers: vec!["EVEN".to_owned()], ..Selector::default() }),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let overrides = vec((selector(), 0..100i32), 0..3);
    (expression(), 1..7u32, selector(), overrides, any::<bool>()).prop_map(
        |(expression, period, selector, overrides, each)| {
            let own =
                |(selector, limit)| Override { selector, variables: [("limit".to_owned(), f64::from(limit))].into() };
            Rule {
                expression,
                period,
                selector,
                variables: [("limit".to_owned(), 50.0)].into(),
                overrides: overrides.into_iter().map(own).collect(),
                label_mode: if each { LabelMode::Each } else { LabelMode::Any },
                // That there is no value means nothing: the truth alone decides.
                no_data: NoData { policy: NoDataPolicy::Keep, after: 100 },
                ..Rule::default()
            }
        },
    )
}

fn entity(name: &str) -> Entity {
    Entity::of(Scope::Service, id::service(name, true)).unwrap()
}

/// Every second service is of another layer.
fn layers(at: usize) -> Vec<String> {
    vec![if at.is_multiple_of(2) { "EVEN" } else { "ODD" }.to_owned()]
}

fn columns(all: &[Values]) -> Columns {
    let mut columns = Columns::new(Zone::utc());
    for (at, (name, values)) in NAMES.iter().zip(all).enumerate() {
        let number = columns.meet(&entity(name), &layers(at));
        let mut set = |metric: &str, labels: &Labels, row: &[Option<f64>]| {
            for (minute, value) in (START..).zip(row) {
                if let Some(value) = value {
                    columns.set(Scope::Service, number, metric, (Grain::Minute, Bucket(minute)), labels, *value);
                }
            }
        };
        set("calls", &Vec::new(), &values.plain[0]);
        set("latency", &Vec::new(), &values.plain[1]);
        for (label, row) in LABELS.iter().zip(&values.ranks) {
            set("ranks", &vec![("p".to_owned(), (*label).to_owned())], row);
        }
    }
    columns
}

/// What a need is answered with, read from the values themselves: `period` minutes and those in front, ending with `end`, moved back.
fn loaded(need: &Need, period: u32, end: u32, values: &Values) -> Loaded {
    let Need::Series { metric, before, frame } = need else { panic!("no ranking in a condition") };
    let end = end - frame.back_minutes;
    let buckets: Vec<u32> = (end + 1 - period - before..=end).collect();
    let cut = |row: &[Option<f64>]| -> Column {
        let at = |minute: &u32| minute.checked_sub(START).and_then(|at| row.get(at as usize).copied()).flatten();
        buckets.iter().map(at).collect()
    };
    let rows = match metric.name.as_str() {
        "calls" => vec![Series { labels: Vec::new(), values: cut(&values.plain[0]) }],
        "latency" => vec![Series { labels: Vec::new(), values: cut(&values.plain[1]) }],
        _ => {
            let row = |(label, row): (&&str, &Vec<Option<f64>>)| Series {
                labels: vec![("p".to_owned(), (**label).to_owned())],
                values: cut(row),
            };
            let all = LABELS.iter().zip(&values.ranks).map(row);
            all.filter(|series| series.values.iter().any(|value| value.is_some())).collect()
        }
    };
    Loaded::Series { labelled: metric.name == "ranks", ids: vec![String::new(); buckets.len()], rows }
}

type Fired = BTreeSet<(String, String, Labels)>;

/// The plain way: each rule for each entity by itself.
fn plainly(rules: &[Rule], all: &[Values], minute: u32) -> Fired {
    let mut fired = Fired::new();
    for rule in rules {
        for (at, (name, values)) in NAMES.iter().zip(all).enumerate() {
            let (entity, layers) = (entity(name), layers(at));
            let takes = |selector: &Selector| {
                let compiled = crate::select::Compiled::new(selector).unwrap();
                compiled.takes(&entity, &entity.parts(), &layers)
            };
            if !takes(&rule.selector) {
                continue;
            }
            let mut numbers = rule.variables.clone();
            if let Some(own) = rule.overrides.iter().find(|own| takes(&own.selector)) {
                numbers.extend(own.variables.clone());
            }
            let expr = mqe::parse_whole(&variables::bind(&rule.expression, &numbers).unwrap().text).unwrap();
            let answers: Vec<Loaded> =
                expr.needs().iter().map(|need| loaded(need, rule.period, minute, values)).collect();
            let outcome = mqe::evaluate(&expr, &answers, 60);
            for row in outcome.results {
                if row.values.iter().any(|point| point.value == Some(1.0)) {
                    let labels = if rule.label_mode == LabelMode::Each { row.labels } else { Vec::new() };
                    fired.insert((rule.id.clone(), entity.id.clone(), labels));
                }
            }
        }
    }
    fired
}

proptest! {
    #[test]
    fn a_pass_finds_what_plain_evaluation_finds(
        rules in vec(rule(), 1..12),
        all in vec(values(), NAMES.len()),
        early in 0..3u32,
    ) {
        let catalogue = catalogue();
        let mut stored = Vec::new();
        for (at, rule) in rules.into_iter().enumerate() {
            let doc = Rule { id: format!("r{at}"), name: format!("r{at}"), ..rule };
            stored.push(Stored { doc, revision: Revision(1), updated: UnixMillis(0) });
        }
        let (plan, healths) = Plan::new(&stored, &catalogue, None);
        // Whatever is generated and no condition is left out of both.
        let rules: Vec<Rule> =
            stored.into_iter().zip(&healths).filter(|(_, h)| h.error.is_none()).map(|(s, _)| s.doc).collect();
        let (columns, incidents) = (columns(&all), Incidents::default());
        let minute = START + N_MINUTES - 1 - early;
        let input = Input {
            plan: &plan,
            columns: &columns,
            incidents: &incidents,
            now: UnixMillis(0),
            render: &|_| Texts::default(),
        };
        let turn = Turn { minute: Bucket(minute), incomplete: false, who: Who::All };
        let output = pass(&input, Kind::Closed(turn), &mut Memory::default());
        prop_assert!(output.errors.is_empty(), "{:?}", output.errors);
        let fired: Fired = output
            .changed
            .into_iter()
            .map(|incident| (incident.rule, incident.entity.id, incident.labels))
            .collect();
        prop_assert_eq!(fired, plainly(&rules, &all, minute));
    }
}
