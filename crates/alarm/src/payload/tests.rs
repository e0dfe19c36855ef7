use expect_test::expect;

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

#[test]
fn skywalking_s_firings_of_each_scope() {
    expect![[r#""#]].assert_eq(&all(false));
}

#[test]
fn skywalking_s_recoveries_of_each_scope() {
    expect![[r#""#]].assert_eq(&all(true));
}

#[test]
fn doubles_are_written_as_java_writes_them() {
    let all = [0.0, 1.0, 1234.5, 9_999_999.0, 1e7, 12_345_678.9, 0.001, 0.000_999, -1.5e-7, 1e21];
    let shown = all.map(java_double).join(" ");
    expect![[r#""#]].assert_eq(&shown);
}

#[test]
fn alertmanager_s_webhook() {
    let shown = samples::shown(samples::entities().remove(2), false);
    let json: Value = serde_json::from_str(&alertmanager_webhook(&shown)).unwrap();
    expect![[r#""#]].assert_eq(&serde_json::to_string_pretty(&json).unwrap());
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
    expect![[r#""#]].assert_eq(&json["commonLabels"].to_string());
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
    expect![[r#""#]].assert_eq(&serde_json::to_string_pretty(&json).unwrap());
}
