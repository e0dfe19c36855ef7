//! Selectors, and every function on label sets.

use expect_test::expect;

use super::fixture::check;

#[test]
fn a_selector_means_nothing_to_a_metric_without_labels() {
    check(
        &["m{p='50'}", "m{}"],
        expect![[r#"
        m{p='50'}  =>  TIME_SERIES_VALUES {} t0=1 t1=2 t2=null t3=4
        m{}  =>  TIME_SERIES_VALUES {} t0=1 t1=2 t2=null t3=4
    "#]],
    );
}

#[test]
fn label_sets_come_in_the_order_of_their_stored_form_with_labels_by_name() {
    check(
        &["p", "two"],
        expect![[r#"
        p  =>  TIME_SERIES_VALUES
            {p=100} t0=null t1=null t2=null t3=100
            {p=50} t0=5 t1=6 t2=null t3=8
            {p=99} t0=50 t1=null t2=null t3=80
        two  =>  TIME_SERIES_VALUES
            {az=x,status=200} t0=1 t1=2 t2=3 t3=4
            {az=y,status=200} t0=100 t1=null t2=null t3=null
            {az=x,status=500} t0=10 t1=null t2=30 t3=null
    "#]],
    );
}

#[test]
fn values_of_one_label_are_alternatives_and_labels_are_all_required() {
    check(
        &[
            "p{p='50,99'}",
            "p{p=' 99 ,, 50'}",
            "p{p='50',p='99'}",
            "two{status='200',az='x'}",
            "two{az='x'}",
            "p{p=' '}",
        ],
        expect![[r#"
            p{p='50,99'}  =>  TIME_SERIES_VALUES
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=99} t0=50 t1=null t2=null t3=80
            p{p=' 99 ,, 50'}  =>  TIME_SERIES_VALUES
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=99} t0=50 t1=null t2=null t3=80
            p{p='50',p='99'}  =>  TIME_SERIES_VALUES
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=99} t0=50 t1=null t2=null t3=80
            two{status='200',az='x'}  =>  TIME_SERIES_VALUES {az=x,status=200} t0=1 t1=2 t2=3 t3=4
            two{az='x'}  =>  TIME_SERIES_VALUES
                {az=x,status=200} t0=1 t1=2 t2=3 t3=4
                {az=x,status=500} t0=10 t1=null t2=30 t3=null
            p{p=' '}  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=100
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=99} t0=50 t1=null t2=null t3=80
        "#]],
    );
}

#[test]
fn a_label_of_which_no_value_is_there_selects_nothing() {
    check(
        &["p{p='51'}", "p{p='50,51'}", "p{q='50'}", "two{status='200',az='z'}", "empty_p"],
        expect![[r#"
        p{p='51'}  =>  TIME_SERIES_VALUES
        p{p='50,51'}  =>  TIME_SERIES_VALUES {p=50} t0=5 t1=6 t2=null t3=8
        p{q='50'}  =>  TIME_SERIES_VALUES
        two{status='200',az='z'}  =>  TIME_SERIES_VALUES
        empty_p  =>  TIME_SERIES_VALUES
    "#]],
    );
}

#[test]
fn labels_are_renamed_pair_by_pair() {
    check(
        &[
            "relabels(p{p='50,99'},p='50,99',percentile='P50,P99')",
            "relabels(p,p='99',p='P99')",
            "relabels(two,status='200',code='ok')",
            "relabels(p,q='50',q='P50')",
            "relabels(p,p='',p='P50')",
        ],
        expect![[r#"
            relabels(p{p='50,99'},p='50,99',percentile='P50,P99')  =>  TIME_SERIES_VALUES
                {percentile=P50} t0=5 t1=6 t2=null t3=8
                {percentile=P99} t0=50 t1=null t2=null t3=80
            relabels(p,p='99',p='P99')  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=100
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=P99} t0=50 t1=null t2=null t3=80
            relabels(two,status='200',code='ok')  =>  TIME_SERIES_VALUES
                {az=x,code=ok} t0=1 t1=2 t2=3 t3=4
                {az=y,code=ok} t0=100 t1=null t2=null t3=null
                {az=x,status=500} t0=10 t1=null t2=30 t3=null
            relabels(p,q='50',q='P50')  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=100
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=99} t0=50 t1=null t2=null t3=80
            relabels(p,p='',p='P50')  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=100
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=99} t0=50 t1=null t2=null t3=80
        "#]],
    );
    // Not trimmed: ' 99' is no value here.
    check(
        &["relabels(p{p='50,99'},p='50, 99',p='a,b')"],
        expect![[r#"
        relabels(p{p='50,99'},p='50, 99',p='a,b')  =>  TIME_SERIES_VALUES
            {p=a} t0=5 t1=6 t2=null t3=8
            {p=99} t0=50 t1=null t2=null t3=80
    "#]],
    );
}

#[test]
fn of_a_value_named_twice_the_last_counts_and_empty_values_at_the_end_do_not() {
    check(
        &["relabels(p{p='50'},p='50,50',p='a,b')", "relabels(p{p='50'},p='50,,',p='a,')"],
        expect![[r#"
        relabels(p{p='50'},p='50,50',p='a,b')  =>  TIME_SERIES_VALUES {p=b} t0=5 t1=6 t2=null t3=8
        relabels(p{p='50'},p='50,,',p='a,')  =>  TIME_SERIES_VALUES {p=a} t0=5 t1=6 t2=null t3=8
    "#]],
    );
}

#[test]
fn relabelling_wants_labels_and_as_many_new_values_as_old_ones() {
    check(
        &[
            "relabels(m,p='50',p='P50')",
            "relabels(m + 1,p='50',p='P50')",
            "relabels(p,p='50,99',p='P50')",
            "relabels(unknown,p='50',p='P50')",
        ],
        expect![[r#"
            relabels(m,p='50',p='P50')  =>  UNKNOWN error: The result of expression [m] is not a labeled result.
            relabels(m + 1,p='50',p='P50')  =>  UNKNOWN error: The result of expression [m+1] is not a labeled result.
            relabels(p,p='50,99',p='P50')  =>  UNKNOWN error: Target label [p]: the number of relabel values is not equal to the number of replace label.
            relabels(unknown,p='50',p='P50')  =>  UNKNOWN error: Metric: [unknown] does not exist.
        "#]],
    );
}

#[test]
fn label_sets_are_aggregated_bucket_by_bucket() {
    check(
        &[
            "aggregate_labels(p,sum)",
            "aggregate_labels(p,avg)",
            "aggregate_labels(p,max)",
            "aggregate_labels(p,min)",
            "aggregate_labels(two,sum(status))",
            "aggregate_labels(two,max(az,status))",
            "aggregate_labels(two,sum(nothing))",
            "aggregate_labels(latest(p),sum)",
            "aggregate_labels(empty_p,sum)",
            "aggregate_labels(m,sum)",
        ],
        expect![[r#"
            aggregate_labels(p,sum)  =>  TIME_SERIES_VALUES {} t0=55 t1=6 t2=null t3=188
            aggregate_labels(p,avg)  =>  TIME_SERIES_VALUES {} t0=27.5 t1=6 t2=null t3=62.667
            aggregate_labels(p,max)  =>  TIME_SERIES_VALUES {} t0=50 t1=6 t2=null t3=100
            aggregate_labels(p,min)  =>  TIME_SERIES_VALUES {} t0=5 t1=6 t2=null t3=8
            aggregate_labels(two,sum(status))  =>  TIME_SERIES_VALUES
                {status=200} t0=101 t1=2 t2=3 t3=4
                {status=500} t0=10 t1=null t2=30 t3=null
            aggregate_labels(two,max(az,status))  =>  TIME_SERIES_VALUES
                {az=x,status=200} t0=1 t1=2 t2=3 t3=4
                {az=y,status=200} t0=100 t1=null t2=null t3=null
                {az=x,status=500} t0=10 t1=null t2=30 t3=null
            aggregate_labels(two,sum(nothing))  =>  TIME_SERIES_VALUES {} t0=111 t1=2 t2=33 t3=4
            aggregate_labels(latest(p),sum)  =>  SINGLE_VALUE {} t3=188
            aggregate_labels(empty_p,sum)  =>  TIME_SERIES_VALUES
            aggregate_labels(m,sum)  =>  UNKNOWN error: The result of expression [m] is not a labeled result.
        "#]],
    );
}

#[test]
fn an_aggregate_without_labels_meets_others_as_one_without_labels() {
    check(
        &["aggregate_labels(p,sum) - m", "aggregate_labels(aggregate_labels(p,sum),sum)"],
        expect![[r#"
        aggregate_labels(p,sum) - m  =>  TIME_SERIES_VALUES {} t0=54 t1=4 t2=null t3=184
        aggregate_labels(aggregate_labels(p,sum),sum)  =>  UNKNOWN error: The result of expression [aggregate_labels(p,sum)] is not a labeled result.
    "#]],
    );
}

#[test]
fn rows_are_sorted_by_what_the_aggregation_makes_of_them() {
    check(
        &[
            "sort_values(p,2,des,sum)",
            "sort_values(p,9,asc,max)",
            "sort_values(p,1,des,count)",
            "sort_values(two,1,des,latest)",
            "sort_values(p,0,asc,avg)",
            "sort_values(m,1,des,avg)",
            "sort_values(latest(p),2,asc,avg)",
            "sort_values(unknown,2,asc,avg)",
        ],
        expect![[r#"
            sort_values(p,2,des,sum)  =>  TIME_SERIES_VALUES
                {p=99} t0=50 t1=null t2=null t3=80
                {p=100} t0=null t1=null t2=null t3=100
            sort_values(p,9,asc,max)  =>  TIME_SERIES_VALUES
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=99} t0=50 t1=null t2=null t3=80
                {p=100} t0=null t1=null t2=null t3=100
            sort_values(p,1,des,count)  =>  TIME_SERIES_VALUES {p=50} t0=5 t1=6 t2=null t3=8
            sort_values(two,1,des,latest)  =>  TIME_SERIES_VALUES {az=y,status=200} t0=100 t1=null t2=null t3=null
            sort_values(p,0,asc,avg)  =>  TIME_SERIES_VALUES
            sort_values(m,1,des,avg)  =>  TIME_SERIES_VALUES {} t0=1 t1=2 t2=null t3=4
            sort_values(latest(p),2,asc,avg)  =>  TIME_SERIES_VALUES
                {p=50} t3=8
                {p=99} t3=80
            sort_values(unknown,2,asc,avg)  =>  UNKNOWN error: Metric: [unknown] does not exist.
        "#]],
    );
}

#[test]
fn rows_are_sorted_by_label_values_as_text() {
    check(
        &[
            "sort_label_values(p,asc,p)",
            "sort_label_values(p,des,p)",
            "sort_label_values(two,des,az,status)",
            "sort_label_values(two,asc,status,az)",
            "sort_label_values(two,asc,nothing)",
        ],
        expect![[r#"
            sort_label_values(p,asc,p)  =>  TIME_SERIES_VALUES
                {p=100} t0=null t1=null t2=null t3=100
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=99} t0=50 t1=null t2=null t3=80
            sort_label_values(p,des,p)  =>  TIME_SERIES_VALUES
                {p=99} t0=50 t1=null t2=null t3=80
                {p=50} t0=5 t1=6 t2=null t3=8
                {p=100} t0=null t1=null t2=null t3=100
            sort_label_values(two,des,az,status)  =>  TIME_SERIES_VALUES
                {az=y,status=200} t0=100 t1=null t2=null t3=null
                {az=x,status=500} t0=10 t1=null t2=30 t3=null
                {az=x,status=200} t0=1 t1=2 t2=3 t3=4
            sort_label_values(two,asc,status,az)  =>  TIME_SERIES_VALUES
                {az=x,status=200} t0=1 t1=2 t2=3 t3=4
                {az=y,status=200} t0=100 t1=null t2=null t3=null
                {az=x,status=500} t0=10 t1=null t2=30 t3=null
            sort_label_values(two,asc,nothing)  =>  TIME_SERIES_VALUES
                {az=x,status=200} t0=1 t1=2 t2=3 t3=4
                {az=y,status=200} t0=100 t1=null t2=null t3=null
                {az=x,status=500} t0=10 t1=null t2=30 t3=null
        "#]],
    );
}
