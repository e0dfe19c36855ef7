//! What is sent as JSON: SkyWalking's own array, Alertmanager's webhook, and a CloudEvent.
//!
//! SkyWalking's is its wire, byte for byte: the order of keys, the escapes that Gson makes for HTML, doubles as Java writes them, a
//! recovery with its time first and no layers, the snapshot as texts of JSON within JSON.

use std::collections::BTreeMap;
use std::io;

use model::{Step, UnixMillis, Zone};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Value, json};

use crate::incident::Evidence;
use crate::notify::told::{Alarm, Shown};

/// SkyWalking's array of alarms, each as firing or recovery.
pub fn skywalking<'a>(alarms: impl IntoIterator<Item = &'a Alarm>, zone: &Zone) -> String {
    let messages: Vec<Message<'_>> = alarms.into_iter().map(|alarm| message(alarm, zone)).collect();
    gson(&messages)
}

/// Alertmanager's webhook, version 4.
pub fn alertmanager_webhook(shown: &Shown) -> String {
    let labels: Vec<_> = shown.alarms.iter().map(labels).collect();
    let annotations: Vec<_> = shown.alarms.iter().map(annotations).collect();
    let alerts: Vec<Value> = shown.alarms.iter().zip(labels.iter().zip(&annotations)).map(alert).collect();
    let body = json!({
        "receiver": shown.receiver,
        "status": shown.status,
        "alerts": alerts,
        "groupLabels": shown.labels,
        "commonLabels": common(&labels),
        "commonAnnotations": common(&annotations),
        "externalURL": shown.external_url,
        "version": "4",
        "groupKey": shown.group,
        "truncatedAlerts": shown.omitted,
    });
    body.to_string()
}

/// What Alertmanager takes on `/api/v2/alerts`.
pub fn alertmanager_alerts(shown: &Shown) -> String {
    let alerts: Vec<Value> = shown
        .alarms
        .iter()
        .map(|alarm| {
            let mut alert = json!({
                "labels": labels(alarm),
                "annotations": annotations(alarm),
                "startsAt": rfc3339(alarm.started),
                "generatorURL": link(alarm),
            });
            // Without an end Alertmanager takes the alarm for open as long as its own resolve timeout.
            if let Some(ended) = alarm.ended {
                alert["endsAt"] = rfc3339(ended).into();
            }
            alert
        })
        .collect();
    Value::Array(alerts).to_string()
}

/// A CloudEvent 1.0 in structured mode; its data are all that templates see too.
pub fn cloud_event(shown: &Shown) -> String {
    let source = if shown.external_url.is_empty() { "/skylark/alarm" } else { &shown.external_url };
    let event = json!({
        "specversion": "1.0",
        "id": shown.id,
        "source": source,
        "type": "org.skylark.alarm.notification",
        "subject": shown.group,
        "time": rfc3339(shown.made),
        "datacontenttype": "application/json",
        "data": shown,
    });
    event.to_string()
}

/// The labels of an alarm as Alertmanager has them, those that are empty left out.
pub(crate) fn labels(alarm: &Alarm) -> BTreeMap<String, String> {
    let severity = format!("{:?}", alarm.severity).to_lowercase();
    let own = [
        ("alertname", &alarm.rule),
        ("severity", &severity),
        ("scope", &alarm.scope.to_owned()),
        ("layer", alarm.layers.first().unwrap_or(&String::new())),
        ("service", &alarm.service),
        ("source_service", &alarm.source_service),
        ("instance", &alarm.instance),
        ("endpoint", &alarm.endpoint),
        ("group", &alarm.group),
        ("entity", &alarm.name),
    ]
    .map(|(key, value)| (key.to_owned(), value.clone()));
    // A tag named like one of ours would make two alarms one: ours hold.
    let mut labels: BTreeMap<String, String> =
        alarm.tags.iter().chain(&alarm.labels).map(|(key, value)| (key.clone(), value.clone())).collect();
    labels.extend(own.into_iter().filter(|(_, value)| !value.is_empty()));
    labels
}

fn annotations(alarm: &Alarm) -> BTreeMap<String, String> {
    let mut annotations = alarm.annotations.clone();
    annotations.insert("summary".to_owned(), alarm.message.clone());
    annotations.insert("expression".to_owned(), alarm.expression.clone());
    annotations.insert("incident".to_owned(), alarm.incident.clone());
    annotations
}

type Texts = BTreeMap<String, String>;

fn alert((alarm, (labels, annotations)): (&Alarm, (&Texts, &Texts))) -> Value {
    json!({
        "status": alarm.status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": rfc3339(alarm.started),
        // What Go writes for a time that is not set.
        "endsAt": alarm.ended.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), rfc3339),
        "generatorURL": link(alarm),
        "fingerprint": alarm.incident.chars().take(16).collect::<String>(),
    })
}

fn common(all: &[Texts]) -> Texts {
    let Some((first, rest)) = all.split_first() else { return Texts::new() };
    let is_common = |(key, value): &(&String, &String)| rest.iter().all(|other| other.get(*key) == Some(value));
    first.iter().filter(is_common).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn link(alarm: &Alarm) -> &str {
    alarm.links.get("incident").map_or("", String::as_str)
}

/// A moment as RFC 3339 has it, in UTC.
pub(crate) fn rfc3339(at: UnixMillis) -> String {
    let t = Zone::utc().civil(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.millisecond()
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_time: Option<i64>,
    scope_id: u8,
    scope: &'a str,
    name: &'a str,
    id0: String,
    id1: String,
    rule_name: &'a str,
    alarm_message: &'a str,
    tags: Vec<Tag<'a>>,
    start_time: i64,
    hooks: &'a [String],
    expression: &'a str,
    mqe_metrics_snapshot: Snapshot,
    uuid: &'a str,
    layers: &'a [String],
}

#[derive(Serialize)]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
}

fn message<'a>(alarm: &'a Alarm, zone: &Zone) -> Message<'a> {
    let (id0, id1) = alarm.entity.ids();
    Message {
        recovery_time: alarm.ended.map(|at| at.0),
        scope_id: alarm.entity.scope_id(),
        scope: alarm.scope,
        name: &alarm.name,
        id0,
        id1,
        rule_name: &alarm.rule,
        alarm_message: &alarm.message,
        tags: alarm.tags.iter().map(|(key, value)| Tag { key, value }).collect(),
        start_time: alarm.fired.0,
        hooks: &alarm.hooks,
        expression: &alarm.expression,
        mqe_metrics_snapshot: Snapshot(snapshot(&alarm.evidence, zone)),
        uuid: &alarm.uuid,
        layers: if alarm.is_firing() { &alarm.layers } else { &[] },
    }
}

/// A map in the order of the expression.
struct Snapshot(Vec<(String, String)>);

impl Serialize for Snapshot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(metric, series)| (metric, series)))
    }
}

#[derive(Serialize)]
struct Labelled<'a> {
    metric: MetricOf<'a>,
    values: Vec<ValueOf>,
}

#[derive(Serialize)]
struct MetricOf<'a> {
    labels: Vec<Tag<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ValueOf {
    id: String,
    double_value: f64,
    is_empty_value: bool,
}

/// What SkyWalking keeps of the metrics that an expression names: for each the text of a JSON array of its series. Also the snapshot
/// of its alarm records.
pub fn snapshot(evidence: &[Evidence], zone: &Zone) -> Vec<(String, String)> {
    let mut order: Vec<&str> = Vec::new();
    for one in evidence {
        if !order.contains(&one.metric.as_str()) {
            order.push(&one.metric);
        }
    }
    let series = |metric: &str| -> Vec<Labelled<'_>> {
        evidence.iter().filter(|one| one.metric == metric).map(|one| labelled(one, zone)).collect()
    };
    order.into_iter().map(|metric| (metric.to_owned(), gson(&series(metric)))).collect()
}

fn labelled<'a>(evidence: &'a Evidence, zone: &Zone) -> Labelled<'a> {
    Labelled {
        metric: MetricOf { labels: evidence.labels.iter().map(|(key, value)| Tag { key, value }).collect() },
        values: evidence
            .values
            .iter()
            .map(|(minute, value)| ValueOf {
                id: zone.bucket_text(Step::Minute, *minute),
                double_value: value.unwrap_or(0.0),
                is_empty_value: value.is_none(),
            })
            .collect(),
    }
}

/// The text that Gson writes of a value.
pub fn gson(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut out, Gson))
        .expect("texts, numbers and maps with texts as keys");
    String::from_utf8(out).expect("it is made of texts")
}

/// Gson's way where it is another than serde's: characters that mean something in HTML, and doubles.
struct Gson;

impl Formatter for Gson {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(java_double(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for piece in fragment.split_inclusive(['<', '>', '&', '=', '\'', '\u{2028}', '\u{2029}']) {
            let mut chars = piece.chars();
            match chars.next_back() {
                Some(last @ ('<' | '>' | '&' | '=' | '\'' | '\u{2028}' | '\u{2029}')) => {
                    writer.write_all(chars.as_str().as_bytes())?;
                    write!(writer, "\\u{:04x}", u32::from(last))?;
                }
                _ => writer.write_all(piece.as_bytes())?,
            }
        }
        Ok(())
    }
}

/// `Double.toString`: decimal from a thousandth up to ten million, scientific beyond.
fn java_double(value: f64) -> String {
    let abs = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&abs) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => text,
    }
}

#[cfg(test)]
mod tests;
