//! The grammar: what is accepted, how it is read, what an error says.

use expect_test::{Expect, expect};

use crate::ast::{Expr, Op};
use crate::{Loaded, MAX_DEPTH, MAX_LENGTH, MAX_NEEDS, MAX_STEPS, MAX_TERMS, Need, evaluate, parse, parse_whole};

/// The expression with all its parentheses, or the error.
fn read(text: &str) -> String {
    match parse(text) {
        Ok(expr) => shape(&expr),
        Err(error) => error.to_string(),
    }
}

fn shape(expr: &Expr) -> String {
    match (&expr.op, expr.args.as_slice()) {
        (Op::Binary(operator), [left, right]) => format!("({} {operator} {})", shape(left), shape(right)),
        (Op::Negate, [of]) => format!("(-{})", shape(of)),
        _ => expr.to_string(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads as expect_test's own examples do")]
fn check(texts: &[&str], expected: Expect) {
    let shown =
        |text: &str| text.replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r").replace('\u{7}', "\\u{7}");
    let lines: Vec<String> = texts.iter().map(|text| format!("{}  =>  {}\n", shown(text), read(text))).collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn operators_bind_by_precedence_and_from_the_left() {
    check(
        &[
            "a+b*c",
            "(a+b)*c",
            "a-b-c",
            "a/b*c%d",
            "a-(b-c)",
            "a+b>c*d",
            "a>b==c",
            "a>1||b>1&&c>1",
            "a>1&&b>1||c>1",
            "a>1 && (b>1 || c>1)",
            "-a*b",
            "-(a*b)",
            "a--1",
            "a - -b",
            "--a",
            "((((a))))",
        ],
        expect![[r#"
            a+b*c  =>  (a + (b * c))
            (a+b)*c  =>  ((a + b) * c)
            a-b-c  =>  ((a - b) - c)
            a/b*c%d  =>  (((a / b) * c) % d)
            a-(b-c)  =>  (a - (b - c))
            a+b>c*d  =>  ((a + b) > (c * d))
            a>b==c  =>  ((a > b) == c)
            a>1||b>1&&c>1  =>  (((a > 1) || (b > 1)) && (c > 1))
            a>1&&b>1||c>1  =>  (((a > 1) && (b > 1)) || (c > 1))
            a>1 && (b>1 || c>1)  =>  ((a > 1) && ((b > 1) || (c > 1)))
            -a*b  =>  ((-a) * b)
            -(a*b)  =>  (-(a * b))
            a--1  =>  (a - (-1))
            a - -b  =>  (a - (-b))
            --a  =>  (-(-a))
            ((((a))))  =>  a
        "#]],
    );
}

#[test]
fn every_function_is_read() {
    check(
        &[
            "avg(a)",
            "count(a)",
            "latest(a)",
            "max(a)",
            "min(a)",
            "sum(a)",
            "abs(a)",
            "ceil(a)",
            "floor(a)",
            "round(a, 2)",
            "increase(a, 2)",
            "rate(a{p='1'}, 2)",
            "top_n(a, 5, des)",
            "top_n(a{}, 5, Asc, attr0='x', attr5!=\"y\")",
            "top_n_of(top_n(a,1,asc), top_n(b,2,des,attr1='z'), 3, DES)",
            "view_as_seq(a, b+1, avg(c))",
            "is_present(a)",
            "relabels(a, p='50,75', q=\"x,y\")",
            "relabels(a, _='0', p='50')",
            "aggregate_labels(a, sum)",
            "aggregate_labels(a+b, avg(p, _))",
            "sort_values(a, 3, asc, max)",
            "sort_label_values(a, des, p, q)",
            "baseline(a, value)",
            "baseline(a{p='50'}, upper)",
            "baseline(a, lower)",
            "a > bool 1",
            "a == BOOL b",
        ],
        expect![[r#"
            avg(a)  =>  avg(a)
            count(a)  =>  count(a)
            latest(a)  =>  latest(a)
            max(a)  =>  max(a)
            min(a)  =>  min(a)
            sum(a)  =>  sum(a)
            abs(a)  =>  abs(a)
            ceil(a)  =>  ceil(a)
            floor(a)  =>  floor(a)
            round(a, 2)  =>  round(a,2)
            increase(a, 2)  =>  increase(a,2)
            rate(a{p='1'}, 2)  =>  rate(a{p='1'},2)
            top_n(a, 5, des)  =>  top_n(a,5,des)
            top_n(a{}, 5, Asc, attr0='x', attr5!="y")  =>  top_n(a,5,asc,attr0='x',attr5!='y')
            top_n_of(top_n(a,1,asc), top_n(b,2,des,attr1='z'), 3, DES)  =>  top_n_of(top_n(a,1,asc),top_n(b,2,des,attr1='z'),3,des)
            view_as_seq(a, b+1, avg(c))  =>  view_as_seq(a,b+1,avg(c))
            is_present(a)  =>  is_present(a)
            relabels(a, p='50,75', q="x,y")  =>  relabels(a,p='50,75',q='x,y')
            relabels(a, _='0', p='50')  =>  relabels(a,_='0',p='50')
            aggregate_labels(a, sum)  =>  aggregate_labels(a,sum)
            aggregate_labels(a+b, avg(p, _))  =>  aggregate_labels(a+b,avg(p,_))
            sort_values(a, 3, asc, max)  =>  sort_values(a,3,asc,max)
            sort_label_values(a, des, p, q)  =>  sort_label_values(a,des,p,q)
            baseline(a, value)  =>  baseline(a,value)
            baseline(a{p='50'}, upper)  =>  baseline(a{p='50'},upper)
            baseline(a, lower)  =>  baseline(a,lower)
            a > bool 1  =>  (a > 1)
            a == BOOL b  =>  (a == b)
        "#]],
    );
}

#[test]
fn names_texts_and_numbers_are_read() {
    check(
        &[
            "_a",
            "404_count",
            "meter_1h",
            "a{p='50,75',q=\"it's\"}",
            "a{p='say \"x\"'}",
            "a { p = 'ü' }",
            "\n\ta\r\n+ 1",
            "0",
            "007",
            "1.50",
            "1.5e3",
            "2E-3",
            "1e+2",
            "1.5 e3",
            "1.5e3x",
            "1e3x",
            "5.",
        ],
        expect![[r#"
            _a  =>  _a
            404_count  =>  404_count
            meter_1h  =>  meter_1h
            a{p='50,75',q="it's"}  =>  a{p='50,75',q="it's"}
            a{p='say "x"'}  =>  a{p='say "x"'}
            a { p = 'ü' }  =>  a{p='ü'}
            \n\ta\r\n+ 1  =>  (a + 1)
            0  =>  0
            007  =>  7
            1.50  =>  1.5
            1.5e3  =>  1500
            2E-3  =>  0.002
            1e+2  =>  100
            1.5 e3  =>  1.5
            1.5e3x  =>  1.5
            1e3x  =>  1e3x
            5.  =>  5
        "#]],
    );
}

#[test]
fn words_of_the_language_are_no_names() {
    check(
        &[
            "avg",
            "rate + 1",
            "a{value='x'}",
            "a{rate='x'}",
            "Asc",
            "attr0",
            "bool",
            "_",
            "aggregate_labels(a,sum(max))",
        ],
        expect![[r#"
            avg  =>  line 1:3 expected '(', found the end
            rate + 1  =>  line 1:5 expected '(', found '+'
            a{value='x'}  =>  line 1:2 expected a label name, found 'value'
            a{rate='x'}  =>  line 1:2 expected a label name, found 'rate'
            Asc  =>  line 1:0 expected a metric, a number or a function, found 'Asc'
            attr0  =>  line 1:0 expected a metric, a number or a function, found 'attr0'
            bool  =>  line 1:0 expected a metric, a number or a function, found 'bool'
            _  =>  line 1:0 expected a metric, found '_'
            aggregate_labels(a,sum(max))  =>  line 1:23 expected a label name, found 'max'
        "#]],
    );
    check(
        &["AVG", "Rate", "attr6", "valuE", "desc"],
        expect![[r#"
        AVG  =>  AVG
        Rate  =>  Rate
        attr6  =>  attr6
        valuE  =>  valuE
        desc  =>  desc
    "#]],
    );
}

#[test]
fn what_follows_an_expression_is_ignored_unless_it_is_foreign_to_the_language() {
    check(
        &[
            "avg(a)>1 and avg(b)>2",
            "relabel(a,p='1',p='2')",
            "a b c",
            "a)",
            "a{p='1'}{",
            "a ] .",
            "a ;",
            "a & b",
            "a 'open",
        ],
        expect![[r#"
            avg(a)>1 and avg(b)>2  =>  (avg(a) > 1)
            relabel(a,p='1',p='2')  =>  relabel
            a b c  =>  a
            a)  =>  a
            a{p='1'}{  =>  a{p='1'}
            a ] .  =>  a
            a ;  =>  line 1:2 ';' means nothing here
            a & b  =>  line 1:2 '&' means nothing here
            a 'open  =>  line 1:2 a text begins with ' and does not end
        "#]],
    );
    assert_eq!(parse_whole("a b").unwrap_err().to_string(), "line 1:2 expected the end, found 'b'");
    assert_eq!(parse_whole("a + b").unwrap().to_string(), "a+b");
}

#[test]
fn an_error_says_where_and_what() {
    check(
        &[
            "",
            " ",
            "a +",
            "(a",
            "a +\n  * b",
            "a && bool b",
            "a = b",
            "a ! b",
            "a + ü",
            "ü + ;",
            "a + \u{7}",
            "a{p=50}",
            "a{p='50'",
            "a{p='50',}",
            "a{,}",
            "a{p='50}",
        ],
        expect![[r#"
              =>  line 1:0 expected a metric, a number or a function, found the end
               =>  line 1:1 expected a metric, a number or a function, found the end
            a +  =>  line 1:3 expected a metric, a number or a function, found the end
            (a  =>  line 1:2 expected ')', found the end
            a +\n  * b  =>  line 2:2 expected a metric, a number or a function, found '*'
            a && bool b  =>  line 1:5 expected an operand, found 'bool'
            a = b  =>  a
            a ! b  =>  line 1:2 '!' means nothing here
            a + ü  =>  line 1:4 'ü' means nothing here
            ü + ;  =>  line 1:0 'ü' means nothing here
            a + \u{7}  =>  line 1:4 the character '\u{7}' means nothing here
            a{p=50}  =>  line 1:4 expected a text in quotes, found '50'
            a{p='50'  =>  line 1:8 expected ',', found the end
            a{p='50',}  =>  line 1:9 expected a label name, found '}'
            a{,}  =>  line 1:2 expected a label name, found ','
            a{p='50}  =>  line 1:4 a text begins with ' and does not end
        "#]],
    );
}

#[test]
fn an_error_in_a_call_says_what_belongs_there() {
    check(
        &[
            "avg a",
            "avg(a",
            "avg()",
            "round(a)",
            "round(a,1.5)",
            "increase(a+b,1)",
            "increase(a,4294967296)",
            "increase(a,2147483648)",
            "rate(1,1)",
            "view_as_seq([a,b])",
            "view_as_seq()",
            "relabels(a,p='1')",
            "aggregate_labels(a,count)",
            "aggregate_labels(a,sum())",
            "sort_values(a,2,des)",
            "sort_label_values(a,des,'p')",
            "baseline(a,middle)",
        ],
        expect![[r#"
            avg a  =>  line 1:4 expected '(', found 'a'
            avg(a  =>  line 1:5 expected ')', found the end
            avg()  =>  line 1:4 expected a metric, a number or a function, found ')'
            round(a)  =>  line 1:7 expected ',', found ')'
            round(a,1.5)  =>  line 1:8 expected a whole number, found '1.5'
            increase(a+b,1)  =>  line 1:10 expected ',', found '+'
            increase(a,4294967296)  =>  line 1:11 the number 4294967296 is too large
            increase(a,2147483648)  =>  line 1:11 the number 2147483648 is too large
            rate(1,1)  =>  line 1:5 expected a metric, found '1'
            view_as_seq([a,b])  =>  line 1:12 expected a metric, a number or a function, found '['
            view_as_seq()  =>  line 1:12 expected a metric, a number or a function, found ')'
            relabels(a,p='1')  =>  line 1:16 expected ',', found ')'
            aggregate_labels(a,count)  =>  line 1:19 expected avg, sum, max or min, found 'count'
            aggregate_labels(a,sum())  =>  line 1:23 expected a label name, found ')'
            sort_values(a,2,des)  =>  line 1:19 expected ',', found ')'
            sort_label_values(a,des,'p')  =>  line 1:24 expected a label name, found the text 'p'
            baseline(a,middle)  =>  line 1:11 expected value, upper or lower, found 'middle'
        "#]],
    );
    check(
        &[
            "top_n(a,5,desc)",
            "top_n(a,5)",
            "top_n(a+1,5,des)",
            "top_n(a,5,des,attr6='x')",
            "top_n(a,5,des,attr0>'x')",
            "top_n_of(3,des)",
            "top_n_of(top_n(a,1,asc),asc)",
        ],
        expect![[r#"
            top_n(a,5,desc)  =>  line 1:10 expected asc or des, found 'desc'
            top_n(a,5)  =>  line 1:9 expected ',', found ')'
            top_n(a+1,5,des)  =>  line 1:7 expected ',', found '+'
            top_n(a,5,des,attr6='x')  =>  line 1:14 expected attr0 to attr5, found 'attr6'
            top_n(a,5,des,attr0>'x')  =>  line 1:19 expected '=' or '!=', found '>'
            top_n_of(3,des)  =>  line 1:9 expected top_n, found '3'
            top_n_of(top_n(a,1,asc),asc)  =>  line 1:24 expected a whole number, found 'asc'
        "#]],
    );
}

#[test]
fn numbers_are_finite() {
    let huge = "9".repeat(400);
    assert!(parse(&huge).unwrap_err().message.ends_with("is too large"));
    assert!(parse("1e999").unwrap_err().message.ends_with("is too large"));
}

#[test]
fn limits_are_kept_and_said() {
    let deep = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    parse(&deep(MAX_DEPTH - 1)).unwrap();
    assert_eq!(parse(&deep(MAX_DEPTH)).unwrap_err().message, "nested deeper than 128");

    let chain = |n: usize| vec!["a"; n].join("+");
    parse(&chain(MAX_DEPTH)).unwrap();
    assert_eq!(parse(&chain(MAX_DEPTH + 1)).unwrap_err().message, "nested deeper than 128");
    assert_eq!(parse(&format!("{}a", "-".repeat(MAX_LENGTH - 1))).unwrap_err().message, "nested deeper than 128");

    let wide = |n: usize| format!("is_present({})", vec!["a"; n].join(","));
    parse(&wide(MAX_TERMS - 1)).unwrap();
    assert_eq!(parse(&wide(MAX_TERMS)).unwrap_err().message, "more than 1000 operands and operators");

    let many = |n: usize| format!("is_present({})", (0..n).map(|i| format!("m{i}")).collect::<Vec<_>>().join(","));
    assert_eq!(parse(&many(MAX_NEEDS)).unwrap().needs().len(), MAX_NEEDS);
    assert_eq!(
        parse(&many(MAX_NEEDS + 1)).unwrap_err().message,
        "an expression reads at most 100 metrics, this reads 101"
    );

    // With another span each time nothing is computed twice, but each level needs its operand at two times.
    let nested = |n: usize| {
        let spans = (1..=n).map(|n| format!(",{}h)", 1 << n));
        format!("{}a{}", "change_pct(".repeat(n), spans.collect::<String>())
    };
    parse(&nested(6)).unwrap();
    assert_eq!(parse(&nested(12)).unwrap_err().message, format!("an expression has at most {MAX_STEPS} steps"));

    parse(&" ".repeat(MAX_LENGTH)).unwrap_err();
    let message = parse(&format!("a{}", " ".repeat(MAX_LENGTH))).unwrap_err().message;
    assert_eq!(message, "an expression has at most 16384 bytes, this has 16385");
}

#[test]
fn the_deepest_expression_needs_little_stack() {
    let chain = vec!["a>1"; MAX_DEPTH - 1].join("&&");
    let calls = format!("{}a{}", "abs(".repeat(MAX_DEPTH - 1), ")".repeat(MAX_DEPTH - 1));
    let signs = format!("{}a", "-".repeat(MAX_DEPTH - 1));
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let work = move || {
        for text in [chain, calls, signs] {
            let expr = parse(&text).unwrap();
            assert_eq!(expr.to_string(), text);
            let loaded: Vec<Loaded> = expr.needs().iter().map(|_| Loaded::UnknownMetric).collect();
            assert_eq!(evaluate(&expr, &loaded, 60).error.as_deref(), Some("Metric: [a] does not exist."));
        }
    };
    small.spawn(work).unwrap().join().unwrap();
}

#[test]
fn each_thing_to_read_is_named_once_in_the_order_of_the_text() {
    let need = |need: &Need| {
        let (what, before) = match need {
            Need::Series { metric, before, .. } => (metric.to_string(), *before),
            Need::TopN { top_n, .. } => (top_n.to_string(), 0),
        };
        let frame = need.frame();
        let window = frame.window.map_or("duration".to_owned(), |window| window.to_string());
        format!("{what} {window} before={before} back={}", frame.back_minutes)
    };
    let needs = |text: &str| -> Vec<String> {
        let needs = parse(text).unwrap().needs();
        needs.iter().map(need).collect()
    };
    let text =
        "m > avg(m) + increase(m,2) + rate(m,2) + m{p='1'} + offset(m+over(n,3h),1h) + over(offset(m,1d)+avg(m),5m)";
    expect![[r#"
        m duration before=0 back=0
        m duration before=2 back=0
        m{p='1'} duration before=0 back=0
        m duration before=0 back=60
        n 3h before=0 back=60
        m 5m before=0 back=1440
        m 5m before=0 back=0"#]]
    .assert_eq(&needs(text).join("\n"));
    let text = "top_n_of(top_n(m,1,asc),top_n(m,1,asc),top_n(m,2,des,attr0='x',attr1!='y'),1,asc)";
    expect![[r#"
        top_n(m,1,asc) duration before=0 back=0
        top_n(m,2,des,attr0='x',attr1!='y') duration before=0 back=0"#]]
    .assert_eq(&needs(text).join("\n"));
    // A baseline is read from the seven days before.
    assert_eq!(needs("baseline(m,upper) - baseline(m,lower)").len(), 7);
    assert!(needs("1+2").is_empty());
}

#[test]
fn a_comparison_is_a_truth() {
    for (text, is_bool) in [("a>1", true), ("(a>1)", true), ("a>1&&b>1", true), ("a", false), ("abs(a>1)", false)] {
        assert_eq!(parse(text).unwrap().is_bool(), is_bool, "{text}");
    }
}
