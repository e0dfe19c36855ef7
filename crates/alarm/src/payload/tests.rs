//! The payloads, letter by letter.

use expect_test::{expect, expect_file};

use super::*;
use crate::notify::samples;

fn all(is_over: bool) -> String {
    samples::entities()
        .into_iter()
        .map(|entity| {
            let shown = samples::shown(entity, is_over);
            skywalking(&shown.alarms, &shown.zone) + "\n"
        })
        .collect()
}

fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap() + "\n"
}

#[test]
fn skywalking_s_firings_of_each_scope() {
    expect![[r#"
        [{"scopeId":1,"scope":"SERVICE","name":"shop::cart","id0":"c2hvcDo6Y2FydA\u003d\u003d.1","id1":"","ruleName":"service_resp_time_rule","alarmMessage":"Response time of shop::cart is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":["GENERAL"]}]
        [{"scopeId":2,"scope":"SERVICE_INSTANCE","name":"pod-1 of shop::cart","id0":"c2hvcDo6Y2FydA\u003d\u003d.1_cG9kLTE\u003d","id1":"","ruleName":"service_resp_time_rule","alarmMessage":"Response time of pod-1 of shop::cart is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":["GENERAL"]}]
        [{"scopeId":3,"scope":"ENDPOINT","name":"GET:/x?q\u003d\"\u003c1\u003e\" in shop::cart","id0":"c2hvcDo6Y2FydA\u003d\u003d.1_R0VUOi94P3E9IjwxPiI\u003d","id1":"","ruleName":"service_resp_time_rule","alarmMessage":"Response time of GET:/x?q\u003d\"\u003c1\u003e\" in shop::cart is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":["GENERAL"]}]
        [{"scopeId":4,"scope":"SERVICE_RELATION","name":"shop::cart to db","id0":"c2hvcDo6Y2FydA\u003d\u003d.1","id1":"ZGI\u003d.0","ruleName":"service_resp_time_rule","alarmMessage":"Response time of shop::cart to db is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":["GENERAL"]}]
        [{"scopeId":5,"scope":"SERVICE_INSTANCE_RELATION","name":"pod-1 of shop::cart to db:5432 of db","id0":"c2hvcDo6Y2FydA\u003d\u003d.1_cG9kLTE\u003d","id1":"ZGI\u003d.0_ZGI6NTQzMg\u003d\u003d","ruleName":"service_resp_time_rule","alarmMessage":"Response time of pod-1 of shop::cart to db:5432 of db is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":["GENERAL"]}]
        [{"scopeId":6,"scope":"ENDPOINT_RELATION","name":"/x in shop::cart to /y in db","id0":"c2hvcDo6Y2FydA\u003d\u003d.1_L3g\u003d","id1":"ZGI\u003d.0_L3k\u003d","ruleName":"service_resp_time_rule","alarmMessage":"Response time of /x in shop::cart to /y in db is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":["GENERAL"]}]
    "#]].assert_eq(&all(false));
}

#[test]
fn skywalking_s_recoveries_of_each_scope() {
    expect![[r#"
        [{"recoveryTime":1795515000000,"scopeId":1,"scope":"SERVICE","name":"shop::cart","id0":"c2hvcDo6Y2FydA\u003d\u003d.1","id1":"","ruleName":"service_resp_time_rule","alarmMessage":"Response time of shop::cart is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":[]}]
        [{"recoveryTime":1795515000000,"scopeId":2,"scope":"SERVICE_INSTANCE","name":"pod-1 of shop::cart","id0":"c2hvcDo6Y2FydA\u003d\u003d.1_cG9kLTE\u003d","id1":"","ruleName":"service_resp_time_rule","alarmMessage":"Response time of pod-1 of shop::cart is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":[]}]
        [{"recoveryTime":1795515000000,"scopeId":3,"scope":"ENDPOINT","name":"GET:/x?q\u003d\"\u003c1\u003e\" in shop::cart","id0":"c2hvcDo6Y2FydA\u003d\u003d.1_R0VUOi94P3E9IjwxPiI\u003d","id1":"","ruleName":"service_resp_time_rule","alarmMessage":"Response time of GET:/x?q\u003d\"\u003c1\u003e\" in shop::cart is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":[]}]
        [{"recoveryTime":1795515000000,"scopeId":4,"scope":"SERVICE_RELATION","name":"shop::cart to db","id0":"c2hvcDo6Y2FydA\u003d\u003d.1","id1":"ZGI\u003d.0","ruleName":"service_resp_time_rule","alarmMessage":"Response time of shop::cart to db is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":[]}]
        [{"recoveryTime":1795515000000,"scopeId":5,"scope":"SERVICE_INSTANCE_RELATION","name":"pod-1 of shop::cart to db:5432 of db","id0":"c2hvcDo6Y2FydA\u003d\u003d.1_cG9kLTE\u003d","id1":"ZGI\u003d.0_ZGI6NTQzMg\u003d\u003d","ruleName":"service_resp_time_rule","alarmMessage":"Response time of pod-1 of shop::cart to db:5432 of db is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":[]}]
        [{"recoveryTime":1795515000000,"scopeId":6,"scope":"ENDPOINT_RELATION","name":"/x in shop::cart to /y in db","id0":"c2hvcDo6Y2FydA\u003d\u003d.1_L3g\u003d","id1":"ZGI\u003d.0_L3k\u003d","ruleName":"service_resp_time_rule","alarmMessage":"Response time of /x in shop::cart to /y in db is more than 1000ms","tags":[{"key":"level","value":"WARNING"},{"key":"owner","value":"Ann \u0026 Bob"}],"startTime":1795514400000,"hooks":["webhook.ops"],"expression":"sum(service_resp_time \u003e 1000) \u003e\u003d 1","mqeMetricsSnapshot":{"service_resp_time":"[{\"metric\":{\"labels\":[]},\"values\":[{\"id\":\"202611240959\",\"doubleValue\":0.0,\"isEmptyValue\":true},{\"id\":\"202611241000\",\"doubleValue\":1234.0,\"isEmptyValue\":false}]}]"},"uuid":"00000000-0000-0000-0000-000000000001","layers":[]}]
    "#]].assert_eq(&all(true));
}

#[test]
fn doubles_are_written_as_java_writes_them() {
    let all = [0.0, 1.0, 1234.5, 9_999_999.0, 1e7, 12_345_678.9, 0.001, 0.000_999, -1.5e-7, 1e21];
    let shown = all.map(java_double).join(" ");
    expect!["0.0 1.0 1234.5 9999999.0 1.0E7 1.23456789E7 0.001 9.99E-4 -1.5E-7 1.0E21"].assert_eq(&shown);
}

#[test]
fn alertmanager_s_webhook() {
    let shown = samples::shown(samples::entities().remove(2), false);
    let json: Value = serde_json::from_str(&alertmanager_webhook(&shown)).unwrap();
    expect_file!["golden/alertmanager.json"].assert_eq(&pretty(&json));
}

#[test]
fn common_labels_are_those_that_all_share() {
    let incidents: Vec<_> = samples::entities()
        .into_iter()
        .enumerate()
        .map(|(n, entity)| {
            let mut incident = samples::incident(entity, false);
            incident.id = format!("{n:032}");
            incident
        })
        .collect();
    let notification = samples::notification("webhook.ops", &incidents);
    let shown = Shown::new(&notification, &incidents, &samples::about(), samples::NOON);
    let json: Value = serde_json::from_str(&alertmanager_webhook(&shown)).unwrap();
    expect![[r#"{"alertname":"service_resp_time_rule","layer":"GENERAL","level":"WARNING","owner":"Ann & Bob","severity":"warning"}"#]].assert_eq(&json["commonLabels"].to_string());
    assert_eq!(json["alerts"].as_array().unwrap().len(), 6);
}

#[test]
fn alertmanager_s_alerts_end_when_they_are_over() {
    let entity = samples::entities().remove(0);
    let ends = |is_over| {
        let shown = samples::shown(entity.clone(), is_over);
        let json: Value = serde_json::from_str(&alertmanager_alerts(&shown)).unwrap();
        (json[0]["startsAt"].clone(), json[0]["endsAt"].clone())
    };
    assert_eq!(ends(false), (json!("2026-11-24T10:00:00.000Z"), Value::Null));
    assert_eq!(ends(true), (json!("2026-11-24T10:00:00.000Z"), json!("2026-11-24T10:10:00.000Z")));
}

#[test]
fn a_cloud_event() {
    let shown = samples::shown(samples::entities().remove(3), true);
    let json: Value = serde_json::from_str(&cloud_event(&shown)).unwrap();
    expect_file!["golden/cloudevent.json"].assert_eq(&pretty(&json));
}
