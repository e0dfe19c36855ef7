//! What holds for every text and every tree.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::fixture::{outcome, world};
use crate::ast::{Aggregation, Expr, LabelAggregation, MathFunction, Number, Op, Operator, Trend};
use crate::frame::Span;
use crate::need::{Attribute, BaselineKind, Label, Metric, Order, TopN};
use crate::{Loaded, ResultType, evaluate, format_value, parse, parse_whole};

/// Pieces that expressions are made of, and some that they are not.
const PIECES: [&str; 74] = [
    "m",
    "n",
    "p",
    "two",
    "none",
    "unknown",
    "rank",
    "slow",
    "nameless",
    "empty_p",
    "short",
    "1",
    "0",
    "2.5",
    "1e3",
    "(",
    ")",
    "{",
    "}",
    ",",
    "=",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&&",
    "||",
    "bool",
    "avg(",
    "sum(",
    "max(",
    "latest(",
    "abs(",
    "round(",
    "increase(",
    "rate(",
    "top_n(",
    "top_n_of(",
    "view_as_seq(",
    "is_present(",
    "relabels(",
    "aggregate_labels(",
    "sort_values(",
    "sort_label_values(",
    "baseline(",
    "not(",
    "absent(",
    "for_each_label(",
    "offset(",
    "change_pct(",
    "over(",
    "quantile(",
    "stddev(",
    "zscore(",
    "burn_rate(",
    "ewma(",
    "1d",
    "90m",
    "0.5",
    "upper",
    "des",
    "asc",
    "attr0",
    "'50'",
    "p='50,99'",
    "\"",
    "'",
    " ",
    "é",
];

fn name() -> impl Strategy<Value = String> {
    // With a capital letter in front it cannot be a word of the language.
    "[A-Z][a-zA-Z0-9_]{0,6}"
        .prop_filter("a word of any case", |name| !["bool", "asc", "des"].contains(&name.to_lowercase().as_str()))
}

fn known() -> impl Strategy<Value = String> {
    const NAMES: [&str; 12] =
        ["m", "n", "f", "p", "two", "none", "short", "rank", "slow", "nameless", "empty_p", "unknown"];
    prop_oneof![select(&NAMES[..]).prop_map(str::to_owned), name()]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[^'\"]{0,6}", "[^']{0,6}", "[^\"]{0,6}", Just("50,99".to_owned())]
}

fn label() -> impl Strategy<Value = Label> {
    let name = prop_oneof![select(&["p", "status", "az", "_"][..]).prop_map(str::to_owned), name()];
    (name, text()).prop_map(|(name, value)| Label { name, value })
}

fn metric() -> impl Strategy<Value = Metric> {
    (known(), vec(label(), 0..3)).prop_map(|(name, labels)| Metric { name, labels })
}

fn order() -> impl Strategy<Value = Order> {
    select(&[Order::Asc, Order::Des][..])
}

/// As far as the grammar goes, small ones more often.
fn whole() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..4_u32, 1 => 0..=i32::MAX.unsigned_abs()]
}

fn top_n() -> impl Strategy<Value = TopN> {
    let attribute =
        (0..6_u8, any::<bool>(), text()).prop_map(|(index, equals, value)| Attribute { index, equals, value });
    (metric(), whole(), order(), vec(attribute, 0..3)).prop_map(|(metric, n, order, attributes)| TopN {
        metric,
        n,
        order,
        attributes,
    })
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![(0..100_u32).prop_map(f64::from), any::<f64>().prop_map(f64::abs)]
        .prop_filter_map("finite", Number::new)
}

fn span() -> impl Strategy<Value = Span> {
    let minutes = prop_oneof![1..200_u32, (1..40_u32).prop_map(|days| days * 1440)];
    minutes.prop_filter_map("short", Span::minutes)
}

fn window() -> impl Strategy<Value = Span> {
    prop_oneof![1..=120_u32, (3..=32 * 24_u32).prop_map(|hours| hours * 60)].prop_filter_map("short", Span::minutes)
}

fn leaf() -> impl Strategy<Value = Expr> {
    let trend = (select(Trend::ALL), metric(), whole());
    let kind = select(&[BaselineKind::Value, BaselineKind::Upper, BaselineKind::Lower][..]);
    let lists = vec(top_n().prop_map(|top_n| Expr::new(Op::TopN(top_n), Vec::new())), 1..3);
    prop_oneof![
        3 => number().prop_map(|number| Expr::new(Op::Number(number), Vec::new())),
        6 => metric().prop_map(|metric| Expr::new(Op::Metric(metric), Vec::new())),
        1 => top_n().prop_map(|top_n| Expr::new(Op::TopN(top_n), Vec::new())),
        1 => (metric(), kind).prop_map(|(metric, kind)| Expr::new(Op::Baseline { metric, kind }, Vec::new())),
        1 => trend.prop_map(|(trend, of, range)| Expr::new(Op::Trend { trend, of, range }, Vec::new())),
        1 => (lists, whole(), order()).prop_map(|(lists, n, order)| Expr::new(Op::TopNOf { n, order }, lists)),
    ]
}

/// What takes one operand.
fn of_one() -> impl Strategy<Value = Op> {
    let math = prop_oneof![
        select(&[MathFunction::Abs, MathFunction::Ceil, MathFunction::Floor][..]),
        whole().prop_map(MathFunction::Round),
    ];
    let labels = || vec(label().prop_map(|label| label.name), 1..3);
    let part = (0..=100_u32).prop_filter_map("a part", |n| Number::new(f64::from(n) / 100.0));
    let weight = (1..=100_u32).prop_filter_map("a weight", |n| Number::new(f64::from(n) / 100.0));
    let standard = prop_oneof![
        Just(Op::Negate),
        select(Aggregation::ALL).prop_map(Op::Aggregate),
        math.prop_map(Op::Math),
        (label(), label()).prop_map(|(target, replacement)| Op::Relabels { target, replacement }),
        (select(LabelAggregation::ALL), option::of(labels()))
            .prop_map(|(aggregation, labels)| Op::AggregateLabels { aggregation, labels: labels.unwrap_or_default() }),
        (whole(), order(), select(Aggregation::ALL)).prop_map(|(n, order, aggregation)| Op::SortValues {
            n,
            order,
            aggregation
        }),
        (order(), labels()).prop_map(|(order, labels)| Op::SortLabelValues { order, labels }),
    ];
    let ours = prop_oneof![
        select(vec![Op::Not, Op::Absent, Op::ForEachLabel, Op::StdDev, Op::ZScore]),
        span().prop_map(Op::Offset),
        span().prop_map(Op::ChangePct),
        window().prop_map(Op::Over),
        part.prop_map(Op::Quantile),
        weight.prop_map(Op::Ewma),
    ];
    prop_oneof![2 => standard, 1 => ours]
}

pub(super) fn tree() -> impl Strategy<Value = Expr> {
    leaf().prop_recursive(6, 40, 3, |inner| {
        let burn = (1..1_000_u32, window()).prop_filter_map("percent", |(tenths, window)| {
            Some(Op::BurnRate { objective: Number::new(f64::from(tenths) / 10.0)?, window })
        });
        let two = prop_oneof![8 => select(&Operator::ALL[..]).prop_map(Op::Binary), 1 => burn];
        let some = select(vec![Op::ViewAsSeq, Op::IsPresent]);
        prop_oneof![
            4 => (two, vec(inner.clone(), 2)).prop_map(|(op, args)| Expr::new(op, args)),
            6 => (of_one(), vec(inner.clone(), 1)).prop_map(|(op, args)| Expr::new(op, args)),
            1 => (some, vec(inner, 1..4)).prop_map(|(op, args)| Expr::new(op, args)),
        ]
    })
}

/// What every outcome promises.
fn is_well_formed(outcome: &crate::Outcome) {
    if outcome.error.is_some() {
        assert_eq!(outcome.kind, ResultType::Unknown, "an error has no kind: {outcome:?}");
    }
    match outcome.kind {
        ResultType::Unknown => assert!(outcome.results.is_empty(), "{outcome:?}"),
        ResultType::SortedList | ResultType::RecordList => assert_eq!(outcome.results.len(), 1, "{outcome:?}"),
        ResultType::SingleValue | ResultType::TimeSeriesValues => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn any_text_is_answered(text in "\\PC*") {
        is_well_formed(&outcome(&text, world));
    }

    #[test]
    fn any_bytes_that_are_text_are_answered(bytes in vec(any::<u8>(), 0..200)) {
        is_well_formed(&outcome(&String::from_utf8_lossy(&bytes), world));
    }

    #[test]
    fn any_pieces_are_answered(pieces in vec(select(&PIECES[..]), 0..40)) {
        is_well_formed(&outcome(&pieces.concat(), world));
    }

    #[test]
    fn what_is_printed_is_read_as_the_same_tree(expr in tree()) {
        let text = expr.to_string();
        let again = parse_whole(&text);
        prop_assert_eq!(again.as_ref(), Ok(&expr), "{}", text);
    }

    #[test]
    fn white_space_and_more_after_it_change_nothing(expr in tree()) {
        let text = format!("\n {expr}\t) and more");
        prop_assert_eq!(parse(&text), Ok(expr));
    }

    #[test]
    fn any_tree_is_evaluated(expr in tree()) {
        let loaded: Vec<Loaded> = expr.needs().iter().map(world).collect();
        let outcome = evaluate(&expr, &loaded, 60);
        is_well_formed(&outcome);
        prop_assert_eq!(format!("{outcome:?}"), format!("{:?}", evaluate(&expr, &loaded, 60)));
    }

    #[test]
    fn any_tree_is_evaluated_with_answers_that_do_not_fit(expr in tree(), shift in 0..10_usize, short in 0..4_usize) {
        let mut loaded: Vec<Loaded> = expr.needs().iter().map(world).collect();
        let n = loaded.len().max(1);
        loaded.rotate_left(shift.min(n) % n);
        loaded.truncate(loaded.len().saturating_sub(short));
        is_well_formed(&evaluate(&expr, &loaded, 0));
    }

    #[test]
    fn a_value_is_written_to_within_half_a_thousandth(value in any::<f64>().prop_filter("number", |v| v.is_finite())) {
        let text = format_value(value);
        let back: f64 = text.parse().unwrap();
        prop_assert!((back - value).abs() <= 0.000_500_001 + value.abs() * f64::EPSILON, "{} for {}", text, value);
        prop_assert!(!text.contains('e') && text.split_once('.').is_none_or(|(_, places)| places.len() <= 3));
        prop_assert!(!text.contains('.') || !text.ends_with('0'));
    }
}
