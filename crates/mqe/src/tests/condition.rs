//! What an alarm can be raised on.

use expect_test::{Expect, expect};
use model::Scope;

use super::fixture::within;
use crate::condition::{Condition, Known, ValueKind, compile};
use crate::{Batch, Column, Loaded, Need, Place, Program, Series};

/// Metrics of services but for `endpoint_…`.
fn known(name: &str) -> Option<Known> {
    let kind = match name {
        "service_cpm" | "service_resp_time" | "service_sla" | "endpoint_cpm" => ValueKind::Regular,
        "service_percentile" | "service_codes" => ValueKind::Labelled,
        "service_heatmap" => ValueKind::HeatMap,
        "top_n_statement" => ValueKind::SampledRecord,
        _ => return None,
    };
    let scope = if name.starts_with("endpoint") { Scope::Endpoint } else { Scope::Service };
    Some(Known { scope, kind })
}

fn compiled(text: &str) -> Result<Condition, crate::ParseError> {
    compile(text, 10, known)
}

/// A line for each: what is wrong and where, or what the condition is about.
#[expect(clippy::needless_pass_by_value, reason = "reads as expect_test's own examples do")]
fn check(texts: &[&str], expected: Expect) {
    let mut all = String::new();
    for text in texts {
        let line = match compiled(text) {
            Ok(condition) => {
                let Condition { scope, labelled, each_label, needs, additional_period, n_values, .. } = condition;
                let labels = match (labelled, each_label) {
                    (false, _) => "one truth",
                    (true, false) => "any label set",
                    (true, true) => "each label set",
                };
                format!("{scope:?}, {labels}, {} needs, {n_values} values, {additional_period} before", needs.len())
            }
            Err(error) => {
                let place = Place { start: error.start, end: error.end };
                format!("{} [{}]", error, within(text, place))
            }
        };
        all.push_str(&format!("{text}\n    {line}\n"));
    }
    expected.assert_eq(&all);
}

#[test]
fn the_rules_that_are_shipped_are_conditions() {
    check(
        &[
            "sum(service_resp_time > 1000) >= 3",
            "sum(service_sla < 8000) >= 2",
            "sum(service_percentile{p='50,75,90,95,99'} > 1000) >= 3",
            "(avg(service_cpm) > 1)",
            "(sum(service_resp_time > 1) >= 1) && (avg(service_cpm) > 1)",
            "sum(service_resp_time > 1 && service_cpm > 2) >= 1",
            "sum(increase(service_cpm,5) > 1) > 0",
            "is_present(service_cpm,to_come) == 1",
            "avg(view_as_seq(service_cpm,to_come)) > 1",
            "sum(service_resp_time > baseline(service_resp_time,upper)) > 2",
            "avg(service_cpm) > -1",
        ],
        expect![[r#"
            sum(service_resp_time > 1000) >= 3
                Service, one truth, 1 needs, 10 values, 0 before
            sum(service_sla < 8000) >= 2
                Service, one truth, 1 needs, 10 values, 0 before
            sum(service_percentile{p='50,75,90,95,99'} > 1000) >= 3
                Service, any label set, 1 needs, 10 values, 0 before
            (avg(service_cpm) > 1)
                Service, one truth, 1 needs, 10 values, 0 before
            (sum(service_resp_time > 1) >= 1) && (avg(service_cpm) > 1)
                Service, one truth, 2 needs, 20 values, 0 before
            sum(service_resp_time > 1 && service_cpm > 2) >= 1
                Service, one truth, 2 needs, 20 values, 0 before
            sum(increase(service_cpm,5) > 1) > 0
                Service, one truth, 1 needs, 15 values, 5 before
            is_present(service_cpm,to_come) == 1
                Service, one truth, 2 needs, 20 values, 0 before
            avg(view_as_seq(service_cpm,to_come)) > 1
                Service, one truth, 2 needs, 20 values, 0 before
            sum(service_resp_time > baseline(service_resp_time,upper)) > 2
                Service, one truth, 8 needs, 80 values, 0 before
            avg(service_cpm) > -1
                Service, one truth, 1 needs, 10 values, 0 before
        "#]],
    );
}

#[test]
fn ours_are_conditions_too() {
    check(
        &[
            "absent(service_cpm)",
            "not(avg(service_cpm) > 1)",
            "for_each_label(avg(service_percentile) > 1000)",
            "avg(service_cpm) > offset(avg(service_cpm),1w) * 2",
            "latest(change_pct(service_cpm,1d)) > 50",
            "over(quantile(service_resp_time,0.95),1h) > 500",
            "burn_rate(service_cpm,service_cpm,99.9,1h) > 14.4 && burn_rate(service_cpm,service_cpm,99.9,5m) > 14.4",
            "latest(zscore(over(service_cpm,2h))) > 3",
            "latest(ewma(service_cpm,0.3)) > 5",
            "sum(service_cpm > offset(over(service_cpm,10m),1d)) > 1",
        ],
        expect![[r#"
            absent(service_cpm)
                Service, one truth, 1 needs, 10 values, 0 before
            not(avg(service_cpm) > 1)
                Service, one truth, 1 needs, 10 values, 0 before
            for_each_label(avg(service_percentile) > 1000)
                Service, each label set, 1 needs, 10 values, 0 before
            avg(service_cpm) > offset(avg(service_cpm),1w) * 2
                Service, one truth, 2 needs, 20 values, 0 before
            latest(change_pct(service_cpm,1d)) > 50
                Service, one truth, 2 needs, 20 values, 0 before
            over(quantile(service_resp_time,0.95),1h) > 500
                Service, one truth, 1 needs, 60 values, 0 before
            burn_rate(service_cpm,service_cpm,99.9,1h) > 14.4 && burn_rate(service_cpm,service_cpm,99.9,5m) > 14.4
                Service, one truth, 2 needs, 65 values, 0 before
            latest(zscore(over(service_cpm,2h))) > 3
                Service, one truth, 1 needs, 120 values, 0 before
            latest(ewma(service_cpm,0.3)) > 5
                Service, one truth, 1 needs, 10 values, 0 before
            sum(service_cpm > offset(over(service_cpm,10m),1d)) > 1
                Service, one truth, 2 needs, 20 values, 0 before
        "#]],
    );
}

#[test]
fn what_is_no_condition_is_refused_at_its_place() {
    check(
        &[
            "avg(service_cpm)",
            "service_cpm > 1",
            "abs(avg(service_cpm) > 1)",
            "1 > 2",
            "is_present(to_come) == 1",
            "avg(service_cpm) > 1 and avg(service_sla) > 2",
            "avg(service_cpm) > avg(unknown)",
            "avg(view_as_seq(to_come,service_cpm)) > 1",
            "avg(service_cpm) > 1 && avg(endpoint_cpm) > 1",
            "avg(service_heatmap) > 1",
            "avg(top_n_statement) > 1",
            "avg(top_n(service_cpm,10,des)) > 5",
            "avg(top_n_of(top_n(service_cpm,10,des),3,des)) > 5",
            "avg(service_cpm) > 1 || avg(service_cpm)",
            "avg(service_cpm) && avg(service_cpm) > 1",
        ],
        expect![[r#"
            avg(service_cpm)
                line 1:0 an alarm needs a question: a comparison, &&, ||, not or absent outside of all else [avg(service_cpm)]
            service_cpm > 1
                line 1:0 this has an answer for each bucket and an alarm needs one: make it one with an aggregation like sum(…) >= 1 [service_cpm > 1]
            abs(avg(service_cpm) > 1)
                line 1:0 an alarm needs a question: a comparison, &&, ||, not or absent outside of all else [abs(avg(service_cpm) > 1)]
            1 > 2
                line 1:0 an alarm is about a metric, and this reads none that there is [1 > 2]
            is_present(to_come) == 1
                line 1:0 an alarm is about a metric, and this reads none that there is [is_present(to_come) == 1]
            avg(service_cpm) > 1 and avg(service_sla) > 2
                line 1:21 expected the end, found 'and' [and]
            avg(service_cpm) > avg(unknown)
                line 1:23 there is no metric unknown [unknown]
            avg(view_as_seq(to_come,service_cpm)) > 1
                line 1:16 there is no metric to_come [to_come]
            avg(service_cpm) > 1 && avg(endpoint_cpm) > 1
                line 1:28 endpoint_cpm is of scope Endpoint, what stands before is of scope Service [endpoint_cpm]
            avg(service_heatmap) > 1
                line 1:4 service_heatmap has no values that can be compared [service_heatmap]
            avg(top_n_statement) > 1
                line 1:4 top_n_statement has no values that can be compared [top_n_statement]
            avg(top_n(service_cpm,10,des)) > 5
                line 1:4 top_n ranks many entities, and an alarm is about one [top_n(service_cpm,10,des)]
            avg(top_n_of(top_n(service_cpm,10,des),3,des)) > 5
                line 1:4 top_n ranks many entities, and an alarm is about one [top_n_of(top_n(service_cpm,10,des),3,des)]
            avg(service_cpm) > 1 || avg(service_cpm)
                line 1:24 || wants a comparison on each side [avg(service_cpm)]
            avg(service_cpm) && avg(service_cpm) > 1
                line 1:0 && wants a comparison on each side [avg(service_cpm)]
        "#]],
    );
}

#[test]
fn operands_of_another_form_are_refused_at_their_place() {
    check(
        &[
            "not(avg(service_cpm))",
            "for_each_label(avg(service_cpm) > 1)",
            "for_each_label(avg(service_percentile) > 1) && avg(service_cpm) > 1",
            "for_each_label(avg(service_percentile))",
            "latest(avg(service_cpm)) > 1",
            "ewma(avg(service_cpm),0.5) > 1",
            "sum(increase(service_cpm,0) > 1) > 1",
            "sum(increase(service_cpm,100000) > 1) > 1",
            "avg(relabels(service_cpm,p='1',p='2')) > 1",
            "avg(relabels(service_percentile,p='1,2',p='2')) > 1",
            "avg(aggregate_labels(service_cpm,sum)) > 1",
            "sum(sort_values(avg(service_percentile),1,des,avg)) > 1",
            "sort_values(avg(service_percentile),1,des,avg) > 1",
            "avg(view_as_seq(service_cpm,service_percentile)) > 1",
            "sum(service_cpm > over(service_cpm,1h)) > 1",
            "avg(service_cpm) >",
        ],
        expect![[r#"
            not(avg(service_cpm))
                line 1:4 not wants a comparison, &&, || or another truth [avg(service_cpm)]
            for_each_label(avg(service_cpm) > 1)
                line 1:15 for_each_label wants labels, and this has none [avg(service_cpm) > 1]
            for_each_label(avg(service_percentile) > 1) && avg(service_cpm) > 1
                line 1:0 for_each_label can only stand outside of all else [for_each_label(avg(service_percentile) > 1)]
            for_each_label(avg(service_percentile))
                line 1:15 an alarm needs a question: a comparison, &&, ||, not or absent outside of all else [avg(service_percentile)]
            latest(avg(service_cpm)) > 1
                line 1:7 a series is wanted here, and this is a single value [avg(service_cpm)]
            ewma(avg(service_cpm),0.5) > 1
                line 1:5 a series is wanted here, and this is a single value [avg(service_cpm)]
            sum(increase(service_cpm,0) > 1) > 1
                line 1:4 the trend range must be greater than 0 [increase(service_cpm,0)]
            sum(increase(service_cpm,100000) > 1) > 1
                line 1:0 an alarm reads at most 10000 values of an entity, this reads 100010 [sum(increase(service_cpm,100000) > 1) > 1]
            avg(relabels(service_cpm,p='1',p='2')) > 1
                line 1:13 labels are wanted here, and this has none [service_cpm]
            avg(relabels(service_percentile,p='1,2',p='2')) > 1
                line 1:4 there must be as many new values as old ones [relabels(service_percentile,p='1,2',p='2')]
            avg(aggregate_labels(service_cpm,sum)) > 1
                line 1:21 labels are wanted here, and this has none [service_cpm]
            sum(sort_values(avg(service_percentile),1,des,avg)) > 1
                Service, any label set, 1 needs, 10 values, 0 before
            sort_values(avg(service_percentile),1,des,avg) > 1
                line 1:0 this has an answer for each bucket and an alarm needs one: make it one with an aggregation like sum(…) >= 1 [sort_values(avg(service_percentile),1,des,avg) > 1]
            avg(view_as_seq(service_cpm,service_percentile)) > 1
                line 1:28 this is of another form than the first operand [service_percentile]
            sum(service_cpm > over(service_cpm,1h)) > 1
                line 1:4 a series of 10 buckets cannot meet one of 60 [service_cpm > over(service_cpm,1h)]
            avg(service_cpm) >
                line 1:18 expected a metric, a number or a function, found the end []
        "#]],
    );
}

#[test]
fn label_sets_that_never_meet_are_refused() {
    check(
        &[
            "(avg(service_percentile{p='99'}) > 1000) && (avg(service_percentile{p='50'}) > 500)",
            "avg(service_percentile{p='99,95'}) > avg(service_percentile{p='95'})",
            "avg(service_percentile) > avg(service_percentile{p='95'})",
            "avg(relabels(service_percentile{p='99'},p='99',p='50')) > avg(service_percentile{p='50'})",
            "(avg(aggregate_labels(service_percentile{p='99'},max)) > 1) && (avg(aggregate_labels(service_percentile{p='50'},max)) > 5)",
            "avg(aggregate_labels(service_codes,sum(a))) > avg(aggregate_labels(service_codes,sum(b)))",
            "avg(aggregate_labels(service_codes,sum(a))) > avg(aggregate_labels(service_codes,sum(a)))",
        ],
        expect![[r#"
            (avg(service_percentile{p='99'}) > 1000) && (avg(service_percentile{p='50'}) > 500)
                line 1:0 the two sides have no label set in common and are never compared: make each one series with aggregate_labels [(avg(service_percentile{p='99'}) > 1000) && (avg(service_percentile{p='50'}) > 500)]
            avg(service_percentile{p='99,95'}) > avg(service_percentile{p='95'})
                Service, any label set, 2 needs, 20 values, 0 before
            avg(service_percentile) > avg(service_percentile{p='95'})
                Service, any label set, 2 needs, 20 values, 0 before
            avg(relabels(service_percentile{p='99'},p='99',p='50')) > avg(service_percentile{p='50'})
                Service, any label set, 2 needs, 20 values, 0 before
            (avg(aggregate_labels(service_percentile{p='99'},max)) > 1) && (avg(aggregate_labels(service_percentile{p='50'},max)) > 5)
                Service, one truth, 2 needs, 20 values, 0 before
            avg(aggregate_labels(service_codes,sum(a))) > avg(aggregate_labels(service_codes,sum(b)))
                line 1:0 the two sides have no label set in common and are never compared: make each one series with aggregate_labels [avg(aggregate_labels(service_codes,sum(a))) > avg(aggregate_labels(service_codes,sum(b)))]
            avg(aggregate_labels(service_codes,sum(a))) > avg(aggregate_labels(service_codes,sum(a)))
                Service, any label set, 1 needs, 10 values, 0 before
        "#]],
    );
}

/// Values of two services in two minutes, with the label sets of the percentile.
fn answer(need: &Need) -> Loaded {
    let column = |values: [[Option<f64>; 2]; 2]| {
        let mut column = Column::empty(2, 2);
        for (bucket, values) in values.iter().enumerate() {
            values.iter().enumerate().for_each(|(entity, value)| column.set(bucket, entity, *value));
        }
        column
    };
    let row = |labels: &[(&str, &str)], values| Series {
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        values: column(values),
    };
    let (labelled, rows) = match need.metric().name.as_str() {
        "service_cpm" => (false, vec![row(&[], [[Some(10.0), None], [Some(20.0), None]])]),
        "service_percentile" => {
            let p50 = row(&[("p", "50")], [[Some(1.0), Some(9.0)], [Some(1.0), None]]);
            (true, vec![p50, row(&[("p", "99")], [[Some(9.0), None], [Some(9.0), None]])])
        }
        _ => return Loaded::UnknownMetric,
    };
    Loaded::Series { labelled, ids: vec![String::new(); 2], rows }
}

#[test]
fn conditions_are_evaluated_together_for_all_entities() {
    let texts = [
        "sum(service_cpm > 5) >= 2",
        "sum(service_cpm > 5) >= 1",
        "absent(service_cpm)",
        "avg(service_percentile) > 8",
        "for_each_label(avg(service_percentile) > 8)",
        "avg(sort_values(service_percentile,1,des,avg)) > 8",
        "avg(service_cpm) > avg(gone)",
    ];
    let conditions: Vec<_> = texts[..6].iter().map(|text| compiled(text).unwrap().expr).collect();
    let mut exprs = conditions.clone();
    exprs.push(crate::parse(texts[6]).unwrap());
    let program = Program::new(&exprs);
    assert_eq!(program.needs().len(), 3);
    // The read, the constants, the comparison and its sum are shared by the first two.
    assert!(program.n_steps() < exprs.iter().map(|expr| Program::new([expr]).n_steps()).sum());
    let loaded: Vec<Loaded> = program.needs().iter().map(answer).collect();
    let mut all = vec![String::new(); texts.len()];
    program.run(Batch { loaded: &loaded, width: 2, step_seconds: 60 }, |number, entities, value| {
        for (column, entity) in entities.clone().enumerate() {
            let column = if entities.len() == 2 { entity } else { column };
            let shown = match value {
                Ok(value) if value.is_empty(column) => "empty".to_owned(),
                Ok(value) => value.is_true(column).to_string(),
                Err(error) => error.to_owned(),
            };
            all[number].push_str(&format!(" {entity}={shown}"));
        }
    });
    let lines: String = texts.iter().zip(&all).map(|(text, shown)| format!("{text} {shown}\n")).collect();
    expect![[r#"
        sum(service_cpm > 5) >= 2  0=true 1=false
        sum(service_cpm > 5) >= 1  0=true 1=false
        absent(service_cpm)  0=false 1=true
        avg(service_percentile) > 8  0=true 1=true
        for_each_label(avg(service_percentile) > 8)  0=true 1=true
        avg(sort_values(service_percentile,1,des,avg)) > 8  0=true 1=true
        avg(service_cpm) > avg(gone)  0=Metric: [gone] does not exist. 1=Metric: [gone] does not exist.
    "#]]
    .assert_eq(&lines);
}

#[test]
fn a_batch_is_as_wide_as_its_columns() {
    let expr = crate::parse("service_cpm > 1").unwrap();
    let loaded: Vec<Loaded> = expr.needs().iter().map(answer).collect();
    let mut errors = Vec::new();
    for width in [1, 2, 3] {
        Program::new([&expr]).run(Batch { loaded: &loaded, width, step_seconds: 60 }, |_, _, value| {
            errors.push(value.err().map(str::to_owned));
        });
    }
    let error = Some("Metric: [service_cpm] was not loaded.".to_owned());
    assert_eq!(errors, [error.clone(), None, error]);
}
