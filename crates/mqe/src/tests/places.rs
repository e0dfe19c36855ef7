//! Where things stand in a text, and the words that only we have.

use expect_test::{Expect, expect};

use super::fixture::within;
use crate::{Expr, parse};

/// The expression as it is printed, or the error.
#[expect(clippy::needless_pass_by_value, reason = "reads as expect_test's own examples do")]
fn check(texts: &[&str], expected: Expect) {
    let read = |text: &str| parse(text).map_or_else(|error| error.to_string(), |expr| expr.to_string());
    let lines: Vec<String> = texts.iter().map(|text| format!("{text}  =>  {}\n", read(text))).collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn an_error_has_its_bytes_and_what_was_expected() {
    for (text, bytes, place, expected) in [
        ("avg(ü)", 4..6, (1, 4), None),
        ("a{p='ü'} +\n  )", 14..15, (2, 2), Some("a metric, a number or a function")),
        ("avg(a", 5..5, (1, 5), Some("')'")),
        ("round(a, 1.25)", 9..13, (1, 9), Some("a whole number")),
        ("a 'open", 2..3, (1, 2), None),
        ("offset(a, 1y)", 10..12, (1, 10), Some("a length of time like 5m, 1h, 1d or 1w")),
        ("a + 1e999", 4..9, (1, 4), None),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.start..error.end, (error.line, error.column)), (bytes, place), "{text}: {error}");
        assert_eq!(error.expected.as_deref(), expected, "{text}");
    }
}

#[test]
fn a_part_knows_where_it_stands() {
    let text = " avg( ( m ) ) > -top_n(n,1,des) ";
    let expr = parse(text).unwrap();
    let parts: Vec<&str> = expr.parts().into_iter().map(|part| within(text, part.place)).collect();
    assert_eq!(parts, ["avg( ( m ) ) > -top_n(n,1,des)", "avg( ( m ) )", "( m )", "-top_n(n,1,des)", "top_n(n,1,des)"]);
}

#[test]
fn equal_expressions_are_one_wherever_they_stand() {
    use std::collections::HashSet;
    let texts = ["avg(m)>1", " avg( m ) > 1.0", "(avg(m)) > bool 1e0", "avg(m)>2", "avg(n)>1", "avg(m{p='1'})>1"];
    let distinct: HashSet<Expr> = texts.iter().map(|text| parse(text).unwrap()).collect();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn our_functions_are_read_and_their_names_stay_free_for_metrics_and_labels() {
    check(
        &[
            "not(a>1)",
            "absent(a)",
            "for_each_label(a>1)",
            "offset(a+b, 1d)",
            "offset(offset(a,7d),60m)",
            "change_pct(avg(a), 1w)",
            "over(a, 90m)",
            "over(avg(a), 32d)",
            "quantile(a, 0.95)",
            "quantile(a, 1)",
            "stddev(a)",
            "zscore(a)",
            "burn_rate(a+b, c, 99.9, 1h)",
            "ewma(a, 0.3)",
            "not + absent * offset",
            "a{quantile='0.99',not='x'} > over",
            "aggregate_labels(a,sum(quantile,offset))",
            "Not(a)",
        ],
        expect![[r#"
            not(a>1)  =>  not(a>1)
            absent(a)  =>  absent(a)
            for_each_label(a>1)  =>  for_each_label(a>1)
            offset(a+b, 1d)  =>  offset(a+b,1d)
            offset(offset(a,7d),60m)  =>  offset(offset(a,1w),1h)
            change_pct(avg(a), 1w)  =>  change_pct(avg(a),1w)
            over(a, 90m)  =>  over(a,90m)
            over(avg(a), 32d)  =>  over(avg(a),32d)
            quantile(a, 0.95)  =>  quantile(a,0.95)
            quantile(a, 1)  =>  quantile(a,1)
            stddev(a)  =>  stddev(a)
            zscore(a)  =>  zscore(a)
            burn_rate(a+b, c, 99.9, 1h)  =>  burn_rate(a+b,c,99.9,1h)
            ewma(a, 0.3)  =>  ewma(a,0.3)
            not + absent * offset  =>  not+absent*offset
            a{quantile='0.99',not='x'} > over  =>  a{quantile='0.99',not='x'}>over
            aggregate_labels(a,sum(quantile,offset))  =>  aggregate_labels(a,sum(quantile,offset))
            Not(a)  =>  Not
        "#]],
    );
}

#[test]
fn an_error_in_a_call_of_ours_says_what_belongs_there() {
    check(
        &[
            "not a",
            "offset(a)",
            "offset(a,0m)",
            "offset(a,1)",
            "offset(a,1M)",
            "offset(a,401d)",
            "offset(a,99999999999w)",
            "over(a,121m)",
            "over(a,33d)",
            "quantile(a,1.1)",
            "quantile(a)",
            "ewma(a,0)",
            "burn_rate(a,b,100,1h)",
            "burn_rate(a,b,0,1h)",
            "burn_rate(a,99,1h)",
            "stddev(a,1)",
        ],
        expect![[r#"
            not a  =>  not
            offset(a)  =>  line 1:8 expected ',', found ')'
            offset(a,0m)  =>  line 1:9 expected a length of time like 5m, 1h, 1d or 1w, found '0m'
            offset(a,1)  =>  line 1:9 expected a length of time like 5m, 1h, 1d or 1w, found '1'
            offset(a,1M)  =>  line 1:9 expected a length of time like 5m, 1h, 1d or 1w, found '1M'
            offset(a,401d)  =>  line 1:9 expected a length of time like 5m, 1h, 1d or 1w, found '401d'
            offset(a,99999999999w)  =>  line 1:9 expected a length of time like 5m, 1h, 1d or 1w, found '99999999999w'
            over(a,121m)  =>  line 1:7 expected a length of time of up to 2h, or of whole hours up to 32d, found '121m'
            over(a,33d)  =>  line 1:7 expected a length of time of up to 2h, or of whole hours up to 32d, found '33d'
            quantile(a,1.1)  =>  line 1:11 expected a number from 0 to 1, found '1.1'
            quantile(a)  =>  line 1:10 expected ',', found ')'
            ewma(a,0)  =>  line 1:7 expected a number above 0 and up to 1, found '0'
            burn_rate(a,b,100,1h)  =>  line 1:14 expected percent above 0 and below 100, found '100'
            burn_rate(a,b,0,1h)  =>  line 1:14 expected percent above 0 and below 100, found '0'
            burn_rate(a,99,1h)  =>  line 1:15 expected percent above 0 and below 100, found '1h'
            stddev(a,1)  =>  line 1:8 expected ')', found ','
        "#]],
    );
}
