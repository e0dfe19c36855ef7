//! The functions that SkyWalking does not have.

use expect_test::{Expect, expect};

use super::fixture::{check_in, series};
use crate::{Loaded, Need};

/// `m` and `p` have other values a day ago; `up` counts up, in every window.
fn past(need: &Need) -> Loaded {
    let Need::Series { frame, before, .. } = need else { return super::fixture::world(need) };
    if let Some(window) = frame.window {
        let n = window.n_buckets() + before;
        let up: Vec<Option<f64>> = (1..=n).map(|n| Some(f64::from(n))).collect();
        return match need.metric().name.as_str() {
            "up" => series(false, *before, &[(&[], &up)]),
            "one" => series(false, *before, &[(&[], &vec![Some(1.0); up.len()])]),
            "zero" => series(false, *before, &[(&[], &vec![Some(0.0); up.len()])]),
            "gone" => series(false, *before, &[(&[], &vec![None; up.len()])]),
            "by_code" => {
                series(true, *before, &[(&[("code", "4")], &up), (&[("code", "5")], &vec![Some(0.0); up.len()])])
            }
            _ => Loaded::UnknownMetric,
        };
    }
    match (need.metric().name.as_str(), frame.back_minutes) {
        ("m", 1440) => series(false, *before, &[(&[], &[Some(2.0), Some(0.0), Some(3.0), Some(-8.0)])]),
        ("p", 1440) => series(true, *before, &[(&[("p", "50")], &[Some(10.0); 4]), (&[("p", "75")], &[Some(1.0); 4])]),
        ("m", 60) => Loaded::Failed("nobody knows".to_owned()),
        _ => super::fixture::world(need),
    }
}

fn check(texts: &[&str], expected: Expect) {
    check_in(past, texts, expected);
}

#[test]
fn not_turns_a_truth_round() {
    check(
        &["not(m>1)", "not(avg(none)>1)", "not(not(avg(m)>1) || avg(m)<0)", "not(p>7)", "not(m)", "not(absent(m))"],
        expect![[r#"
            not(m>1)  =>  TIME_SERIES_VALUES {} t0=1 t1=0 t2=null t3=0
            not(avg(none)>1)  =>  SINGLE_VALUE {} -=null
            not(not(avg(m)>1) || avg(m)<0)  =>  SINGLE_VALUE {} -=1
            not(p>7)  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=0
                {p=50} t0=1 t1=1 t2=null t3=0
                {p=99} t0=0 t1=null t2=null t3=0
            not(m)  =>  UNKNOWN error: Bool Operation: The result of the expression is not a compare result.
            not(absent(m))  =>  SINGLE_VALUE {} -=1
        "#]],
    );
}

#[test]
fn absent_is_a_truth_about_what_can_be_read() {
    check(
        &[
            "absent(m)",
            "absent(none)",
            "absent(empty_p)",
            "absent(m/none)",
            "absent(none) && absent(m)",
            "absent(unknown)",
            "absent(broken)",
        ],
        expect![[r#"
            absent(m)  =>  SINGLE_VALUE {} -=0
            absent(none)  =>  SINGLE_VALUE {} -=1
            absent(empty_p)  =>  SINGLE_VALUE {} -=1
            absent(m/none)  =>  SINGLE_VALUE {} -=1
            absent(none) && absent(m)  =>  SINGLE_VALUE {} -=0
            absent(unknown)  =>  UNKNOWN error: Metric: [unknown] does not exist.
            absent(broken)  =>  UNKNOWN error: the store is away
        "#]],
    );
}

#[test]
fn an_offset_shows_what_was_at_the_ids_of_now() {
    check(
        &[
            "offset(m,1d)",
            "m - offset(m,1d)",
            "offset(avg(m)+1,1d)",
            "offset(offset(m,12h),12h)",
            "avg(m) > offset(avg(m),24h) * 2",
            "p - offset(p,1d)",
            "offset(increase(m,1),1d)",
            "offset(m,1h)",
            "offset(unknown,1d)",
            "for_each_label(offset(p,1d) > 5)",
        ],
        expect![[r#"
            offset(m,1d)  =>  TIME_SERIES_VALUES {} t0=2 t1=0 t2=3 t3=-8
            m - offset(m,1d)  =>  TIME_SERIES_VALUES {} t0=-1 t1=2 t2=null t3=12
            offset(avg(m)+1,1d)  =>  SINGLE_VALUE {} -=0.25
            offset(offset(m,12h),12h)  =>  TIME_SERIES_VALUES {} t0=2 t1=0 t2=3 t3=-8
            avg(m) > offset(avg(m),24h) * 2  =>  SINGLE_VALUE {} -=1
            p - offset(p,1d)  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=null
                {p=50} t0=-5 t1=-4 t2=null t3=-2
                {p=99} t0=null t1=null t2=null t3=null
            offset(increase(m,1),1d)  =>  TIME_SERIES_VALUES {} t0=-2 t1=3 t2=-11
            offset(m,1h)  =>  UNKNOWN error: nobody knows
            offset(unknown,1d)  =>  UNKNOWN error: Metric: [unknown] does not exist.
            for_each_label(offset(p,1d) > 5)  =>  TIME_SERIES_VALUES
                {p=50} t0=1 t1=1 t2=1 t3=1
                {p=75} t0=0 t1=0 t2=0 t3=0
        "#]],
    );
}

#[test]
fn a_change_is_in_percent_of_the_size_of_what_was() {
    check(
        &[
            "change_pct(m,1d)",
            "change_pct(avg(m),1d)",
            "change_pct(p,1d)",
            "change_pct(sum(none),1d)",
            "change_pct(m,1h)",
            "change_pct(top_n(rank,2,des),1d)",
        ],
        expect![[r#"
            change_pct(m,1d)  =>  TIME_SERIES_VALUES {} t0=-50 t1=null t2=null t3=150
            change_pct(avg(m),1d)  =>  SINGLE_VALUE {} -=411.111
            change_pct(p,1d)  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=null
                {p=50} t0=-50 t1=-40 t2=null t3=-20
                {p=99} t0=null t1=null t2=null t3=null
            change_pct(sum(none),1d)  =>  SINGLE_VALUE {} -=null
            change_pct(m,1h)  =>  UNKNOWN error: nobody knows
            change_pct(top_n(rank,2,des),1d)  =>  UNKNOWN error: Unsupported binary operation: Unsupported operation.
        "#]],
    );
}

#[test]
fn over_computes_over_another_window() {
    check(
        &[
            "over(up,5m)",
            "avg(over(up,32d))",
            "over(avg(up),2h)",
            "over(over(up,2m),1d)",
            "over(rate(up,2),3m)",
            "over(rate(up,2),3h)",
            "avg(m) > over(avg(up),1d)",
            "over(up,5m) + over(one,5m)",
            "over(up,5m) + m",
            "over(unknown,1h)",
        ],
        expect![[r#"
            over(up,5m)  =>  TIME_SERIES_VALUES {} t0=1 t1=2 t2=3 t3=4 t4=5
            avg(over(up,32d))  =>  SINGLE_VALUE {} -=384.5
            over(avg(up),2h)  =>  SINGLE_VALUE {} -=60.5
            over(over(up,2m),1d)  =>  TIME_SERIES_VALUES {} t0=1 t1=2
            over(rate(up,2),3m)  =>  TIME_SERIES_VALUES {} t0=0.017 t1=0.017 t2=0.017
            over(rate(up,2),3h)  =>  TIME_SERIES_VALUES {} t0=0 t1=0 t2=0
            avg(m) > over(avg(up),1d)  =>  SINGLE_VALUE {} -=0
            over(up,5m) + over(one,5m)  =>  TIME_SERIES_VALUES {} t0=2 t1=3 t2=4 t3=5 t4=6
            over(up,5m) + m  =>  UNKNOWN error: Unsupported binary operation: Series No Labeled, left and right series value size not equal.
            over(unknown,1h)  =>  UNKNOWN error: Metric: [unknown] does not exist.
        "#]],
    );
}

#[test]
fn a_burn_rate_is_the_bad_part_by_the_allowed_part() {
    check(
        &[
            "burn_rate(one,up,90,3m)",
            "burn_rate(one*0.5,one,99.9,1h)",
            "burn_rate(zero,up,99,1h)",
            "burn_rate(one,zero,99,1h)",
            "burn_rate(gone,gone,99,1h)",
            "burn_rate(gone,one,99,1h)",
            "burn_rate(by_code,up,99,1d)",
            "burn_rate(one,unknown,99,1d)",
            "burn_rate(one,up,90,3m) > 5 && burn_rate(one,up,90,1h) > 0.3",
        ],
        expect![[r#"
            burn_rate(one,up,90,3m)  =>  SINGLE_VALUE {} -=5
            burn_rate(one*0.5,one,99.9,1h)  =>  SINGLE_VALUE {} -=500
            burn_rate(zero,up,99,1h)  =>  SINGLE_VALUE {} -=0
            burn_rate(one,zero,99,1h)  =>  SINGLE_VALUE {} -=null
            burn_rate(gone,gone,99,1h)  =>  SINGLE_VALUE {} -=null
            burn_rate(gone,one,99,1h)  =>  SINGLE_VALUE {} -=0
            burn_rate(by_code,up,99,1d)  =>  SINGLE_VALUE
                {code=4} -=100
                {code=5} -=0
            burn_rate(one,unknown,99,1d)  =>  UNKNOWN error: Metric: [unknown] does not exist.
            burn_rate(one,up,90,3m) > 5 && burn_rate(one,up,90,1h) > 0.3  =>  SINGLE_VALUE {} -=1
        "#]],
    );
}

#[test]
fn quantiles_lie_between_values_in_proportion() {
    check(
        &[
            "quantile(n,0)",
            "quantile(n,0.5)",
            "quantile(n,0.9)",
            "quantile(n,1)",
            "quantile(p,0.5)",
            "quantile(none,0.5)",
            "quantile(top_n(rank,3,des),0.5)",
            "quantile(m/0,0.3)",
            "quantile(unknown,0.5)",
        ],
        expect![[r#"
            quantile(n,0)  =>  SINGLE_VALUE {} -=-40
            quantile(n,0.5)  =>  SINGLE_VALUE {} -=5
            quantile(n,0.9)  =>  SINGLE_VALUE {} -=24
            quantile(n,1)  =>  SINGLE_VALUE {} -=30
            quantile(p,0.5)  =>  SINGLE_VALUE
                {p=100} -=100
                {p=50} -=6
                {p=99} -=65
            quantile(none,0.5)  =>  SINGLE_VALUE {} -=null
            quantile(top_n(rank,3,des),0.5)  =>  SINGLE_VALUE {} -=20
            quantile(m/0,0.3)  =>  SINGLE_VALUE {} -=∞
            quantile(unknown,0.5)  =>  UNKNOWN error: Metric: [unknown] does not exist.
        "#]],
    );
}

#[test]
fn spread_is_that_of_all_values() {
    check(
        &[
            "stddev(n)",
            "stddev(m)",
            "stddev(short)",
            "stddev(none)",
            "stddev(p)",
            "stddev(unknown)",
            "zscore(n)",
            "zscore(m)",
            "zscore(short)",
            "zscore(none)",
            "zscore(p)",
            "latest(zscore(n)) < -1",
        ],
        expect![[r#"
            stddev(n)  =>  SINGLE_VALUE {} -=25.495
            stddev(m)  =>  SINGLE_VALUE {} -=1.247
            stddev(short)  =>  SINGLE_VALUE {} -=0
            stddev(none)  =>  SINGLE_VALUE {} -=null
            stddev(p)  =>  SINGLE_VALUE
                {p=100} -=0
                {p=50} -=1.247
                {p=99} -=15
            stddev(unknown)  =>  UNKNOWN error: Metric: [unknown] does not exist.
            zscore(n)  =>  TIME_SERIES_VALUES {} t0=0.392 t1=0 t2=1.177 t3=-1.569
            zscore(m)  =>  TIME_SERIES_VALUES {} t0=-1.069 t1=-0.267 t2=null t3=1.336
            zscore(short)  =>  TIME_SERIES_VALUES {} t0=null
            zscore(none)  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
            zscore(p)  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=null
                {p=50} t0=-1.069 t1=-0.267 t2=null t3=1.336
                {p=99} t0=-1 t1=null t2=null t3=1
            latest(zscore(n)) < -1  =>  SINGLE_VALUE {} -=1
        "#]],
    );
}

#[test]
fn an_average_moves_on_over_empty_buckets() {
    check(
        &["ewma(m,0.5)", "ewma(n,1)", "ewma(none,0.5)", "ewma(p,0.1)", "ewma(avg(m),0.5)", "ewma(unknown,0.5)"],
        expect![[r#"
            ewma(m,0.5)  =>  TIME_SERIES_VALUES {} t0=1 t1=1.5 t2=null t3=2.75
            ewma(n,1)  =>  TIME_SERIES_VALUES {} t0=10 t1=0 t2=30 t3=-40
            ewma(none,0.5)  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
            ewma(p,0.1)  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=100
                {p=50} t0=5 t1=5.1 t2=null t3=5.39
                {p=99} t0=50 t1=null t2=null t3=53
            ewma(avg(m),0.5)  =>  UNKNOWN error: EWMA can only be used in time series result.
            ewma(unknown,0.5)  =>  UNKNOWN error: Metric: [unknown] does not exist.
        "#]],
    );
}

#[test]
fn what_is_ours_is_named_and_translated_where_it_can_be() {
    for (text, ours, portable) in [
        ("avg(m)>1.5e3", "", Ok("avg(m)>1500")),
        ("-m > -1", "-m, -1", Ok("0-m>0-1")),
        ("a - -(b+c)", "-(b+c)", Ok("a-(0-(b+c))")),
        ("not(a>1 && b>1)", "not(a>1&&b>1)", Ok("(a>1&&b>1)==0")),
        ("not(a>1) || absent(b)", "not(a>1), absent(b)", Ok("a>1==0||is_present(b)==0")),
        ("offset(a,1d)>1", "offset(a,1d)", Err((0, 12, "offset"))),
        ("1 < -stddev(a)", "-stddev(a), stddev(a)", Err((5, 14, "stddev"))),
        ("burn_rate(a,b,99,1h)>1", "burn_rate(a,b,99,1h)", Err((0, 20, "burn_rate"))),
    ] {
        let expr = crate::parse(text).unwrap();
        let named: Vec<String> = expr.extensions().iter().map(ToString::to_string).collect();
        assert_eq!(named.join(", "), ours, "{text}");
        let translated = expr.portable();
        match portable {
            Ok(portable) => assert_eq!(translated.unwrap().to_string(), portable),
            Err((start, end, name)) => {
                let error = translated.unwrap_err();
                assert_eq!((error.place.start, error.place.end, error.name), (start, end, name), "{text}: {error}");
            }
        }
    }
}

#[test]
fn an_explanation_tells_what_each_part_came_to_in_its_time() {
    let expr = crate::parse("avg(m) > offset( max(m), 1d )*2").unwrap();
    let loaded: Vec<Loaded> = expr.needs().iter().map(past).collect();
    let mut all = String::new();
    for part in crate::explain(&expr, &loaded, 60) {
        let shown = super::fixture::show(&part.outcome).replace('\n', " ");
        all.push_str(&format!("{}..{} {}  =>  {}\n", part.place.start, part.place.end, part.text, shown.trim_end()));
    }
    expect![[r#"
        0..31 avg(m)>offset(max(m),1d)*2  =>  SINGLE_VALUE {} -=0
        0..6 avg(m)  =>  SINGLE_VALUE {} -=2.333
        4..5 m  =>  TIME_SERIES_VALUES {} t0=1 t1=2 t2=null t3=4
        9..31 offset(max(m),1d)*2  =>  SINGLE_VALUE {} -=6
        9..29 offset(max(m),1d)  =>  SINGLE_VALUE {} t2=3
        17..23 max(m)  =>  SINGLE_VALUE {} t2=3
        21..22 m  =>  TIME_SERIES_VALUES {} t0=2 t1=0 t2=3 t3=-8
        30..31 2  =>  SINGLE_VALUE {} -=2
    "#]]
    .assert_eq(&all);
}
