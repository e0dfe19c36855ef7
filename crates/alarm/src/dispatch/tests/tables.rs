//! Routes, matchers, intervals, silences and inhibitions, each as a table.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::dispatch::interval::Interval;
use crate::dispatch::matcher::Matchers;
use crate::route::{Inhibition, TimeInterval};
use crate::silence::{Recurrence, Silence};

fn labels(text: &str) -> labels::Labels {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn a_matcher_is_for_the_whole_value_and_a_label_that_is_missing_is_empty() {
    for (text, holds) in [
        ("service=a", true),
        ("service=A", false),
        ("service!=a", false),
        ("service=~a|b", true),
        ("service=~.", true),
        ("rule=~low", false),
        ("rule=~.*low.*", true),
        ("rule!~.*fast.*", true),
        ("team=", true),
        ("team!=", false),
        ("team=~", true),
        ("team!~.+", true),
        ("severity=CRITICAL", true),
        ("severity=critical", true),
        ("severity=~CRIT.*|INFO", true),
        ("severity!=Critical", false),
    ] {
        let matchers = Matchers::new(&[matcher(text)]).unwrap();
        let labels = labels("service=a rule=slow_rule severity=critical");
        assert_eq!(matchers.hold(&labels), holds, "{text}");
    }
    let error = Matchers::new(&[matcher("service=~a)|(b")]).unwrap_err();
    assert_eq!(error.label, "service");
}

#[test]
fn an_incident_keeps_the_labels_of_its_first_firing() {
    let mut one = incident("i", "slow", endpoint("shop::cart", "/buy"), T0);
    one.transitions[0].tags = BTreeMap::from([("team".into(), "blue".into()), ("service".into(), "mine".into())]);
    one.labels = vec![("p".into(), "99".into())];
    follow(&mut one, What::Recovered, T0.plus(60_000));
    one.transitions[1].tags = BTreeMap::from([("team".into(), "red".into())]);
    expect![[r#"
        {
            "endpoint": "/buy",
            "entity": "/buy in shop::cart",
            "group": "shop",
            "layer": "GENERAL",
            "p": "99",
            "rule": "slow",
            "scope": "ENDPOINT",
            "service": "shop::cart",
            "severity": "warning",
            "team": "blue",
        }"#]]
    .assert_eq(&format!("{:#?}", labels::of(&one)));
}

fn walk(json: serde_json::Value, cases: &[&str], expect: Expect) {
    let mut problems = Vec::new();
    let routes = tree::Routes::new(Some(&routing(json)), vec![], &mut problems);
    let one = incident("i", "slow", service("a"), T0);
    let mut shown = String::new();
    for case in cases {
        let targets = routes.of(&one, &labels(case));
        let all: Vec<_> = targets
            .iter()
            .map(|target| {
                let settings = target.settings;
                let times = [settings.wait_ms, settings.interval_ms, settings.repeat_ms].map(|ms| ms / 1_000);
                format!("{}>{} {:?} {times:?}", settings.path.join("/"), target.receiver, target.labels)
            })
            .collect();
        writeln!(shown, "{case}: {}", all.join(" & ")).unwrap();
    }
    for problem in problems {
        writeln!(shown, "{}: {}", problem.what, problem.why).unwrap();
    }
    expect.assert_eq(&shown);
}

#[test]
fn the_first_route_that_matches_takes_an_alarm_unless_it_goes_on() {
    let json = json!({"root": {"receivers": ["all"], "groupBy": ["service"], "groupWait": 5, "routes": [
        {"name": "db", "matchers": [{"label": "layer", "op": "=", "value": "DB"}], "receivers": ["dba"], "repeatInterval": 60,
         "routes": [
            {"matchers": [{"label": "severity", "op": "=", "value": "critical"}], "groupBy": ["..."], "receivers": ["phone", "dba"]},
            {"name": "odd", "matchers": [{"label": "service", "op": "=~", "value": "("}], "receivers": ["x"]}]},
        {"name": "log", "continue": true, "receivers": ["log"], "matchers": [{"label": "service", "op": "!=", "value": "c"}]},
        {"name": "none", "receivers": [], "matchers": [{"label": "service", "op": "=", "value": "b"}]},
    ]}});
    let cases = ["layer=DB service=a", "layer=DB severity=critical service=b", "service=a", "service=b", "service=c"];
    walk(
        json,
        &cases,
        expect![[r#"
            layer=DB service=a: root/db>dba {"service": "a"} [5, 60, 60]
            layer=DB severity=critical service=b: root/db/0>phone {"layer": "DB", "service": "b", "severity": "critical"} [5, 60, 60] & root/db/0>dba {"layer": "DB", "service": "b", "severity": "critical"} [5, 60, 60]
            service=a: root/log>log {"service": "a"} [5, 60, 14400]
            service=b: root/log>log {"service": "b"} [5, 60, 14400]
            service=c: root>all {"service": "c"} [5, 60, 14400]
            route root/db/odd: the matcher of `service` is no regular expression: Parsing error at position 1: Opening parenthesis without closing parenthesis
        "#]],
    );
}

#[test]
fn rules_of_skywalking_go_to_their_hooks_and_then_to_the_default_ones() {
    let path = |defaults: &[&str], tree: bool, profile, hooks: &[&str]| {
        let json = routing(json!({"root": {"receivers": ["tree"]}}));
        let defaults = defaults.iter().map(|&name| name.to_owned()).collect();
        let routes = tree::Routes::new(tree.then_some(&json), defaults, &mut Vec::new());
        let mut one = incident("i", "slow", service("a"), T0);
        one.hooks = hooks.iter().map(|&name| name.to_owned()).collect();
        one.profile = profile;
        let targets = routes.of(&one, &labels::of(&one));
        targets.iter().map(|t| format!("{}>{}", t.settings.path.join("/"), t.receiver)).collect::<Vec<_>>().join(" ")
    };
    use Profile::{Native, Skywalking};
    assert_eq!(path(&["d"], true, Skywalking, &["a", "b", "a"]), "@skywalking>a @skywalking>b");
    assert_eq!(path(&["d"], true, Skywalking, &[]), "@skywalking>d");
    assert_eq!(path(&[], true, Skywalking, &[]), "root>tree");
    assert_eq!(path(&[], false, Skywalking, &[]), "");
    assert_eq!(path(&["d"], true, Native, &["a"]), "@hooks>a");
    assert_eq!(path(&["d"], true, Native, &[]), "root>tree");
    assert_eq!(path(&["d"], false, Native, &[]), "@default>d");
}

fn interval(json: serde_json::Value) -> TimeInterval {
    serde_json::from_value(json).unwrap()
}

#[test]
fn an_interval_holds_where_all_its_fields_do() {
    // 2026-11-24 is a Tuesday; November has 30 days.
    let at = |hours: i64, minutes: i64| T0.plus((hours * 60 + minutes) * 60_000);
    for (json, moment, holds) in [
        (json!({}), at(0, 0), true),
        (json!({"times": [{"start_time": "09:00", "end_time": "17:00"}]}), at(9, 0), true),
        (json!({"times": [{"start_time": "09:00", "end_time": "17:00"}]}), at(16, 59), true),
        (json!({"times": [{"start_time": "09:00", "end_time": "17:00"}]}), at(17, 0), false),
        (json!({"times": [{"start_time": "23:00", "end_time": "24:00"}]}), at(23, 59), true),
        (json!({"times": [{"start_time": "09:00", "end_time": "17:00"}], "location": "Asia/Shanghai"}), at(1, 0), true),
        (
            json!({"times": [{"start_time": "09:00", "end_time": "17:00"}], "location": "Asia/Shanghai"}),
            at(9, 0),
            false,
        ),
        (json!({"weekdays": ["monday:friday"]}), at(0, 0), true),
        (json!({"weekdays": ["Saturday", "sunday"]}), at(0, 0), false),
        (json!({"weekdays": ["sunday"]}), at(5 * 24, 0), true),
        (json!({"days_of_month": ["20:25"]}), at(0, 0), true),
        (json!({"days_of_month": ["-7:-1"]}), at(0, 0), true),
        (json!({"days_of_month": ["-6:-1"]}), at(0, 0), false),
        (json!({"days_of_month": ["24:-1"]}), at(0, 0), true),
        (json!({"days_of_month": ["31"]}), at(6 * 24, 0), false),
        (json!({"months": ["october:december"]}), at(0, 0), true),
        (json!({"months": ["1:3", "11"]}), at(0, 0), true),
        (json!({"months": ["june"]}), at(0, 0), false),
        (json!({"years": ["2026:2027"]}), at(0, 0), true),
        (json!({"years": ["2027"]}), at(0, 0), false),
        (json!({"years": ["2026"], "months": ["november"], "weekdays": ["monday"]}), at(0, 0), false),
    ] {
        assert_eq!(Interval::new(&interval(json.clone())).unwrap().holds(moment), holds, "{json} {moment:?}");
    }
}

#[test]
fn an_interval_that_cannot_be_read_says_which_field() {
    let shown: Vec<String> = [
        json!({"times": [{"start_time": "9:00", "end_time": "17:00"}]}),
        json!({"times": [{"start_time": "09:00", "end_time": "24:01"}]}),
        json!({"times": [{"start_time": "09:00", "end_time": "09:00"}]}),
        json!({"weekdays": ["fri"]}),
        json!({"weekdays": ["friday:monday"]}),
        json!({"days_of_month": ["0"]}),
        json!({"days_of_month": ["-1:1"]}),
        json!({"days_of_month": ["-1:-3"]}),
        json!({"months": ["13"]}),
        json!({"years": ["next"]}),
        json!({"location": "Moon/Base"}),
    ]
    .into_iter()
    .map(|json| Interval::new(&interval(json)).unwrap_err().to_string())
    .collect();
    expect![[r#"
        `times` cannot be `9:00`: expected HH:MM, up to 24:00
        `times` cannot be `24:01`: expected HH:MM, up to 24:00
        `times` cannot be `09:00`: it does not begin before its end
        `weekdays` cannot be `fri`: expected names of days, as `monday:friday`
        `weekdays` cannot be `friday:monday`: it begins after its end
        `days_of_month` cannot be `0`: expected 1 to 31, or -1 to -31 from the end, as `-3:-1`
        `days_of_month` cannot be `-1:1`: a range that begins at the end of the month ends there
        `days_of_month` cannot be `-1:-3`: it begins after its end
        `months` cannot be `13`: expected names or 1 to 12, as `january:march`
        `years` cannot be `next`: expected years, as `2026:2027`
        `location` cannot be `Moon/Base`: unknown time zone "Moon/Base": use an IANA name such as Europe/Berlin, or UTC"#]]
    .assert_eq(&shown.join("\n"));
}

pub(super) fn silence(matchers: &[&str], minutes: std::ops::Range<i64>) -> Silence {
    Silence {
        id: "s1".to_owned(),
        matchers: matchers.iter().map(|text| matcher(text)).collect(),
        starts: T0.plus(minutes.start * 60_000),
        ends: T0.plus(minutes.end * 60_000),
        recurrence: None,
        ends_on_recovery: false,
        comment: String::new(),
        author: String::new(),
        change: String::new(),
    }
}

/// The minutes from T0 at which it begins and ends to hold, within a week.
fn turns(cron: &str, zone: &str, minutes: u32, from: UnixMillis) -> Vec<i64> {
    let mut silence = silence(&["service=a"], 0..0);
    (silence.starts, silence.ends) = (UnixMillis(0), UnixMillis(i64::MAX));
    silence.recurrence = Some(Recurrence { cron: cron.to_owned(), zone: zone.to_owned(), minutes });
    let compiled = super::super::silence::Compiled::new(&silence).unwrap();
    let holds = |minute: i64| compiled.holds(from.plus(minute * 60_000));
    (1..7 * 24 * 60).filter(|minute| holds(*minute) != holds(minute - 1)).collect()
}

#[test]
fn a_silence_comes_back_by_the_clock_of_its_zone() {
    // Sunday at two, seen from Tuesday 0:00 UTC.
    let sunday = 5 * 24 * 60;
    assert_eq!(turns("0 0 2 * * Sun", "UTC", 90, T0), [sunday + 120, sunday + 210]);
    assert_eq!(turns("0 0 2 * * Sun", "Asia/Shanghai", 90, T0), [sunday - 360, sunday - 270]);
    assert_eq!(turns("0 30 23 * * Tue", "", 60, T0), [1_410, 1_470]);
    assert_eq!(turns("0 0 0 28 * *", "", 2 * 24 * 60, T0), [4 * 1_440, 6 * 1_440]);
    // Each begins before the one before ends.
    assert_eq!(turns("0 */10 8 24 11 *", "", 15, T0), [480, 545]);
    // 2026-03-29: clocks in Berlin go from two to three, at one in the morning of UTC.
    let spring = UnixMillis(1_774_742_400_000);
    assert_eq!(turns("0 30 2 29 3 *", "Europe/Berlin", 10, spring), [90, 100]);
    // 2026-10-25: they go from three to two; the first half past two is meant, and it lasts an hour all the same.
    let autumn = UnixMillis(1_792_886_400_000);
    assert_eq!(turns("0 30 2 25 10 *", "Europe/Berlin", 60, autumn), [30, 90]);
}

#[test]
fn a_silence_that_cannot_be_used_says_why() {
    let with = |change: &dyn Fn(&mut Silence)| {
        let mut silence = silence(&["service=a"], 0..60);
        change(&mut silence);
        super::super::silence::Compiled::new(&silence).unwrap_err().to_string()
    };
    let recurring = |cron: &str, zone: &str, minutes| {
        with(&|silence| {
            silence.recurrence = Some(Recurrence { cron: cron.to_owned(), zone: zone.to_owned(), minutes });
        })
    };
    assert_eq!(with(&|silence| silence.matchers.clear()), "it has no matcher");
    assert_eq!(with(&|silence| silence.ends = UnixMillis(0)), "it ends before it begins");
    assert!(with(&|silence| silence.matchers = vec![matcher("a=~(")]).starts_with("the matcher of `a`"));
    assert!(recurring("0 2 * * *", "UTC", 60).starts_with("`0 2 * * *` is no cron expression with seconds"));
    assert!(recurring("0 0 2 * * *", "Mars", 60).starts_with("unknown time zone"));
    assert!(recurring("0 0 2 * * *", "", 0).starts_with("a turn of 0 minutes"));
    let compiled = super::super::silence::Compiled::new(&silence(&["service=a"], 0..60)).unwrap();
    let holds = [-1, 0, 59, 60].map(|minute: i64| compiled.holds(T0.plus(minute * 60_000)));
    assert_eq!(holds, [false, true, true, false]);
}

#[test]
fn an_open_alarm_inhibits_others_but_never_itself() {
    let inhibition = |source: &str, target: &str, equal: &[&str]| Inhibition {
        name: "x".to_owned(),
        source_matchers: vec![matcher(source)],
        target_matchers: vec![matcher(target)],
        equal: equal.iter().map(|&name| name.to_owned()).collect(),
    };
    let preset = Inhibition { name: inhibit::SERVICE_OVER_PARTS.to_owned(), ..Inhibition::default() };
    let open = [
        ("1", "severity=critical service=a zone=z"),
        ("2", "severity=warning service=a zone=z"),
        ("3", "severity=warning service=b zone=z"),
        ("4", "severity=critical service=a"),
        ("5", "scope=SERVICE service=c severity=info"),
        ("6", "scope=ENDPOINT service=c severity=info"),
        ("7", "scope=ENDPOINT service=d severity=info"),
    ]
    .map(|(id, text)| (id, labels(text)));
    let check = |inhibition: Inhibition, expect: Expect| {
        let mut problems = Vec::new();
        let rules = inhibit::Inhibitions::new(&[inhibition], &mut problems);
        let sources = rules.sources(open.iter().map(|(id, labels)| (*id, labels)));
        let mut shown: Vec<String> =
            open.iter().filter_map(|(id, labels)| Some(format!("{id}<{}", sources.inhibitor(labels)?.1))).collect();
        shown.extend(problems.into_iter().map(|problem| problem.why));
        expect.assert_eq(&shown.join(" "));
    };
    check(inhibition("severity=critical", "severity=warning", &["service"]), expect!["2<1"]);
    check(inhibition("severity=critical", "severity=warning", &[]), expect!["2<1 3<1"]);
    // A label that is missing in both is equal: 4 has no zone, 2 has one.
    check(inhibition("severity=critical", "severity=~warning|info", &["zone"]), expect!["2<1 3<1 5<4 6<4 7<4"]);
    // 1 and 4 match both sides: neither inhibits the other, nor itself.
    check(inhibition("severity=critical", "service=a", &["service"]), expect!["2<1"]);
    check(inhibition("service=~a|b", "severity=critical", &["zone"]), expect!["1<2"]);
    check(preset, expect!["6<5"]);
    check(Inhibition::default(), expect!["it needs source and target matchers, or the name of a preset alone"]);
}
