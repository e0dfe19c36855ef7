//! What a real server (10.4) answered to the same questions about the same values.

use expect_test::{Expect, expect};

use super::fixture::{check_in, outcome, series, show};
use crate::{Loaded, Need, RankedRecord};

/// The two minutes of the service that was asked about; the minute in front of them had a cpm of 1.
fn recorded(need: &Need) -> Loaded {
    let before = if let Need::Series { before, .. } = need { *before } else { 0 };
    let whole = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
    let plain = |values: &[f64]| series(false, before, &[(&[], &whole(values))]);
    match need.metric().name.as_str() {
        "service_cpm" if matches!(need, Need::TopN { .. }) => Loaded::SortedList(Vec::new()),
        "service_resp_time" if matches!(need, Need::TopN { .. }) => Loaded::SortedList(Vec::new()),
        "service_cpm" if before == 1 => plain(&[1.0, 5.0, 4.0]),
        "service_cpm" => plain(&[5.0, 4.0]),
        "service_resp_time" => plain(&[587.0, 196.0]),
        "service_sla" => plain(&[8000.0, 7500.0]),
        "browser_app_error_sum" => series(false, 0, &[(&[], &[None, None])]),
        "service_percentile" => series(
            true,
            before,
            &[
                (&[("p", "50")], &whole(&[80.0, 90.0])),
                (&[("p", "75")], &whole(&[630.0, 120.0])),
                (&[("p", "90")], &whole(&[2090.0, 500.0])),
                (&[("p", "95")], &whole(&[2090.0, 500.0])),
                (&[("p", "99")], &whole(&[2090.0, 500.0])),
            ],
        ),
        "endpoint_percentile" => series(true, before, &[]),
        "top_n_database_statement" => Loaded::RecordList(vec![RankedRecord {
            id: "select * from cart where id = ?".to_owned(),
            value: 900.0,
            trace_id: "shop.trace.04".to_owned(),
        }]),
        _ => Loaded::UnknownMetric,
    }
}

fn check(texts: &[&str], expected: Expect) {
    check_in(recorded, texts, expected);
}

#[test]
fn single_values_are_as_recorded() {
    check(
        &[
            "avg(service_cpm)",
            "max(service_resp_time)",
            "min(service_resp_time)",
            "sum(service_cpm)",
            "latest(service_sla)",
            "count(service_cpm)",
            "avg(service_resp_time) > 1",
            "is_present(not_existing,service_cpm)",
            "max(service_percentile)",
            "avg(service_percentile{p='99'})",
            "sum(browser_app_error_sum)",
        ],
        expect![[r#"
            avg(service_cpm)  =>  SINGLE_VALUE {} -=4.5
            max(service_resp_time)  =>  SINGLE_VALUE {} t0=587
            min(service_resp_time)  =>  SINGLE_VALUE {} t1=196
            sum(service_cpm)  =>  SINGLE_VALUE {} -=9
            latest(service_sla)  =>  SINGLE_VALUE {} t1=7500
            count(service_cpm)  =>  SINGLE_VALUE {} -=2
            avg(service_resp_time) > 1  =>  SINGLE_VALUE {} -=1
            is_present(not_existing,service_cpm)  =>  SINGLE_VALUE {} -=1
            max(service_percentile)  =>  SINGLE_VALUE
                {p=50} t1=90
                {p=75} t0=630
                {p=90} t0=2090
                {p=95} t0=2090
                {p=99} t0=2090
            avg(service_percentile{p='99'})  =>  SINGLE_VALUE {p=99} -=1295
            sum(browser_app_error_sum)  =>  SINGLE_VALUE {} -=0
        "#]],
    );
}

#[test]
fn series_are_as_recorded() {
    for (text, first, second) in [
        ("service_cpm", "5", "4"),
        ("service_sla/100", "80", "75"),
        ("(service_resp_time + service_cpm) * 2", "1184", "400"),
        ("aggregate_labels(service_percentile,sum)", "6980", "1710"),
        ("aggregate_labels(service_percentile,max)", "2090", "500"),
        ("round(service_sla/33,2)", "242.42", "227.27"),
        ("service_resp_time > 100", "1", "1"),
        ("increase(service_cpm,1)", "4", "-1"),
        ("rate(service_cpm,1)", "0.067", "-0.017"),
        ("abs(service_cpm - 100)", "95", "96"),
        ("view_as_seq(not_existing,service_cpm)", "5", "4"),
        ("ceil(service_resp_time/7)", "84", "28"),
        ("floor(service_resp_time/7)", "83", "28"),
        ("(service_sla < 9000) * (service_cpm > 1) == 1", "1", "1"),
        ("service_cpm % 2", "1", "0"),
    ] {
        let expected = format!("TIME_SERIES_VALUES\n{{}} t0={first} t1={second}\n");
        assert_eq!(show(&outcome(text, recorded)), expected, "{text}");
    }
}

#[test]
fn labelled_series_are_as_recorded() {
    check(
        &[
            "service_percentile{p='50,99'}",
            "relabels(service_percentile{p='50,75'},p='50,75',p='P50,P75')",
            "aggregate_labels(service_percentile,avg(p))",
            "service_percentile{p='50'} / service_cpm",
            "service_percentile - service_resp_time",
            "endpoint_percentile",
        ],
        expect![[r#"
            service_percentile{p='50,99'}  =>  TIME_SERIES_VALUES
                {p=50} t0=80 t1=90
                {p=99} t0=2090 t1=500
            relabels(service_percentile{p='50,75'},p='50,75',p='P50,P75')  =>  TIME_SERIES_VALUES
                {p=P50} t0=80 t1=90
                {p=P75} t0=630 t1=120
            aggregate_labels(service_percentile,avg(p))  =>  TIME_SERIES_VALUES
                {p=50} t0=80 t1=90
                {p=75} t0=630 t1=120
                {p=90} t0=2090 t1=500
                {p=95} t0=2090 t1=500
                {p=99} t0=2090 t1=500
            service_percentile{p='50'} / service_cpm  =>  TIME_SERIES_VALUES {p=50} t0=16 t1=22.5
            service_percentile - service_resp_time  =>  TIME_SERIES_VALUES
                {p=50} t0=-507 t1=-106
                {p=75} t0=43 t1=-76
                {p=90} t0=1503 t1=304
                {p=95} t0=1503 t1=304
                {p=99} t0=1503 t1=304
            endpoint_percentile  =>  TIME_SERIES_VALUES
        "#]],
    );
}

#[test]
fn lists_are_as_recorded() {
    check(
        &[
            "top_n(service_cpm,3,asc)",
            "top_n(service_resp_time,3,des,attr0='GENERAL',attr0!='MESH')",
            "top_n_of(top_n(service_cpm,3,des),top_n(service_resp_time,3,des),2,des)",
            "top_n(top_n_database_statement,10,des)",
        ],
        expect![[r#"
            top_n(service_cpm,3,asc)  =>  SORTED_LIST {}
            top_n(service_resp_time,3,des,attr0='GENERAL',attr0!='MESH')  =>  SORTED_LIST {}
            top_n_of(top_n(service_cpm,3,des),top_n(service_resp_time,3,des),2,des)  =>  SORTED_LIST {}
            top_n(top_n_database_statement,10,des)  =>  RECORD_LIST {} select * from cart where id = ?=900#shop.trace.04
        "#]],
    );
}

#[test]
fn errors_are_as_recorded() {
    check(
        &["no_such_metric", "service_resp_time && service_cpm"],
        expect![[r#"
        no_such_metric  =>  UNKNOWN error: Metric: [no_such_metric] does not exist.
        service_resp_time && service_cpm  =>  UNKNOWN error: Bool Operation: The result of the left expression is not a compare result.
    "#]],
    );
    for text in
        ["service_cpm +", "sort_values(service_percentile,2,des)", "sort_label_values(service_percentile,des,'p')"]
    {
        let outcome = outcome(text, recorded);
        assert!(outcome.error.is_some() && outcome.results.is_empty(), "{text}: {outcome:?}");
    }
}
