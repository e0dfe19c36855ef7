//! Alarm and recovery records: what `getAlarm` and `queryAlarms` list. Pure: a stored transition always makes the same records and the
//! same rows, so whoever is not sure that they were written writes them again.

use std::collections::BTreeMap;

use model::kinds::{RecordKind, alarm as field, alarm_recovery};
use model::record::{FieldValue, Format, Record};
use model::{Agg, Cells, Partial, Row, RowKey, Scope, Step, UnixMillis, Zone, cell};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storage::Batch;

use crate::entity::Entity;
use crate::incident::{Evidence, Incident, Transition, What};
use crate::pass::transition_uuid;
use crate::rule::Severity;

/// How the rows of alarms' tags begin: `ALARM|level`.
pub const TAG_ROWS: &str = "ALARM|";
/// Most UTF-16 units of `key=value`: a longer one is shown and not searchable.
const MAX_TAG_UNITS: usize = 256;

/// An alarm record's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fired {
    /// Id of the incident.
    pub incident: String,
    /// Number of the transition in it.
    pub seq: u32,
    /// What it is about.
    pub entity: Entity,
    /// Id of the rule.
    pub rule: String,
    /// The rule's name then.
    pub rule_name: String,
    /// The rule's expression then.
    pub expression: String,
    /// How bad it is.
    pub severity: Severity,
    /// Layers of the entity's service.
    pub layers: Vec<String>,
    /// The text.
    pub message: String,
    /// The rule's tags as they were rendered.
    pub tags: BTreeMap<String, String>,
    /// What was seen.
    pub evidence: Vec<Evidence>,
}

/// What is to be written of a transition that its incident has already: of a firing its record and the rows that complete its
/// searchable tags; of a recovery one record for *every* firing of the incident, so that none is listed as open for ever.
///
/// `zone` is the store's, `searchable` are the keys of tags by which alarms can be found. Of a rule in shadow mode there is nothing:
/// its alarms are told to nobody, and so they are not listed beside those that are.
pub fn batch(incident: &Incident, transition: &Transition, zone: &Zone, searchable: &[String]) -> Batch {
    if incident.shadow {
        return Batch::default();
    }
    match transition.what {
        What::Fired | What::FiredAgain => {
            let tags = searchable_tags(transition, searchable);
            let rows = tags.iter().map(|(key, value)| tag_row(key, value, transition.at, zone)).collect();
            Batch { rows, records: vec![alarm(incident, transition, &tags)] }
        }
        What::Recovered => Batch { rows: Vec::new(), records: recoveries(incident, transition) },
    }
}

fn alarm(incident: &Incident, transition: &Transition, tags: &[(&str, &str)]) -> Record {
    let entity = &incident.entity;
    let mut fields = vec![FieldValue::Absent; RecordKind::Alarm.def().fields.len()];
    fields[field::SCOPE] = FieldValue::Int(entity.scope_id().into());
    fields[field::ENTITIES] = FieldValue::Texts(found_by(entity).into_iter().map(Into::into).collect());
    fields[field::RULE] = FieldValue::keyword(incident.rule_name.clone());
    // SkyWalking's alarms have one layer.
    fields[field::LAYER] = FieldValue::keyword(incident.layers.first().cloned().unwrap_or_default());
    if !tags.is_empty() {
        fields[field::TAGS] =
            FieldValue::Texts(tags.iter().map(|(key, value)| format!("{key}={value}").into()).collect());
    }
    fields[field::MESSAGE] = FieldValue::keyword(transition.message.clone());
    fields[field::INCIDENT] = FieldValue::keyword(incident.id.clone());
    let body = Fired {
        incident: incident.id.clone(),
        seq: transition.seq,
        entity: entity.clone(),
        rule: incident.rule.clone(),
        rule_name: incident.rule_name.clone(),
        expression: incident.expression.clone(),
        severity: incident.severity,
        layers: incident.layers.clone(),
        message: transition.message.clone(),
        tags: transition.tags.clone(),
        evidence: transition.evidence.clone(),
    };
    Record {
        kind: RecordKind::Alarm,
        id: transition.uuid.clone().into(),
        time: transition.at,
        fields,
        format: Format::Alarm,
        body: serde_json::to_vec(&body).expect("texts and numbers are JSON").into(),
    }
}

/// By what the alarms of an entity are found: its id; of a relation, the ids of both ends and its own, which stands for the two together.
pub fn found_by(entity: &Entity) -> Vec<String> {
    let (first, second) = entity.ids();
    if second.is_empty() { vec![first] } else { vec![first, second, entity.id.clone()] }
}

/// One record for each firing before the recovery, those too that the incident keeps no more.
fn recoveries(incident: &Incident, recovery: &Transition) -> Vec<Record> {
    let uuid = |seq: u32| {
        let kept = incident.transitions.iter().find(|kept| kept.seq == seq);
        kept.map_or_else(|| transition_uuid(&incident.id, seq), |kept| kept.uuid.clone())
    };
    let mut fields = vec![FieldValue::Absent; RecordKind::AlarmRecovery.def().fields.len()];
    fields[alarm_recovery::INCIDENT] = FieldValue::keyword(incident.id.clone());
    let record = |seq| Record {
        kind: RecordKind::AlarmRecovery,
        id: uuid(seq).into(),
        time: recovery.at,
        fields: fields.clone(),
        format: Format::None,
        body: bytes::Bytes::new(),
    };
    (1..recovery.seq).map(record).collect()
}

/// The tags by which an alarm can be found.
fn searchable_tags<'a>(transition: &'a Transition, searchable: &[String]) -> Vec<(&'a str, &'a str)> {
    let units = |text: &str| text.encode_utf16().count();
    let is_searchable = |(key, value): &(&str, &str)| {
        searchable.iter().any(|one| one == key) && units(key) + 1 + units(value) <= MAX_TAG_UNITS
    };
    transition.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).filter(is_searchable).collect()
}

/// The row that says that a value of a tag was seen on a day. Rows are totals of whoever writes them, and no node has the total of a
/// tag's values; so each value counts as a writer of its own, which has written it once: the same row whoever writes it, however often.
fn tag_row(key: &str, value: &str, at: UnixMillis, zone: &Zone) -> Row {
    let digest = Sha256::digest(format!("{TAG_ROWS}{key}={value}"));
    let writer = digest.iter().take(8).fold(0, |writer, byte| writer << 8 | u64::from(*byte));
    let day = at.minute().map(|minute| zone.bucket(Step::Day, minute)).unwrap_or_default();
    Row {
        key: RowKey { scope: Scope::Tag, step: Step::Day, bucket: day, entity: format!("{TAG_ROWS}{key}").into() },
        partial: Partial { writer, life: 0 },
        seq: 1,
        cells: Cells::from_iter([(cell::VALUES, Agg::text(value, UnixMillis(0), ""))]),
    }
}

#[cfg(test)]
mod tests {
    use model::Zone;
    use storage::memory::Memory;
    use storage::{Entities, RecordQuery, ScanQuery, Store as _};

    use super::*;
    use crate::notify::samples::{NOON, entities, incident};

    fn level() -> Vec<String> {
        vec!["level".to_owned()]
    }

    /// All values of a tag on all days.
    async fn values(store: &Memory, key: &str) -> Vec<String> {
        let query = ScanQuery {
            scope: Scope::Tag,
            step: Step::Day,
            from: model::Bucket(0),
            to: model::Bucket(u32::MAX),
            entities: Entities::Ids(vec![format!("{TAG_ROWS}{key}").into()]),
            cells: vec![cell::VALUES],
            changed_since: None,
            after: None,
            limit: 10,
        };
        let rows = store.scan(&query).await.unwrap().rows;
        let texts = rows.iter().filter_map(|row| match row.cells.get(cell::VALUES) {
            Some(Agg::Texts(texts)) => Some(texts.keys().cloned()),
            _ => None,
        });
        texts.flatten().collect()
    }

    #[tokio::test]
    async fn writing_again_changes_nothing_and_values_of_a_tag_add_up() {
        let store = Memory::new();
        let mut other = incident(entities()[1].clone(), false);
        other.transitions[0].uuid = "00000000-0000-0000-0000-000000000009".to_owned();
        other.transitions[0].tags.insert("level".to_owned(), "CRITICAL".to_owned());
        let first = incident(entities()[0].clone(), false);
        for incident in [&first, &other, &first, &other] {
            store.write(&batch(incident, &incident.transitions[0], &Zone::utc(), &level())).await.unwrap();
        }
        let stored = store.records(&RecordQuery::oldest(RecordKind::Alarm, 10)).await.unwrap().records;
        assert_eq!(stored.len(), 2);
        assert_eq!(values(&store, "level").await, ["CRITICAL", "WARNING"]);
        assert_eq!(values(&store, "owner").await, [""; 0], "its key is not searchable");
    }

    #[test]
    fn an_alarm_is_found_by_its_entity_and_tags_and_holds_what_was_seen() {
        let relation = incident(entities()[3].clone(), false);
        let fired = &relation.transitions[0];
        let record = batch(&relation, fired, &Zone::utc(), &level()).records.remove(0);
        assert_eq!(
            record.fields[field::ENTITIES].texts(),
            ["c2hvcDo6Y2FydA==.1", "ZGI=.0", "c2hvcDo6Y2FydA==.1-ZGI=.0"]
        );
        assert_eq!(record.fields[field::TAGS].texts(), ["level=WARNING"]);
        assert_eq!((record.id.as_ref(), record.time), (fired.uuid.as_str(), NOON));
        let body: Fired = serde_json::from_slice(&record.body).unwrap();
        assert_eq!((&body.tags, &body.evidence, &body.entity), (&fired.tags, &fired.evidence, &relation.entity));
    }

    #[test]
    fn tags_too_long_are_shown_and_not_searched() {
        let mut long = incident(entities()[0].clone(), false);
        for (n, is_searchable) in [(250, true), (251, false)] {
            long.transitions[0].tags.insert("level".to_owned(), "x".repeat(n));
            let batch = batch(&long, &long.transitions[0], &Zone::utc(), &level());
            assert_eq!(batch.rows.len() == 1, is_searchable);
            assert_eq!(batch.records[0].fields[field::TAGS] != FieldValue::Absent, is_searchable);
        }
    }

    #[test]
    fn a_recovery_closes_every_firing_even_those_that_are_no_longer_kept() {
        let mut over = incident(entities()[0].clone(), true);
        over.transitions[1].seq = 4;
        let records = batch(&over, &over.transitions[1], &Zone::utc(), &level()).records;
        let ids: Vec<_> = records.iter().map(|record| record.id.to_string()).collect();
        assert_eq!(ids, [over.transitions[0].uuid.clone(), transition_uuid(&over.id, 2), transition_uuid(&over.id, 3)]);
        assert!(records.iter().all(|record| record.time == over.transitions[1].at));
    }

    #[test]
    fn alarms_of_a_shadow_are_not_listed() {
        let mut shadow = incident(entities()[0].clone(), true);
        shadow.shadow = true;
        let of = |n: usize| batch(&shadow, &shadow.transitions[n], &Zone::utc(), &level());
        assert!(of(0).is_empty() && of(1).is_empty());
    }
}
