//! Every function on values, by itself.

use expect_test::expect;

use super::fixture::check;

#[test]
fn a_number_is_a_single_value() {
    check(
        &["7", "0.25", "1.5e3", "-2", "--2", "1/3"],
        expect![[r#"
        7  =>  SINGLE_VALUE {} -=7
        0.25  =>  SINGLE_VALUE {} -=0.25
        1.5e3  =>  SINGLE_VALUE {} -=1500
        -2  =>  SINGLE_VALUE {} -=-2
        --2  =>  SINGLE_VALUE {} -=2
        1/3  =>  SINGLE_VALUE {} -=0.333
    "#]],
    );
}

#[test]
fn a_metric_is_a_series_and_a_bucket_without_value_is_null() {
    check(
        &["m", "none", "-m"],
        expect![[r#"
        m  =>  TIME_SERIES_VALUES {} t0=1 t1=2 t2=null t3=4
        none  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
        -m  =>  TIME_SERIES_VALUES {} t0=-1 t1=-2 t2=null t3=-4
    "#]],
    );
}

#[test]
fn what_cannot_be_read_is_an_error_in_the_outcome() {
    check(
        &[
            "unknown",
            "broken + 1",
            "1 + unknown{a='b'}",
            "slow",
            "top_n(p,3,des)",
            "top_n(rank,0,des)",
            "top_n(unknown,0,des)",
            "top_n(no_attr,3,des,attr1='x')",
        ],
        expect![[r#"
            unknown  =>  UNKNOWN error: Metric: [unknown] does not exist.
            broken + 1  =>  UNKNOWN error: the store is away
            1 + unknown{a='b'}  =>  UNKNOWN error: Metric: [unknown] does not exist.
            slow  =>  UNKNOWN error: Metric: [slow] is topN record, need top_n function for query.
            top_n(p,3,des)  =>  UNKNOWN error: Metric: [p] is labeled value, does not support top_n query.
            top_n(rank,0,des)  =>  UNKNOWN error: TopN value must be > 0.
            top_n(unknown,0,des)  =>  UNKNOWN error: Metric: [unknown] does not exist.
            top_n(no_attr,3,des,attr1='x')  =>  UNKNOWN error: The attribute [attr1] is not a queryable column of metric [no_attr], so it can not be used as a top_n condition.
        "#]],
    );
}

#[test]
fn an_entity_that_does_not_fit_is_unknown_without_an_error() {
    check(
        &[
            "nameless",
            "avg(nameless)",
            "avg(nameless)/100",
            "100/avg(nameless)",
            "nameless/100",
            "latest(nameless)",
            "increase(nameless,1)",
            "is_present(nameless)",
            "view_as_seq(nameless,m)",
            "top_n_of(top_n(nameless,3,des),1,des)",
            "top_n_of(top_n(nameless,3,des),top_n(rank,3,des),1,des)",
        ],
        expect![[r#"
            nameless  =>  UNKNOWN
            avg(nameless)  =>  SINGLE_VALUE
            avg(nameless)/100  =>  UNKNOWN error: Unsupported binary operation: Single to Single, left result is empty or has more than one value.
            100/avg(nameless)  =>  UNKNOWN error: Unsupported binary operation: Single to Single, right result is empty or has more than one value.
            nameless/100  =>  UNKNOWN error: Unsupported binary operation: Unsupported operation.
            latest(nameless)  =>  UNKNOWN error: LATEST can only be used in time series result.
            increase(nameless,1)  =>  UNKNOWN error: The result of expression [nameless] is not a time series result.
            is_present(nameless)  =>  SINGLE_VALUE {} -=0
            view_as_seq(nameless,m)  =>  TIME_SERIES_VALUES {} t0=1 t1=2 t2=null t3=4
            top_n_of(top_n(nameless,3,des),1,des)  =>  UNKNOWN
            top_n_of(top_n(nameless,3,des),top_n(rank,3,des),1,des)  =>  SORTED_LIST {} a=30@a
        "#]],
    );
}

#[test]
fn aggregations_leave_empty_values_out() {
    check(
        &["avg(m)", "sum(m)", "count(m)", "latest(m)", "max(n)", "min(n)", "max(p)"],
        expect![[r#"
        avg(m)  =>  SINGLE_VALUE {} -=2.333
        sum(m)  =>  SINGLE_VALUE {} -=7
        count(m)  =>  SINGLE_VALUE {} -=3
        latest(m)  =>  SINGLE_VALUE {} t3=4
        max(n)  =>  SINGLE_VALUE {} t2=30
        min(n)  =>  SINGLE_VALUE {} t3=-40
        max(p)  =>  SINGLE_VALUE
            {p=100} t3=100
            {p=50} t3=8
            {p=99} t3=80
    "#]],
    );
}

#[test]
fn aggregations_of_nothing_are_null_but_for_sum_and_count() {
    check(
        &["avg(none)", "sum(none)", "count(none)", "latest(none)", "max(none)", "min(none)"],
        expect![[r#"
        avg(none)  =>  SINGLE_VALUE {} -=null
        sum(none)  =>  SINGLE_VALUE {} -=0
        count(none)  =>  SINGLE_VALUE {} -=0
        latest(none)  =>  SINGLE_VALUE {} -=null
        max(none)  =>  SINGLE_VALUE {} -=null
        min(none)  =>  SINGLE_VALUE {} -=null
    "#]],
    );
}

#[test]
fn of_equal_values_the_first_is_chosen() {
    check(
        &["max(n*0)", "min(m-m)"],
        expect![[r#"
        max(n*0)  =>  SINGLE_VALUE {} t0=0
        min(m-m)  =>  SINGLE_VALUE {} t0=0
    "#]],
    );
}

#[test]
fn latest_wants_a_series() {
    check(
        &["latest(avg(m))", "latest(top_n(rank,3,des))", "max(top_n(rank,3,des))", "avg(top_n(rank,3,des))"],
        expect![[r#"
            latest(avg(m))  =>  UNKNOWN error: LATEST can only be used in time series result.
            latest(top_n(rank,3,des))  =>  UNKNOWN error: LATEST can only be used in time series result.
            max(top_n(rank,3,des))  =>  SINGLE_VALUE {} a=30@a
            avg(top_n(rank,3,des))  =>  SINGLE_VALUE {} -=20
        "#]],
    );
}

#[test]
fn sums_are_compensated_as_javas_are() {
    // Ten buckets of 0.1 summed plainly are 0.9999999999999999.
    let tenths = |_: &crate::Need| super::fixture::series(false, 0, &[(&[], &[Some(0.1); 10])]);
    let outcome = super::fixture::outcome("sum(x) == 1", tenths);
    assert_eq!(outcome.results[0].values[0].value, Some(1.0));
}

#[test]
fn infinity_is_summed_and_not_a_number_is_above_everything() {
    check(
        &["sum(m/0)", "avg(m/0)", "sum(n/0)", "max(n/0)", "min(n/0)", "max(-(n/0))"],
        expect![[r#"
            sum(m/0)  =>  SINGLE_VALUE {} -=∞
            avg(m/0)  =>  SINGLE_VALUE {} -=∞
            sum(n/0)  =>  SINGLE_VALUE {} -=NaN
            max(n/0)  =>  SINGLE_VALUE {} t1=NaN
            min(n/0)  =>  SINGLE_VALUE {} t3=-∞
            max(-(n/0))  =>  SINGLE_VALUE {} t1=NaN
        "#]],
    );
}

#[test]
fn mathematics_is_done_on_each_value() {
    check(
        &[
            "abs(n)",
            "ceil(f)",
            "floor(f)",
            "round(f,2)",
            "round(f,0)",
            "round(f,2147483647)",
            "abs(none)",
            "abs(top_n(rank,1,des))",
            "round(p/3,1)",
        ],
        expect![[r#"
            abs(n)  =>  TIME_SERIES_VALUES {} t0=10 t1=0 t2=30 t3=40
            ceil(f)  =>  TIME_SERIES_VALUES {} t0=2 t1=-2 t2=1 t3=100
            floor(f)  =>  TIME_SERIES_VALUES {} t0=1 t1=-3 t2=0 t3=99
            round(f,2)  =>  TIME_SERIES_VALUES {} t0=1.01 t1=-2.5 t2=0.1 t3=100
            round(f,0)  =>  TIME_SERIES_VALUES {} t0=1 t1=-3 t2=0 t3=100
            round(f,2147483647)  =>  TIME_SERIES_VALUES {} t0=1.005 t1=-2.5 t2=0.1 t3=99.995
            abs(none)  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
            abs(top_n(rank,1,des))  =>  SORTED_LIST {} a=30@a b=20@b c=10@c
            round(p/3,1)  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=33.3
                {p=50} t0=1.7 t1=2 t2=null t3=2.7
                {p=99} t0=16.7 t1=null t2=null t3=26.7
        "#]],
    );
}

#[test]
fn what_is_no_number_cannot_be_rounded_and_is_empty() {
    check(
        &["round(n/0,2)"],
        expect![[r#"
        round(n/0,2)  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
    "#]],
    );
}

#[test]
fn trends_compare_with_the_buckets_in_front_and_keep_the_length_of_the_duration() {
    check(
        &["increase(m,1)", "increase(m,2)", "rate(m,2)", "increase(p{p='50'},1)", "increase(none,3)"],
        expect![[r#"
        increase(m,1)  =>  TIME_SERIES_VALUES {} t0=0 t1=1 t2=null t3=null
        increase(m,2)  =>  TIME_SERIES_VALUES {} t0=0 t1=0 t2=null t3=2
        rate(m,2)  =>  TIME_SERIES_VALUES {} t0=0 t1=0 t2=null t3=0.017
        increase(p{p='50'},1)  =>  TIME_SERIES_VALUES {p=50} t0=1 t1=null t2=null
        increase(none,3)  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
    "#]],
    );
}

#[test]
fn trends_need_a_range_and_a_series() {
    check(
        &["increase(m,0)", "rate(unknown,1)", "rate(slow,1)"],
        expect![[r#"
        increase(m,0)  =>  UNKNOWN error: The trend range must be greater than 0.
        rate(unknown,1)  =>  UNKNOWN error: Metric: [unknown] does not exist.
        rate(slow,1)  =>  UNKNOWN error: Metric: [slow] is topN record, need top_n function for query.
    "#]],
    );
}

#[test]
fn rankings_are_passed_on() {
    check(
        &["top_n(rank,3,des)", "top_n(nobody,3,asc)", "top_n(slow,2,DES)", "top_n(rank,3,des)/10"],
        expect![[r#"
        top_n(rank,3,des)  =>  SORTED_LIST {} a=30@a b=20@b c=10@c
        top_n(nobody,3,asc)  =>  SORTED_LIST {}
        top_n(slow,2,DES)  =>  RECORD_LIST {} select 1=900#t.1 select 2=260#
        top_n(rank,3,des)/10  =>  SORTED_LIST {} a=3@a b=2@b c=1@c
    "#]],
    );
}

#[test]
fn rankings_of_one_kind_are_merged() {
    check(
        &[
            "top_n_of(top_n(rank,3,des),top_n(rank2,3,des),4,des)",
            "top_n_of(top_n(rank,3,des),top_n(rank2,3,des),2,asc)",
            "top_n_of(top_n(nobody,3,des),top_n(nobody,3,asc),2,asc)",
            "top_n_of(top_n(rank,3,des),top_n(slow,3,des),2,asc)",
            "top_n_of(top_n(rank,3,des),top_n(unknown,3,des),2,asc)",
            "top_n_of(top_n(rank,3,des),0,asc)",
        ],
        expect![[r#"
            top_n_of(top_n(rank,3,des),top_n(rank2,3,des),4,des)  =>  SORTED_LIST {} a=30@a d=25@d b=20@b e=20@e
            top_n_of(top_n(rank,3,des),top_n(rank2,3,des),2,asc)  =>  SORTED_LIST {} c=10@c b=20@b
            top_n_of(top_n(nobody,3,des),top_n(nobody,3,asc),2,asc)  =>  SORTED_LIST {}
            top_n_of(top_n(rank,3,des),top_n(slow,3,des),2,asc)  =>  UNKNOWN error: TopN type is not consistent, one is SORTED_LIST, another is RECORD_LIST
            top_n_of(top_n(rank,3,des),top_n(unknown,3,des),2,asc)  =>  UNKNOWN error: Metric: [unknown] does not exist.
            top_n_of(top_n(rank,3,des),0,asc)  =>  SORTED_LIST {}
        "#]],
    );
}

#[test]
fn the_first_operand_with_a_value_is_viewed() {
    check(
        &[
            "view_as_seq(none,unknown,m,n)",
            "view_as_seq(none,empty_p)",
            "view_as_seq(unknown,none)",
            "view_as_seq(avg(m),n)",
        ],
        expect![[r#"
            view_as_seq(none,unknown,m,n)  =>  TIME_SERIES_VALUES {} t0=1 t1=2 t2=null t3=4
            view_as_seq(none,empty_p)  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
            view_as_seq(unknown,none)  =>  UNKNOWN error: Metric: [unknown] does not exist.
            view_as_seq(avg(m),n)  =>  SINGLE_VALUE {} -=2.333
        "#]],
    );
}

#[test]
fn presence_is_any_value_of_any_operand() {
    check(
        &["is_present(none,unknown,m)", "is_present(none,unknown,empty_p,broken)", "is_present(count(none))"],
        expect![[r#"
            is_present(none,unknown,m)  =>  SINGLE_VALUE {} -=1
            is_present(none,unknown,empty_p,broken)  =>  SINGLE_VALUE {} -=0
            is_present(count(none))  =>  SINGLE_VALUE {} -=1
        "#]],
    );
}

#[test]
fn a_baseline_is_what_the_days_before_make_us_expect() {
    // The same five buckets every day: around the first are 1 and 2 and nothing, around the last 2 and 4.
    check(
        &[
            "baseline(none,upper)",
            "baseline(m,value)",
            "m > baseline(m,upper)",
            "baseline(p{p='99'},lower)",
            "baseline(unknown,value)",
            "baseline(slow,value)",
        ],
        expect![[r#"
            baseline(none,upper)  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
            baseline(m,value)  =>  TIME_SERIES_VALUES {} t0=1.5 t1=2.333 t2=2.333 t3=3
            m > baseline(m,upper)  =>  TIME_SERIES_VALUES {} t0=0 t1=0 t2=null t3=0
            baseline(p{p='99'},lower)  =>  TIME_SERIES_VALUES {p=99} t0=50 t1=20 t2=20 t3=80
            baseline(unknown,value)  =>  UNKNOWN error: Metric: [unknown] does not exist.
            baseline(slow,value)  =>  UNKNOWN error: Metric: [slow] is topN record, need top_n function for query.
        "#]],
    );
}

#[test]
fn a_baseline_wants_three_days() {
    let days = |n: u32| {
        move |need: &crate::Need| {
            let day = need.frame().back_minutes / 1440;
            let value = (day <= n).then(|| f64::from(day) * 10.0);
            super::fixture::series(false, 0, &[(&[], &[value])])
        }
    };
    let value = |text: &str, n| super::fixture::outcome(text, days(n)).results[0].values[0].value;
    assert_eq!(value("baseline(x,value)", 2), None);
    assert_eq!(value("baseline(x,value)", 3), Some(20.0));
    let deviation = (200.0_f64 / 3.0).sqrt();
    assert_eq!(value("baseline(x,upper)", 3), Some(20.0 + 3.0 * deviation));
    assert_eq!(value("baseline(x,lower)", 3), Some(20.0 - 3.0 * deviation));
}
