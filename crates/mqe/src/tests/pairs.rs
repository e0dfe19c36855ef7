//! Two operands: every rule by which they meet.

use expect_test::expect;

use super::fixture::check;

#[test]
fn arithmetic_is_that_of_doubles() {
    check(
        &["7+2", "7-9", "7*2", "7/2", "7%4", "-7%4", "1/0", "-1/0", "0/0", "5%0"],
        expect![[r#"
        7+2  =>  SINGLE_VALUE {} -=9
        7-9  =>  SINGLE_VALUE {} -=-2
        7*2  =>  SINGLE_VALUE {} -=14
        7/2  =>  SINGLE_VALUE {} -=3.5
        7%4  =>  SINGLE_VALUE {} -=3
        -7%4  =>  SINGLE_VALUE {} -=-3
        1/0  =>  SINGLE_VALUE {} -=∞
        -1/0  =>  SINGLE_VALUE {} -=-∞
        0/0  =>  SINGLE_VALUE {} -=NaN
        5%0  =>  SINGLE_VALUE {} -=NaN
    "#]],
    );
}

#[test]
fn comparisons_are_1_or_0() {
    check(
        &["m > 2", "m >= 2", "m < bool 2", "m <= 2", "m == 2", "m != 2", "0/0 == 0/0"],
        expect![[r#"
        m > 2  =>  TIME_SERIES_VALUES {} t0=0 t1=0 t2=null t3=1
        m >= 2  =>  TIME_SERIES_VALUES {} t0=0 t1=1 t2=null t3=1
        m < bool 2  =>  TIME_SERIES_VALUES {} t0=1 t1=0 t2=null t3=0
        m <= 2  =>  TIME_SERIES_VALUES {} t0=1 t1=1 t2=null t3=0
        m == 2  =>  TIME_SERIES_VALUES {} t0=0 t1=1 t2=null t3=0
        m != 2  =>  TIME_SERIES_VALUES {} t0=1 t1=0 t2=null t3=1
        0/0 == 0/0  =>  SINGLE_VALUE {} -=0
    "#]],
    );
}

#[test]
fn a_single_with_a_single_has_no_id() {
    check(
        &["max(m) + 1", "max(none) + 1", "avg(m) > 1"],
        expect![[r#"
        max(m) + 1  =>  SINGLE_VALUE {} -=5
        max(none) + 1  =>  SINGLE_VALUE {} -=null
        avg(m) > 1  =>  SINGLE_VALUE {} -=1
    "#]],
    );
}

#[test]
fn a_single_meets_each_of_many() {
    check(
        &[
            "m + 10",
            "10 - m",
            "p / 10",
            "latest(p) - 1",
            "1 - latest(p)",
            "10 * top_n(rank,3,des)",
            "top_n(slow,3,des) > 500",
        ],
        expect![[r#"
            m + 10  =>  TIME_SERIES_VALUES {} t0=11 t1=12 t2=null t3=14
            10 - m  =>  TIME_SERIES_VALUES {} t0=9 t1=8 t2=null t3=6
            p / 10  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=10
                {p=50} t0=0.5 t1=0.6 t2=null t3=0.8
                {p=99} t0=5 t1=null t2=null t3=8
            latest(p) - 1  =>  SINGLE_VALUE
                {p=100} t3=99
                {p=50} t3=7
                {p=99} t3=79
            1 - latest(p)  =>  SINGLE_VALUE
                {p=100} t3=-99
                {p=50} t3=-7
                {p=99} t3=-79
            10 * top_n(rank,3,des)  =>  SORTED_LIST {} a=300@a b=200@b c=100@c
            top_n(slow,3,des) > 500  =>  RECORD_LIST {} select 1=1#t.1 select 2=0#
        "#]],
    );
}

#[test]
fn an_empty_single_makes_everything_empty() {
    // SkyWalking counts it as 0 here.
    check(
        &["m > avg(none)", "avg(none) < m"],
        expect![[r#"
        m > avg(none)  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
        avg(none) < m  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
    "#]],
    );
}

#[test]
fn series_meet_bucket_by_bucket() {
    check(
        &["m + n", "n / m", "m > none", "m + short"],
        expect![[r#"
        m + n  =>  TIME_SERIES_VALUES {} t0=11 t1=2 t2=null t3=-36
        n / m  =>  TIME_SERIES_VALUES {} t0=10 t1=0 t2=null t3=-10
        m > none  =>  TIME_SERIES_VALUES {} t0=null t1=null t2=null t3=null
        m + short  =>  UNKNOWN error: Unsupported binary operation: Series No Labeled, left and right series value size not equal.
    "#]],
    );
}

#[test]
fn a_labelled_series_keeps_its_labels_on_either_side() {
    check(
        &["p - m", "m - p", "p - short", "empty_p + m"],
        expect![[r#"
        p - m  =>  TIME_SERIES_VALUES
            {p=100} t0=null t1=null t2=null t3=96
            {p=50} t0=4 t1=4 t2=null t3=4
            {p=99} t0=49 t1=null t2=null t3=76
        m - p  =>  TIME_SERIES_VALUES
            {p=100} t0=null t1=null t2=null t3=-96
            {p=50} t0=-4 t1=-4 t2=null t3=-4
            {p=99} t0=-49 t1=null t2=null t3=-76
        p - short  =>  UNKNOWN error: Unsupported binary operation: Series Labeled with No Labeled, left and right series value size not equal.
        empty_p + m  =>  TIME_SERIES_VALUES
    "#]],
    );
}

#[test]
fn labelled_operands_meet_where_label_sets_are_equal() {
    check(
        &["p - p{p='50'}", "p{p='50'} + p", "max(p) - min(p)", "max(p) - max(p{p='99'})"],
        expect![[r#"
        p - p{p='50'}  =>  TIME_SERIES_VALUES
            {p=100} t0=null t1=null t2=null t3=null
            {p=50} t0=0 t1=0 t2=null t3=0
            {p=99} t0=null t1=null t2=null t3=null
        p{p='50'} + p  =>  TIME_SERIES_VALUES {p=50} t0=10 t1=12 t2=null t3=16
        max(p) - min(p)  =>  SINGLE_VALUE
            {p=100} t3=0
            {p=50} t3=3
            {p=99} t3=30
        max(p) - max(p{p='99'})  =>  SINGLE_VALUE
            {p=100} t3=null
            {p=50} t3=null
            {p=99} t3=0
    "#]],
    );
    // The value of an unmatched row does not survive as it does in SkyWalking, where this alarm fires on its left side alone.
    check(
        &["(avg(p{p='99'}) > 1) && (avg(p{p='50'}) > 1)"],
        expect![[r#"
        (avg(p{p='99'}) > 1) && (avg(p{p='50'}) > 1)  =>  SINGLE_VALUE {p=99} -=null
    "#]],
    );
}

#[test]
fn the_order_of_labels_does_not_matter_where_label_sets_meet() {
    // Left has (az, a), right (a, az).
    let left = "relabels(two,status='200,500',a='200,500')";
    let right = "aggregate_labels(relabels(two,status='200,500',a='200,500'),sum(a,az))";
    check(
        &[&format!("{left} - {right}")],
        expect![[r#"
        relabels(two,status='200,500',a='200,500') - aggregate_labels(relabels(two,status='200,500',a='200,500'),sum(a,az))  =>  TIME_SERIES_VALUES
            {az=x,a=200} t0=0 t1=0 t2=0 t3=0
            {az=y,a=200} t0=0 t1=null t2=null t3=null
            {az=x,a=500} t0=0 t1=null t2=0 t3=null
    "#]],
    );
}

#[test]
fn lists_meet_only_singles() {
    check(
        &["top_n(rank,3,des) + m", "top_n(rank,3,des) > top_n(rank,3,des)"],
        expect![[r#"
        top_n(rank,3,des) + m  =>  UNKNOWN error: Unsupported binary operation: Unsupported operation.
        top_n(rank,3,des) > top_n(rank,3,des)  =>  UNKNOWN error: Unsupported compare operation: Unsupported operation.
    "#]],
    );
}

#[test]
fn a_single_that_is_missing_is_an_error() {
    check(
        &["avg(empty_p) + 1", "m + avg(nameless)", "avg(nameless) + m", "1 + avg(nameless)", "avg(nameless) > 1"],
        expect![[r#"
            avg(empty_p) + 1  =>  SINGLE_VALUE
            m + avg(nameless)  =>  UNKNOWN error: Unsupported binary operation: Many to One, single result is empty or has more than one value.
            avg(nameless) + m  =>  UNKNOWN error: Unsupported binary operation: One to Many, single result is empty or has more than one value.
            1 + avg(nameless)  =>  UNKNOWN error: Unsupported binary operation: Single to Single, right result is empty or has more than one value.
            avg(nameless) > 1  =>  UNKNOWN error: Unsupported compare operation: Single to Single, left result is empty or has more than one value.
        "#]],
    );
}

#[test]
fn truth_is_combined_only_with_truth() {
    check(
        &[
            "m > 1 && n > 0",
            "m > 1 || n > 0",
            "(m > 1) && ((n > 0))",
            "m && n > 0",
            "m > 1 && n",
            "m > 1 && abs(n > 0)",
            "(m > 1) * 1 && n > 0",
            "sum(m > 1 && n > 0) >= 1",
            "avg(m) > 1 && top_n(rank,1,des) > 1",
            "m > 1 && top_n(rank,1,des) > 1",
        ],
        expect![[r#"
            m > 1 && n > 0  =>  TIME_SERIES_VALUES {} t0=0 t1=0 t2=null t3=0
            m > 1 || n > 0  =>  TIME_SERIES_VALUES {} t0=1 t1=1 t2=null t3=1
            (m > 1) && ((n > 0))  =>  TIME_SERIES_VALUES {} t0=0 t1=0 t2=null t3=0
            m && n > 0  =>  UNKNOWN error: Bool Operation: The result of the left expression is not a compare result.
            m > 1 && n  =>  UNKNOWN error: Bool Operation: The result of the right expression is not a compare result.
            m > 1 && abs(n > 0)  =>  UNKNOWN error: Bool Operation: The result of the right expression is not a compare result.
            (m > 1) * 1 && n > 0  =>  UNKNOWN error: Bool Operation: The result of the left expression is not a compare result.
            sum(m > 1 && n > 0) >= 1  =>  SINGLE_VALUE {} -=0
            avg(m) > 1 && top_n(rank,1,des) > 1  =>  SORTED_LIST {} a=1@a b=1@b c=1@c
            m > 1 && top_n(rank,1,des) > 1  =>  UNKNOWN error: Unsupported bool operation: Unsupported operation.
        "#]],
    );
}

#[test]
fn truth_with_something_empty_is_empty() {
    check(
        &["1 == 1 || avg(none) > 1", "1 == 2 && avg(none) > 1"],
        expect![[r#"
        1 == 1 || avg(none) > 1  =>  SINGLE_VALUE {} -=null
        1 == 2 && avg(none) > 1  =>  SINGLE_VALUE {} -=null
    "#]],
    );
}

#[test]
fn the_first_error_from_the_left_is_told() {
    check(
        &["unknown1 + unknown2", "m && unknown2"],
        expect![[r#"
        unknown1 + unknown2  =>  UNKNOWN error: Metric: [unknown1] does not exist.
        m && unknown2  =>  UNKNOWN error: Metric: [unknown2] does not exist.
    "#]],
    );
}
