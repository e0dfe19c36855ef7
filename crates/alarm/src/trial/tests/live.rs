//! A back-test is what the engine would have decided, minute by minute.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::*;
use crate::columns::Columns;
use crate::incident::{Incident, What};
use crate::minutes::{Turn, Who};
use crate::pass::{Incidents, Input, Kind, Memory as Remembered, Telling, pass};
use crate::rule::{LabelMode, NoData, NoDataPolicy, Override, Profile};
use crate::select::Selector;
use crate::window;

const N_MINUTES: u32 = 150;
const NAMES: [&str; 3] = ["a", "b", "c"];

fn any_rule() -> impl Strategy<Value = Rule> {
    let expression = prop_oneof![
        Just("avg(resp_time) > $limit"),
        Just("sum(resp_time > $limit) >= 2"),
        Just("sum(cpm) < 2"),
        Just("avg(percentile{p='50,99'}) > $limit"),
        Just("sum(increase(cpm, 2) >= 0) >= 1 && avg(resp_time) > $limit"),
        Just("avg(resp_time) > avg(offset(resp_time, 10m))"),
    ];
    let policy = prop_oneof![
        Just(NoDataPolicy::Ok),
        Just(NoDataPolicy::Keep),
        Just(NoDataPolicy::Alert),
        Just(NoDataPolicy::Resolve)
    ];
    let minutes = (1..4u32, 0..3u32, 0..4u32, 0..3u32, 0..5u32);
    (expression, minutes, policy, any::<[bool; 3]>()).prop_map(
        |(expression, minutes, policy, [native, each, other])| {
            let (period, for_minutes, silence, recovery_observation, after) = minutes;
            let others = Override {
                selector: Selector { include_names: vec!["b".to_owned()], ..Selector::default() },
                variables: [("limit".to_owned(), 60.0)].into(),
            };
            Rule {
                variables: [("limit".to_owned(), 40.0)].into(),
                profile: if native { Profile::Native } else { Profile::Skywalking },
                label_mode: if each { LabelMode::Each } else { LabelMode::Any },
                overrides: if other { vec![others] } else { Vec::new() },
                period,
                for_minutes,
                silence,
                recovery_observation,
                no_data: NoData { policy, after },
                ..rule(expression)
            }
        },
    )
}

/// What was told: the minute, the entity, the labels and what.
type Told = (UnixMillis, String, crate::columns::Labels, What);

/// What the engine does at the end of each minute: it reads the window of that minute alone, and passes over it.
async fn told_live(ground: &Ground, rule: &Rule, (from, to): (Bucket, Bucket)) -> Vec<Told> {
    let plan = plan(ground, [evaluated(rule)]).unwrap();
    let (mut incidents, mut memory) = (Incidents::default(), Remembered::default());
    let mut columns = Columns::new(Zone::utc());
    let mut told = Vec::new();
    for minute in from.0.saturating_sub(plan.recall_minutes())..=to.0 {
        let minute = Bucket(minute);
        let reads = plan.reads(&columns, minute, minute);
        columns.keep(&[]);
        window::load(ground.store.as_ref(), &ground.catalogue, &mut columns, &reads).await.unwrap();
        let render = |_: &Telling<'_>| crate::pass::Texts::default();
        let input =
            Input { plan: &plan, columns: &columns, incidents: &incidents, now: minute.start(), render: &render };
        let kind = if minute < from {
            Kind::Recall(minute)
        } else {
            Kind::Closed(Turn { minute, incomplete: false, who: Who::All })
        };
        for incident in pass(&input, kind, &mut memory).changed {
            let new = incident.transitions.last().filter(|last| last.minute == minute && !last.dispatched);
            if let Some(new) = new {
                told.push((minute.start(), incident.entity.id.clone(), incident.labels.clone(), new.what));
            }
            let mut kept: Incident = incident;
            kept.transitions.iter_mut().for_each(|transition| transition.dispatched = true);
            incidents.put(kept);
        }
    }
    told.sort();
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_backtest_is_a_live_replay(
        rule in any_rule(),
        values in vec(vec(weighted(0.85, 0..100i64), 150), 3),
        from in 20..70u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store: SharedStore = Arc::new(Memory::new());
            let mut rows = Vec::new();
            for (name, values) in NAMES.iter().zip(&values) {
                rows.push(life((Scope::Service, &service(name)), &[2]));
                for (minute, value) in (0..).zip(values).filter_map(|(minute, value)| Some((minute, (*value)?))) {
                    let all = [Seen::Int(value), Seen::Int(value / 2)];
                    let seen: &[(&str, &[Seen<'_>])] = &[("cpm", &[Seen::One]), ("resp_time", &all), ("percentile", &all)];
                    rows.push(row(&catalogue(), (Scope::Service, &service(name)), Bucket(START + minute), seen));
                }
            }
            write(store.as_ref(), rows).await;
            let ground = ground(store);
            let (from, to) = (Bucket(START + from), Bucket(START + N_MINUTES - 1));
            let input = BacktestInput { rule: rule.clone(), from: Some(from.start()), ..BacktestInput::default() };
            let result = backtest(&ground, &input, after(N_MINUTES), &|_| ()).await.unwrap();
            let mut told: Vec<Told> = Vec::new();
            for line in &result.timeline {
                let of = |event: &Event| (event.minute, line.entity.id.clone(), line.labels.clone(), event.what);
                told.extend(line.events.iter().map(of));
            }
            told.sort();
            prop_assert_eq!(told, told_live(&ground, &rule, (from, to)).await);
            prop_assert_eq!(result.n_minutes, to.0 - from.0 + 1);
            Ok(())
        })?;
    }
}
