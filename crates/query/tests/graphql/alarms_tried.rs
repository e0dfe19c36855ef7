//! Rules tried over data through GraphQL while the engine runs: explained, dry, on the past, and fired as a test.

use expect_test::expect_file;
use serde_json::json;

use crate::{
    alarms_live::{Live, a, busy, shows},
    world::{NOW, minutes},
};

#[tokio::test(start_paused = true)]
async fn a_rule_is_explained_and_tried_over_what_is_there() {
    let live = Live::new().await;
    let rule = live.busy().await;
    live.until(150).await;
    let explain = "query q($id: ID!, $e: Entity!, $at: Long) { e: explainAlarm(ruleId: $id, entity: $e, at: $at) { minute ruleName paused
        entity { name } layers hasData watched holdingOverride variables { name value } buckets { metric labels { key } values { at value } }
        nodes { text at { start end line column } kind results { labels { key } values } error } recoveryNodes { text }
        samples { metric } lastValue noDataAfter heard { labels { key } verdict state since silentUntil observedUntil }
        steps { minute verdict state what } next { given what minute inMinutes }
        incidents { state opened closed acknowledged { by } origin transitions { what marks { receiver outcome } } }
        routing { targets { route receiver exists groupLabels { key value } groupWait mutedBy } silencedBy problems } } }";
    let at = NOW + 60_000;
    shows(
        &live.world.ask(explain, json!({"id": rule, "e": a(), "at": at})).await,
        &expect_file!["testdata/explanation.json"],
    );

    let dry = "mutation m($i: AlarmRuleInput!) { d: dryRunAlarmRule(input: $i) { minute watchedCount matchedCount firingCount error
        matches { entity { name } layers labels { key } state since fires nodes { text results { values } } } }
        v: validateAlarmRule(input: $i) { valid problems { code } scope watchedCount samples { name } matchedCount matches { entity { name } }
            cost { entityCount valueCount } lastDay { minutes incidents firings notifications } } }";
    shows(&live.world.ask(dry, json!({"i": busy()})).await, &expect_file!["testdata/dry_run.json"]);

    let fire = "mutation m($id: ID!, $e: Entity!) { f: testFireAlarm(ruleId: $id, entity: $e, state: FIRING, reason: \"drill\") {
        told { target { route receiver exists groupWait groupInterval repeatInterval mutedBy } notification } silencedBy labels { key value }
        problems } }";
    let mut data = live.world.ask(fire, json!({"id": rule, "e": a()})).await;
    let notification = data["f"]["told"][0]["notification"].take();
    shows(&data, &expect_file!["testdata/test_fire.json"]);
    let one = "query q($id: ID!) { alarmDelivery(id: $id) { test status told { what message } } }";
    let data = live.wait(one, &notification, |data| data["alarmDelivery"]["status"] == "DEAD").await;
    assert_eq!(
        data["alarmDelivery"],
        json!({"test": true, "status": "DEAD", "told": [{"what": "FIRED", "message": "[TEST] a is busy"}]})
    );
}

#[tokio::test(start_paused = true)]
async fn a_back_test_ends_with_a_timeline_and_says_what_a_change_changes() {
    let live = Live::new().await;
    let rule = live.busy().await;
    live.until(15 * 60).await;
    let begin = "mutation m($i: AlarmRuleInput!, $d: Duration!, $id: ID) { b: backtestAlarmRule(input: $i, duration: $d, diffAgainst: $id)
        { id state } }";
    let mut lower = busy();
    lower["variables"][0]["value"] = json!(5.0);
    let during = minutes(-30, 12);
    let mut data = live.world.ask(begin, json!({"i": lower, "d": during, "id": rule})).await;
    let job = data["b"]["id"].take();
    let read = "query q($id: ID!) { b: alarmBacktest(id: $id) { rule state progress error result { from to minutes entityCount incidents
        firings recoveries open matched lineCount cut error
        timeline { entity { name } labels { key } firings minutesOpen events { minute what reason message } }
        noisy { entity { name } labels { key } firings minutesOpen } notifications { total byReceiver { receiver count } until }
        diff { incidentsBefore both onlyAfterCount onlyBeforeCount notificationsBefore { total }
            onlyAfter { entity { name } labels { key } opened closed } onlyBefore { entity { name } } } } } }";
    let data = live.wait(read, &job, |data| data["b"]["state"] == "DONE" || !data["b"]["error"].is_null()).await;
    shows(&data, &expect_file!["testdata/backtest.json"]);
    let listed = live.world.ask("{ alarmBacktests { id state result { firings } } }", json!({})).await;
    assert_eq!(listed["alarmBacktests"], json!([{"id": job, "state": "DONE", "result": null}]));

    // One request's mutations run without a pause in between: more jobs than may wait.
    let many: String = (0..40).map(|n| format!("b{n}: backtestAlarmRule(input: $i, duration: $d) {{ id }} ")).collect();
    let query = format!("mutation m($i: AlarmRuleInput!, $d: Duration!) {{ {many} }}");
    let error = live.world.extensions(&query, json!({"i": busy(), "d": during})).await;
    assert_eq!(error["code"], "BUSY", "{error}");
}
