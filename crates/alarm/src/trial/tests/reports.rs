//! What trials say.

use expect_test::expect;

use super::*;
use crate::incident::State;
use crate::receiver::Receiver;
use crate::rule::{MinSamples, Override};
use crate::select::Selector;

fn minutes_of(at: UnixMillis) -> i64 {
    at.0 / 60_000 - i64::from(START)
}

#[tokio::test]
async fn a_dry_run_lists_who_matches_and_why() {
    let store = store(&[("a", "10 90 90"), ("b", "10 10 10"), ("c", "10 10 70"), ("d", "90 90 -")]).await;
    let ground = ground(store);
    let rule = Rule { for_minutes: 1, ..rule("avg(resp_time) > 50") };
    let report = dry_run(&ground, &rule, None, after(3)).await.unwrap();
    let mut shown = format!("{} {} {}\n", report.n_watched, report.n_matched, report.n_firing);
    for one in &report.matches {
        let since = minutes_of(one.since);
        let nodes: Vec<String> =
            one.nodes.iter().map(|node| format!("{}={:?}", node.text, node.results[0].values)).collect();
        let state = format!("{:?}@{since} fires={}", one.state, one.fires);
        shown.push_str(&format!("{} {:?} {state} {}\n", one.entity.name, one.layers, nodes.join(" ")));
    }
    expect![[r#"
        4 2 1
        a ["GENERAL"] Firing@2 fires=true avg(resp_time)>50=[Some(1.0)] avg(resp_time)=[Some(90.0)] resp_time=[Some(90.0)] 50=[Some(50.0)]
        c ["GENERAL"] Pending@2 fires=false avg(resp_time)>50=[Some(1.0)] avg(resp_time)=[Some(70.0)] resp_time=[Some(70.0)] 50=[Some(50.0)]
    "#]].assert_eq(&shown);
    // The minute before.
    let at = Some(Bucket(START + 1).start());
    assert_eq!(dry_run(&ground, &rule, at, after(3)).await.unwrap().n_matched, 2);
}

#[tokio::test]
async fn what_fires_already_does_not_fire_again() {
    let store = store(&[("a", "90 90 90 90")]).await;
    let ground = ground(Arc::clone(&store));
    let rule = rule("avg(resp_time) > 50");
    let input = BacktestInput { rule: rule.clone(), ..BacktestInput::default() };
    assert_eq!(backtest(&ground, &input, after(2), &|_| ()).await.unwrap().n_firings, 1);
    let mut replay = replay::Replay::new(&ground, plan(&ground, [rule.clone()]).unwrap());
    let heard;
    (replay, heard) = replay.run(&ground, Bucket(START), Bucket(START + 1)).await.unwrap();
    drop(replay);
    let happened = heard.happened.first().unwrap();
    let incident =
        crate::incident::Incident { transitions: vec![happened.transition.clone()], ..happened.incident.clone() };
    keep(store.as_ref(), &incident).await;
    let now = dry_run(&ground, &rule, None, after(3)).await.unwrap();
    assert_eq!((now.n_matched, now.n_firing), (1, 0));
    assert_eq!(now.matches[0].state, State::Firing);
    let unsaved = Rule { id: String::new(), ..rule };
    assert_eq!(dry_run(&ground, &unsaved, None, after(3)).await.unwrap().n_firing, 1);
}

#[tokio::test]
async fn a_backtest_tells_of_transitions_notifications_and_what_is_different() {
    // `a` is over 50 twice, `b` once and to the end; 80 takes one of them away.
    let values = [("a", "10 60 60 10 10 90 90 10 10 10"), ("b", "10 10 10 10 10 10 10 90 90 90")];
    let store = store(&values).await;
    let ground = ground(Arc::clone(&store));
    let receiver: Receiver = serde_json::from_value(serde_json::json!({
        "id": "webhook.ops", "kind": "webhook", "isDefault": true, "settings": {"url": "http://localhost/"}
    }))
    .unwrap();
    keep(store.as_ref(), &receiver).await;
    keep(store.as_ref(), &rule("avg(resp_time) > 80")).await;
    let input = BacktestInput {
        rule: rule("avg(resp_time) > 50"),
        from: Some(Bucket(START).start()),
        diff_against: Some("r".to_owned()),
        ..BacktestInput::default()
    };
    let report = backtest(&ground, &input, after(10), &|_| ()).await.unwrap();
    let json = serde_json::to_string_pretty(&report).unwrap();
    expect_test::expect_file!["backtest.json"].assert_eq(&format!("{json}\n"));
}

#[tokio::test]
async fn wrong_questions_are_refused() {
    let ground = ground(store(&[("a", "1")]).await);
    let ask = async |change: fn(&mut BacktestInput)| {
        let mut input = BacktestInput { rule: rule("avg(resp_time) > 50"), ..BacktestInput::default() };
        change(&mut input);
        backtest(&ground, &input, after(3), &|_| ()).await.unwrap_err().to_string()
    };
    let mut shown = String::new();
    shown.push_str(&ask(|input| input.from = Some(Bucket(START + 5).start())).await);
    shown.push('\n');
    shown.push_str(&ask(|input| input.from = Some(UnixMillis(0))).await);
    shown.push('\n');
    shown.push_str(&ask(|input| input.from = Some(UnixMillis(-1))).await);
    shown.push('\n');
    shown.push_str(&ask(|input| input.rule.expression = "avg(resp_time) >".to_owned()).await);
    shown.push('\n');
    shown.push_str(&ask(|input| input.diff_against = Some("x".to_owned())).await);
    expect![[r#"
        from: a back-test has one minute at least and 44640 at most
        from: a back-test has one minute at least and 44640 at most
        from: it is no time
        the rule cannot be evaluated: expression:1:17: expected a metric, a number or a function, found the end
        there is no rule x"#]]
    .assert_eq(&shown);
    let other = explain(&ground, &rule("avg(resp_time) > 50"), "no id", None, after(3)).await.unwrap_err();
    assert_eq!(other.to_string(), "entity: it is none of the rule's scope Service");
}

#[tokio::test]
async fn an_explanation_says_why() {
    let store = store(&[("a", "10 90 90 90 10"), ("b", "90 90 90 90 90")]).await;
    let ground = ground(Arc::clone(&store));
    let of_a = Selector { include_names: vec!["a".to_owned()], ..Selector::default() };
    let rule = Rule {
        variables: [("limit".to_owned(), 95.0)].into(),
        overrides: vec![Override { selector: of_a, variables: [("limit".to_owned(), 50.0)].into() }],
        min_samples: Some(MinSamples { metric: "cpm".to_owned(), gte: 2 }),
        period: 2,
        silence: 1,
        recovery_observation: 1,
        ..rule("avg(resp_time) > $limit")
    };
    let report = explain(&ground, &rule, &service("a"), None, after(4)).await.unwrap();
    let json = serde_json::to_string_pretty(&report).unwrap();
    expect_test::expect_file!["explanation.json"].assert_eq(&format!("{json}\n"));
    let of_b = explain(&ground, &rule, &service("b"), None, after(4)).await.unwrap();
    assert_eq!((of_b.holding_override, of_b.heard[0].verdict), (None, Verdict::Mismatch));
    let unknown = explain(&ground, &rule, &service("x"), None, after(4)).await.unwrap();
    assert!(!unknown.has_data);
}

#[tokio::test]
async fn a_validation_says_what_is_worth_to_be_known() {
    let store = store(&[("a", "10 90 90"), ("b", "10 10 10")]).await;
    let ground = ground(store);
    let problems = async |change: fn(&mut Rule)| {
        let mut rule = rule("avg(resp_time) > 50");
        change(&mut rule);
        let report = validate(&ground, &rule, after(3)).await.unwrap();
        let codes: Vec<String> = report.problems.iter().map(|problem| format!("{} {problem}", problem.code)).collect();
        let told = if codes.is_empty() { "no problem".to_owned() } else { codes.join("; ") };
        format!("{} {:?} {} {}: {told}\n", report.valid, report.scope, report.n_watched, report.n_matched)
    };
    let mut shown = problems(|_| ()).await;
    shown.push_str(&problems(|rule| rule.expression = "avg(resp_time) > 500".to_owned()).await);
    shown.push_str(&problems(|rule| rule.expression = "avg(resp_time) >= 0".to_owned()).await);
    shown.push_str(&problems(|rule| rule.expression = "avg(resp_tim) > 50".to_owned()).await);
    shown.push_str(&problems(|rule| rule.selector.service_regex = "x.*".to_owned()).await);
    shown.push_str(&problems(|rule| rule.hooks = vec!["webhook.none".to_owned()]).await);
    expect![[r#"
        true Some("SERVICE") 2 1: no problem
        true Some("SERVICE") 2 0: never_true expression: it was true of nothing in the last 1440 minutes
        true Some("SERVICE") 2 2: always_true expression: it was true of everything in the last 1440 minutes
        false None 0 0: bad_expression expression:1:5: there is no metric resp_tim
        true Some("SERVICE") 0 0: matches_nothing selector.serviceRegex: nothing that there is at present matches; watches_nothing selector: there is no entity with values that it watches
        false Some("SERVICE") 2 1: unknown_receiver hooks: there is no receiver webhook.none
    "#]].assert_eq(&shown);
    let report = validate(&ground, &rule("avg(resp_time) > 50"), after(3)).await.unwrap();
    let lately = report.last_day.unwrap();
    assert_eq!((lately.n_minutes, lately.n_incidents, report.cost.unwrap().n_values), (1_440, 1, 1));
    assert_eq!(report.samples.iter().map(|entity| entity.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}
