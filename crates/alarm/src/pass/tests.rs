//! Scenarios in virtual minutes.

use expect_test::expect;
use model::item::Revision;
use model::metric::{Catalogue, Function};
use model::{Scope, Zone, id};

use super::*;
use crate::columns::Grain;
use crate::doc::Stored;
use crate::rule::{LabelMode, MinSamples, NoData, NoDataPolicy, OnError, Override, Profile};
use crate::select::Selector;
use crate::testing;

/// The minute before the first one of a scenario.
const START: u32 = 1_000;

fn catalogue() -> Catalogue {
    let all = [
        ("cpm", Function::Cpm),
        ("resp_time", Function::LongAvg),
        ("codes", Function::LabelCount),
        ("percentile", Function::Percentile { precision: 10 }),
    ];
    testing::catalogue(&all.map(|(name, function)| (name, Scope::Service, function)))
}

struct World {
    catalogue: Catalogue,
    rules: Vec<Stored<Rule>>,
    plan: Plan,
    columns: Columns,
    incidents: Incidents,
    memory: Memory,
    minute: u32,
}

impl World {
    fn new(rules: impl IntoIterator<Item = Rule>) -> World {
        let mut world = World {
            catalogue: catalogue(),
            rules: Vec::new(),
            plan: Plan::default(),
            columns: Columns::new(Zone::utc()),
            incidents: Incidents::default(),
            memory: Memory::default(),
            minute: START,
        };
        world.edit(rules);
        world
    }

    fn edit(&mut self, rules: impl IntoIterator<Item = Rule>) -> Vec<String> {
        let version = self.rules.first().map_or(0, |rule| rule.revision.0) + 1;
        let stored = |doc| Stored { doc, revision: Revision(version), updated: UnixMillis(0) };
        self.rules = rules.into_iter().map(stored).collect();
        let (plan, healths) = Plan::new(&self.rules, &self.catalogue, Some(&self.plan));
        self.plan = plan;
        healths.into_iter().filter_map(|health| Some(format!("{}: {}", health.rule, health.error?))).collect()
    }

    fn entity(service: &str) -> Entity {
        Entity::of(Scope::Service, id::service(service, true)).unwrap()
    }

    fn set(&mut self, service: &str, metric: &str, minute: u32, labels: &[(&str, &str)], value: f64) {
        let at = self.columns.meet(&Self::entity(service), &["GENERAL".to_owned()]);
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.columns.set(Scope::Service, at, metric, (Grain::Minute, Bucket(minute)), &labels, value);
    }

    /// `metric` of `a` in the next minutes, `-` where there is none; each closed at its end.
    fn minutes(&mut self, metric: &str, values: &str) -> String {
        let told = values.split_whitespace().map(|value| {
            self.minute += 1;
            if value != "-" {
                self.set("a", metric, self.minute, &[], value.parse().unwrap());
            }
            self.close()
        });
        told.collect::<Vec<_>>().join("\n")
    }

    fn close(&mut self) -> String {
        let turn = Turn { minute: Bucket(self.minute), incomplete: false, who: Who::All };
        self.pass(Kind::Closed(turn))
    }

    fn running(&mut self, minute: u32, settled: bool) -> String {
        self.pass(Kind::Running(Running { minute: Bucket(minute), settled }))
    }

    fn pass(&mut self, kind: Kind) -> String {
        let render = |telling: &Telling<'_>| {
            let more = if telling.n_more > 0 { format!(" and {} more", telling.n_more) } else { String::new() };
            Texts { message: format!("{}{more}", telling.incident.entity.name), ..Texts::default() }
        };
        let input = Input {
            plan: &self.plan,
            columns: &self.columns,
            incidents: &self.incidents,
            now: kind.minute().start(),
            render: &render,
        };
        let output = pass(&input, kind, &mut self.memory);
        let mut shown = Vec::new();
        for incident in output.changed {
            let new = incident.transitions.last().filter(|last| last.minute == kind.minute()).cloned();
            let what = new.map_or(String::new(), |new| {
                let reason = new.reason.map_or(String::new(), |reason| format!(" by {reason:?}"));
                format!(" {:?}{reason} {}", new.what, new.message)
            });
            let labels: String = incident.labels.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            let at = incident.entered.0 - START;
            shown.push(format!("{} {}{labels} {:?}@{at}{what}", incident.rule, incident.entity.name, incident.state));
            self.incidents.put(incident);
        }
        shown.extend(output.errors.into_iter().map(|(rule, error)| format!("{rule}: {error}")));
        format!("{}: {}", kind.minute().0 - START, shown.join("; ")).trim_end().to_owned()
    }

    /// What another node knows that begins here: items, and what it reads from the store.
    fn taken_over(&self, closed: &[Incident]) -> World {
        let mut next = World::new([]);
        next.rules = self.rules.clone();
        (next.plan, _) = Plan::new(&next.rules, &next.catalogue, None);
        (next.columns, next.incidents, next.minute) = (self.columns.clone(), self.incidents.clone(), self.minute);
        closed.iter().for_each(|incident| next.memory.ended(incident));
        for back in (0..=next.plan.recall_minutes()).rev() {
            let told = next.pass(Kind::Recall(Bucket(next.minute - back)));
            assert!(told.ends_with(':'), "a recall decides nothing: {told}");
        }
        next
    }
}

fn rule(expression: &str) -> Rule {
    Rule { id: "r".into(), name: "r".into(), expression: expression.into(), period: 2, ..Rule::default() }
}

#[test]
fn an_incident_goes_from_its_first_firing_to_its_recovery() {
    let skywalking = Rule { profile: Profile::Skywalking, silence: 1, ..rule("sum(resp_time > 1000) >= 2") };
    let mut world = World::new([skywalking]);
    expect![[r#"
        1:
        2: r a Firing@2 Fired a
        3: r a SilencedFiring@3
        4: r a Firing@4 FiredAgain a
        5: r a SilencedFiring@5
        6: r a Recovered@6 Recovered by Condition a
        7:
        8:
        9:"#]]
    .assert_eq(&world.minutes("resp_time", "2000 2000 2000 2000 2000 1 1 1 1"));
    assert!(world.incidents.is_empty());
}

#[test]
fn transitions_have_ids_of_their_own_and_firings_show_what_was_seen() {
    let mut world = World::new([Rule { profile: Profile::Skywalking, ..rule("avg(resp_time) > 1000") }]);
    world.minutes("resp_time", "- 3000 4000");
    let incident = world.incidents.iter().next().unwrap().clone();
    let shown: Vec<_> = incident
        .transitions
        .iter()
        .map(|t| {
            format!("{} {:?} {} {:?}", t.seq, t.what, t.uuid, t.evidence.iter().map(|e| &e.values).collect::<Vec<_>>())
        })
        .collect();
    expect![[r#"
        bad13700b00ce73f03ee1651ac1d0545
        1 Fired 436e9024-d184-bcde-f138-31048f9fd1e9 [[(Bucket(1001), None), (Bucket(1002), Some(3000.0))]]
        2 FiredAgain 4c757989-9fd6-b2b8-43d2-a62f633fa704 [[(Bucket(1002), Some(3000.0)), (Bucket(1003), Some(4000.0))]]"#]].assert_eq(&format!("{}\n{}", incident.id, shown.join("\n")));
}

#[test]
fn what_ends_without_data_says_so() {
    let policies = [NoDataPolicy::Resolve, NoDataPolicy::Keep, NoDataPolicy::Ok, NoDataPolicy::Alert];
    let shown: String = policies
        .into_iter()
        .map(|policy| {
            let no_data = NoData { policy, after: 3 };
            let mut world = World::new([Rule { no_data, ..rule("avg(resp_time) > 1000") }]);
            format!("{policy:?}\n{}\n", world.minutes("resp_time", "2000 - - - - 1 1 - - - -"))
        })
        .collect();
    expect![[r#"
        Resolve
        1: r a Firing@1 Fired a
        2:
        3:
        4: r a Recovered@4 Recovered by NoData a
        5:
        6:
        7:
        8:
        9:
        10:
        11:
        Keep
        1: r a Firing@1 Fired a
        2:
        3:
        4: r a NoData@4
        5:
        6: r a Recovered@6 Recovered by Condition a
        7:
        8:
        9:
        10:
        11:
        Ok
        1: r a Firing@1 Fired a
        2:
        3:
        4: r a Recovered@4 Recovered by Condition a
        5:
        6:
        7:
        8:
        9:
        10:
        11:
        Alert
        1: r a Firing@1 Fired a
        2:
        3:
        4:
        5:
        6: r a Recovered@6 Recovered by Condition a
        7:
        8:
        9:
        10: r a Firing@10 Fired a
        11:
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_condition_about_silence_is_true_in_silence() {
    let mut world = World::new([rule("absent(cpm)")]);
    expect![[r#"
        1:
        2:
        3: r a Firing@3 Fired a
        4:
        5: r a Recovered@5 Recovered by Condition a"#]]
    .assert_eq(&world.minutes("cpm", "5 - - - 5"));
}

#[test]
fn hysteresis_samples_and_pending_hold_a_rule_back() {
    let hysteresis = Rule { period: 1, recovery_expression: "avg(cpm) < 10".into(), ..rule("avg(cpm) > 100") };
    expect![[r#"
        1: r a Firing@1 Fired a
        2:
        3:
        4: r a Recovered@4 Recovered by Condition a"#]]
    .assert_eq(&World::new([hysteresis]).minutes("cpm", "200 50 50 5"));
    let samples = MinSamples { metric: "cpm".into(), gte: 10 };
    let mut world = World::new([Rule { min_samples: Some(samples), ..rule("avg(resp_time) > 1000") }]);
    world.set("a", "cpm", START + 1, &[], 4.0);
    world.set("a", "cpm", START + 2, &[], 7.0);
    expect![[r#"
        1:
        2: r a Firing@2 Fired a"#]]
    .assert_eq(&world.minutes("resp_time", "2000 2000"));
    let pending = Rule { period: 1, for_minutes: 2, ..rule("avg(cpm) > 100") };
    let mut world = World::new([pending]);
    expect![[r#"
        1:
        2:
        3:
        4:
        5:"#]]
    .assert_eq(&world.minutes("cpm", "200 200 1 200 200"));
    assert_eq!(world.memory.pending().filter(|(rule, ..)| *rule == "r").count(), 1);
    let mut other = world.taken_over(&[]);
    let told = world.minutes("cpm", "200 1");
    expect![[r#"
        6: r a Firing@6 Fired a
        7: r a Recovered@7 Recovered by Condition a"#]]
    .assert_eq(&told);
    assert_eq!(other.minutes("cpm", "200 1"), told);
}

#[test]
fn labels_are_one_instance_or_each_its_own() {
    let run = |label_mode, text: &str| {
        let mut world = World::new([Rule { label_mode, period: 1, ..rule(text) }]);
        let mut told = Vec::new();
        for codes in [&[("200", 500.0), ("500", 90.0)][..], &[("500", 1.0), ("503", 70.0)], &[("200", 1.0)]] {
            world.minute += 1;
            codes.iter().for_each(|(code, n)| world.set("a", "codes", world.minute, &[("n", code)], *n));
            told.push(world.close());
        }
        told.join("\n") + "\n"
    };
    let text = "sum(codes) > 50";
    let shown = run(LabelMode::Any, text)
        + &run(LabelMode::Each, text)
        + &run(LabelMode::Any, "for_each_label(sum(codes{n='500,503'}) > 50)");
    expect![[r#"
        1: r a Firing@1 Fired a
        2:
        3: r a Recovered@3 Recovered by Condition a
        1: r a n=200 Firing@1 Fired a; r a n=500 Firing@1 Fired a
        2: r a n=200 Recovered@2 Recovered by Condition a; r a n=500 Recovered@2 Recovered by Condition a; r a n=503 Firing@2 Fired a
        3: r a n=503 Recovered@3 Recovered by Condition a
        1: r a n=500 Firing@1 Fired a
        2: r a n=500 Recovered@2 Recovered by Condition a; r a n=503 Firing@2 Fired a
        3: r a n=503 Recovered@3 Recovered by Condition a
    "#]].assert_eq(&shown);
}

#[test]
fn selectors_and_overrides_decide_who_is_watched_and_by_which_number() {
    let name = |name: &str| Selector { include_names: vec![name.to_owned()], ..Selector::default() };
    let other = |of: &str, limit: f64| Override { selector: name(of), variables: [("limit".to_owned(), limit)].into() };
    let mut world = World::new([Rule {
        period: 1,
        expression: "avg(cpm) > $limit".into(),
        variables: [("limit".to_owned(), 100.0)].into(),
        overrides: vec![other("b", 10.0), other("c", 1_000.0), other("b", 9_999.0)],
        selector: Selector { exclude_names: vec!["d".to_owned()], ..Selector::default() },
        ..rule("")
    }]);
    world.minute += 1;
    ["a", "b", "c", "d", "e"].into_iter().zip([200.0, 20.0, 200.0, 200.0, 20.0]).for_each(|(service, value)| {
        world.set(service, "cpm", START + 1, &[], value);
    });
    expect!["1: r a Firing@1 Fired a; r b Firing@1 Fired b"].assert_eq(&world.close());
}

#[test]
fn a_rule_that_cannot_be_compiled_hurts_nobody() {
    let named = |id: &str, expression: &str| Rule { id: id.into(), ..rule(expression) };
    let mut world = World::new([named("x", "avg(cpm) > 1")]);
    world.minutes("cpm", "5");
    let healths = world.edit([
        named("x", "avg(cpm) >"),
        named("y", "avg(cpm) > $n"),
        named("z", "avg(cpm) > avg(nothing)"),
        Rule { selector: Selector { service_regex: "(".into(), ..Selector::default() }, ..named("s", "avg(cpm) > 1") },
        named("good", "avg(cpm) > 1"),
    ]);
    expect![[r#"
        x: line 1:10 expected a metric, a number or a function, found the end
        y: $n has no number
        z: line 1:15 there is no metric nothing
        s: serviceRegex: Parsing error at position 1: Opening parenthesis without closing parenthesis"#]]
    .assert_eq(&healths.join("\n"));
    expect![[r#"
        2: good a Firing@2 Fired a
        3:"#]]
    .assert_eq(&world.minutes("cpm", "1 5"));
    assert_eq!(world.incidents.len(), 2, "that of the rule that is broken now stays");
}

#[test]
fn incidents_end_with_their_rule_their_entity_or_their_selector() {
    let named = |id: &str| Rule { id: id.into(), ..rule("avg(cpm) > 1") };
    let paused = |id: &str| Rule { paused: true, ..named(id) };
    let mut world = World::new([named("deleted"), named("paused"), named("elsewhere"), named("stays")]);
    world.set("b", "cpm", START + 1, &[], 5.0);
    expect!["1: deleted b Firing@1 Fired b; deleted a Firing@1 Fired a; paused b Firing@1 Fired b; paused a Firing@1 Fired a; elsewhere b Firing@1 Fired b; elsewhere a Firing@1 Fired a; stays b Firing@1 Fired b; stays a Firing@1 Fired a"].assert_eq(&world.minutes("cpm", "5"));
    let only_b = Selector { include_names: vec!["b".to_owned()], ..Selector::default() };
    world.edit([paused("paused"), Rule { selector: only_b, ..named("elsewhere") }, named("stays")]);
    world.columns.forget(Scope::Service, &World::entity("b").id);
    expect!["2: elsewhere a Recovered@2 Recovered by Rule a; elsewhere b Recovered@2 Recovered by NoData b; stays b Recovered@2 Recovered by NoData b; deleted a Recovered@2 Recovered by Rule a; deleted b Recovered@2 Recovered by Rule b; paused a Recovered@2 Recovered by Rule a; paused b Recovered@2 Recovered by Rule b"].assert_eq(&world.minutes("cpm", "5"));
}

#[test]
fn beyond_the_limit_one_alarm_stands_for_the_rest() {
    let mut world = World::new([Rule { max_instances: 2, period: 1, ..rule("avg(cpm) > 10") }]);
    let mut told = Vec::new();
    for n_bad in [5, 4, 1, 0] {
        world.minute += 1;
        for (at, service) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            world.set(service, "cpm", world.minute, &[], if at < n_bad { 99.0 } else { 0.0 });
        }
        told.push(world.close());
    }
    expect![[r#"
        1: r a Firing@1 Fired a; r b Firing@1 Fired b; r r overflow=true Firing@1 Fired r and 3 more
        2:
        3: r b Recovered@3 Recovered by Condition b; r r overflow=true Recovered@3 Recovered by Condition r
        4: r a Recovered@4 Recovered by Condition a"#]]
    .assert_eq(&told.join("\n"));
    assert!(world.incidents.is_empty());
}

#[test]
fn the_running_minute_decides_early_what_growth_cannot_undo() {
    let named = |id: &str, expression: &str| Rule { id: id.into(), ..rule(expression) };
    let mut world = World::new([
        named("counts", "sum(cpm > 10) >= 2"),
        named("few", "sum(cpm) < 1000"),
        named("mean", "sum(resp_time > 10) >= 1"),
        Rule { window: crate::rule::Window::Complete, ..named("closed", "sum(cpm > 10) >= 2") },
    ]);
    world.minutes("cpm", "0 2000");
    world.set("a", "cpm", START + 3, &[], 11.0);
    let mut told = vec![world.running(START + 3, false)];
    world.set("a", "resp_time", START + 3, &[], 50.0);
    told.push(world.running(START + 3, false));
    told.push(world.running(START + 3, true));
    told.push(world.running(START + 3, true));
    told.push(world.minutes("cpm", "60 0 0"));
    expect![[r#"
        3: counts a Firing@3 Fired a
        3:
        3: mean a Firing@3 Fired a
        3:
        3: closed a Firing@3 Fired a
        4: counts a Recovered@4 Recovered by Condition a; few a Firing@4 Fired a; closed a Recovered@4 Recovered by Condition a
        5: mean a Recovered@5 Recovered by NoData a"#]].assert_eq(&told.join("\n"));
}

#[test]
fn patient_rules_have_turns_of_their_own_and_no_data_waits_for_a_complete_minute() {
    let named = |id: &str, expression: &str| Rule { id: id.into(), period: 1, ..rule(expression) };
    let mut world = World::new([named("few", "sum(cpm) < 10"), named("many", "sum(cpm) > 5")]);
    world.minutes("cpm", "50");
    let turn = |minute, incomplete, who| Kind::Closed(Turn { minute: Bucket(START + minute), incomplete, who });
    let told = [turn(2, true, Who::Impatient), turn(2, false, Who::Patient), turn(3, false, Who::All)];
    let told = told.map(|kind| world.pass(kind));
    expect![[r#"
        2:
        2: few a Firing@2 Fired a
        3: many a Recovered@3 Recovered by NoData a"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn what_cannot_be_computed_is_told_and_keeps_or_alerts() {
    // A threshold of which there is nothing.
    let named = |id: &str, on_error| Rule {
        id: id.into(),
        on_error,
        ..rule("sum(cpm > max(aggregate_labels(codes,sum))) >= 1")
    };
    let mut world = World::new([named("keep", OnError::Keep), named("alert", OnError::Alert)]);
    world.set("a", "codes", START + 1, &[("n", "500")], 1.0);
    world.set("b", "cpm", START + 1, &[], 1.0);
    world.set("b", "cpm", START + 2, &[], 1.0);
    let shown = world.minutes("cpm", "5 5 5 5 - -");
    expect![[r#"
        1: keep a Firing@1 Fired a; alert a Firing@1 Fired a; alert: Unsupported compare operation: Many to One, single result is empty or has more than one value.; keep: Unsupported compare operation: Many to One, single result is empty or has more than one value.
        2: alert b Firing@2 Fired b; alert: Unsupported compare operation: Many to One, single result is empty or has more than one value.; keep: Unsupported compare operation: Many to One, single result is empty or has more than one value.
        3: keep a Error@3; alert a Error@3; alert: Unsupported compare operation: Many to One, single result is empty or has more than one value.; keep: Unsupported compare operation: Many to One, single result is empty or has more than one value.
        4: alert a SilencedFiring@4; alert b Recovered@4 Recovered by NoData b; alert: Unsupported compare operation: Many to One, single result is empty or has more than one value.; keep: Unsupported compare operation: Many to One, single result is empty or has more than one value.
        5: alert: Unsupported compare operation: Many to One, single result is empty or has more than one value.; keep: Unsupported compare operation: Many to One, single result is empty or has more than one value.
        6: keep a Recovered@6 Recovered by NoData a; alert a Recovered@6 Recovered by NoData a; alert: Unsupported compare operation: Many to One, single result is empty or has more than one value.; keep: Unsupported compare operation: Many to One, single result is empty or has more than one value."#]].assert_eq(&shown);
}

#[test]
fn a_minute_that_was_done_changes_nothing_when_another_node_replays_it() {
    let skywalking =
        Rule { profile: Profile::Skywalking, silence: 2, recovery_observation: 1, ..rule("avg(cpm) > 10") };
    let mut world = World::new([skywalking]);
    for values in ["50 50 50 50 50", "50", "0 0", "0", "0 0 0 50"] {
        world.minutes("cpm", values);
        let mut other = world.taken_over(&[]);
        let told = other.close();
        assert!(world.incidents.is_empty() || told.ends_with(':'), "{values}: {told}");
        assert_eq!(other.minutes("cpm", "50 0 0 0"), world.taken_over(&[]).minutes("cpm", "50 0 0 0"));
    }
}

#[test]
fn what_is_stored_keeps_what_operators_did_meanwhile() {
    let mut world = World::new([Rule { profile: Profile::Skywalking, ..rule("avg(cpm) > 10") }]);
    world.minutes("cpm", "50");
    let before = world.incidents.iter().next().unwrap().clone();
    let mut stored = Incident { assignee: "ann".into(), ..before.clone() };
    stored.transitions[0].dispatched = true;
    world.minutes("cpm", "50");
    let changed = world.incidents.iter().next().unwrap().clone();
    let next = onto(&changed, &stored).unwrap();
    assert_eq!((next.assignee.as_str(), next.transitions.len(), next.entered), ("ann", 2, Bucket(START + 2)));
    assert!(next.transitions[0].dispatched && !next.transitions[1].dispatched);
    assert_eq!(onto(&changed, &next), Some(next.clone()), "once is enough");
    assert_eq!(onto(&changed, &Incident { closed: Some(UnixMillis(1)), ..stored }), None);
}

#[test]
fn what_is_read_covers_windows_lookback_and_other_days() {
    let world = World::new([
        Rule { no_data: NoData { policy: NoDataPolicy::Alert, after: 30 }, ..rule("avg(resp_time) > 1") },
        Rule { id: "o".into(), period: 5, ..rule("sum(increase(cpm,3)) > offset(sum(cpm),1d) + over(sum(cpm),1d)") },
    ]);
    let minute = Bucket(29_000_000);
    let reads = world.plan.reads(&world.columns, minute, Bucket(minute.0 + 1));
    let shown: Vec<_> = reads
        .iter()
        .map(|r| {
            format!(
                "{} {:?} {} {}",
                r.metric,
                r.grain,
                i64::from(r.from.0) - 29_000_000,
                i64::from(r.to.0) - 29_000_000
            )
        })
        .collect();
    expect![[r#"
        cpm Minute -1444 -1439
        cpm Minute -7 1
        cpm Hour -1400 -20
        resp_time Minute -30 1"#]]
    .assert_eq(&shown.join("\n"));
}
