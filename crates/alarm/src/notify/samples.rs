//! Notifications for tests: firing and recovery of each scope.

use std::collections::BTreeMap;

use model::{Bucket, Scope, UnixMillis, Zone, id};

use super::told::{About, Shown};
use crate::entity::Entity;
use crate::incident::{Evidence, Incident, State, Transition, What};
use crate::notification::{Notification, Status, Told};
use crate::rule::{Profile, Severity};

/// 2026-11-24T10:00:00Z.
pub(crate) const NOON: UnixMillis = UnixMillis(1_795_514_400_000);

/// An entity of each scope, with names that must be escaped.
pub(crate) fn entities() -> Vec<Entity> {
    let (a, b) = (id::service("shop::cart", true), id::service("db", false));
    let (a1, b1) = (id::instance(&a, "pod-1"), id::instance(&b, "db:5432"));
    let all = [
        (Scope::Service, a.clone()),
        (Scope::ServiceInstance, a1.clone()),
        (Scope::Endpoint, id::endpoint(&a, "GET:/x?q=\"<1>\"")),
        (Scope::ServiceRelation, id::relation(&a, &b)),
        (Scope::ServiceInstanceRelation, id::relation(&a1, &b1)),
        (Scope::EndpointRelation, id::endpoint_relation(&a, "/x", &b, "/y")),
    ];
    all.into_iter().map(|(scope, id)| Entity::of(scope, id).unwrap()).collect()
}

/// An incident that fired, and is over where `is_over`.
pub(crate) fn incident(entity: Entity, is_over: bool) -> Incident {
    let minute = NOON.minute().unwrap();
    let message = format!("Response time of {} is more than 1000ms", entity.name);
    let fired = Transition {
        seq: 1,
        what: What::Fired,
        minute,
        at: NOON,
        uuid: "00000000-0000-0000-0000-000000000001".to_owned(),
        message: message.clone(),
        tags: BTreeMap::from([
            ("level".to_owned(), "WARNING".to_owned()),
            ("owner".to_owned(), "Ann & Bob".to_owned()),
        ]),
        annotations: BTreeMap::from([("runbook".to_owned(), "https://wiki/slow".to_owned())]),
        evidence: vec![Evidence {
            metric: "service_resp_time".to_owned(),
            labels: Vec::new(),
            values: vec![(Bucket(minute.0 - 1), None), (minute, Some(1_234.0))],
        }],
        incomplete: false,
        reason: None,
        marks: Vec::new(),
        dispatched: false,
    };
    let mut transitions = vec![fired.clone()];
    if is_over {
        transitions.push(Transition {
            seq: 2,
            what: What::Recovered,
            at: NOON.plus(600_000),
            uuid: "00000000-0000-0000-0000-000000000002".to_owned(),
            evidence: Vec::new(),
            reason: Some(crate::incident::Reason::Condition),
            ..fired
        });
    }
    Incident {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        rule: "r1".to_owned(),
        rule_name: "service_resp_time_rule".to_owned(),
        expression: "sum(service_resp_time > 1000) >= 1".to_owned(),
        hooks: vec!["webhook.ops".to_owned()],
        profile: Profile::Skywalking,
        severity: Severity::Warning,
        shadow: false,
        entity,
        layers: vec!["GENERAL".to_owned()],
        labels: Vec::new(),
        state: if is_over { State::Recovered } else { State::Firing },
        entered: minute,
        silent_until: minute,
        observed_until: minute,
        opened: minute,
        closed: None,
        transitions,
        acknowledged: None,
        assignee: String::new(),
        comments: Vec::new(),
        origin: None,
        change: String::new(),
    }
}

/// A notification that tells the last transition of each incident.
pub(crate) fn notification(receiver: &str, incidents: &[Incident]) -> Notification {
    let told = incidents.iter().map(|incident| {
        let last = incident.transitions.last().unwrap();
        Told {
            incident: incident.id.clone(),
            seq: last.seq,
            what: last.what,
            at: last.at,
            uuid: last.uuid.clone(),
            message: last.message.clone(),
            flapping: false,
        }
    });
    Notification {
        id: "n1".to_owned(),
        group: "g1".to_owned(),
        sequence: 1,
        receiver: receiver.to_owned(),
        labels: BTreeMap::from([("service".to_owned(), "shop::cart".to_owned())]),
        told: told.collect(),
        omitted: 0,
        folded: 0,
        repeated: false,
        test: false,
        made: NOON,
        status: Status::Waiting,
        next: NOON,
        n_attempts: 0,
        attempts: Vec::new(),
        finished: None,
        delivered: Vec::new(),
        redriven: None,
        sample: None,
        change: String::new(),
    }
}

/// What the two constants above have in common.
pub(crate) fn about() -> About {
    About { zone: Zone::utc(), external_url: "https://alarms.example.com".to_owned() }
}

/// The firing or the recovery of one entity.
pub(crate) fn shown(entity: Entity, is_over: bool) -> Shown {
    let incidents = [incident(entity, is_over)];
    Shown::new(&notification("webhook.ops", &incidents), &incidents, &about(), NOON.plus(1_000))
}
