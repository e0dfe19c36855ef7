//! Tests: a receiver is sent a sample, an alarm is fired through the whole route. Neither touches what is real: the alarm of a test is
//! in its notification and nowhere else.

use std::collections::BTreeMap;

use model::Scope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::Op;
use crate::deliver::Sent;
use crate::dispatch::labels;
use crate::dispatch::tree::{group_id, notification_id};
use crate::edit::{By, EditError};
use crate::engine;
use crate::entity::{Entity, scope_name};
use crate::incident::{Incident, Reason, Transition, What};
use crate::notification::{Notification, Status, Told};
use crate::notify::answer::Verdict;
use crate::notify::told::{Shown, TEST};
use crate::pass::{Telling, Texts, close, transition_uuid};
use crate::receiver::Receiver;
use crate::rule::Rule;

use model::item::Revision;

use super::{Desk, DeskError, RoutePreview, RouteTarget};

/// What a receiver is sent as a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Sample {
    /// An alarm that fires.
    #[default]
    Firing,
    /// The same, over.
    Recovery,
}

/// How a test of a receiver went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tested {
    /// Whether the receiver has it.
    pub delivered: bool,
    /// The status of its answer, where there was one.
    pub status: Option<u16>,
    /// What went wrong; empty: nothing.
    pub error: String,
    /// Templates that failed, and why: the plain message was sent instead.
    pub fallbacks: Vec<String>,
    /// A hash of what was sent.
    pub payload: String,
}

/// What a test alarm does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FireState {
    /// It fires.
    #[default]
    Firing,
    /// It is over.
    Recovered,
}

/// An alarm that is fired as a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fire {
    /// Id of the rule.
    pub rule: String,
    /// Id of the entity, of the rule's scope. It need not exist.
    pub entity: String,
    /// What it does.
    #[serde(default)]
    pub state: FireState,
}

/// One way that a test took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldTo {
    /// The way.
    #[serde(flatten)]
    pub target: RouteTarget,
    /// Id of the notification, to look after it; `None`: there is no such receiver.
    pub notification: Option<String>,
}

/// What was fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fired {
    /// Whom it is told. No silence and no interval holds a test back.
    pub told: Vec<ToldTo>,
    /// The silence that would hold a real alarm back at this moment.
    pub silenced_by: Option<String>,
    /// The labels of the alarm, as routes see them.
    pub labels: BTreeMap<String, String>,
    /// What of the routing cannot be used, and why.
    pub problems: Vec<String>,
}

impl Desk {
    /// Sends a sample to a receiver that is stored.
    pub async fn test_receiver(&self, id: &str, sample: Sample) -> Result<Tested, DeskError> {
        let receiver = self.get::<Receiver>(id).await?.doc;
        self.tested(&receiver, sample).await
    }

    /// Sends a sample to a receiver that is not saved. Secrets that are `***` are those of the stored one of its id.
    pub async fn test_unsaved(&self, receiver: Receiver, sample: Sample, by: &By) -> Result<Tested, DeskError> {
        let present = match self.edits.get::<Receiver>(&receiver.id).await {
            Ok(present) => Some(present),
            Err(EditError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let prepared = self.edits.prepared(receiver, present.as_ref(), &[], &[], by).await?;
        self.tested(&prepared.0, sample).await
    }

    async fn tested(&self, receiver: &Receiver, sample: Sample) -> Result<Tested, DeskError> {
        let rule = Rule {
            name: "skylark_test".to_owned(),
            expression: "sum(service_resp_time > 1000) >= 1".to_owned(),
            message: "This is a test of receiver {name}: nothing is wrong".to_owned(),
            ..Rule::default()
        };
        let service = model::id::service(&receiver.id, true);
        let entity = Entity { scope: Scope::Service, id: service, name: receiver.id.clone() };
        let is_over = sample == Sample::Recovery;
        let incident = self.sample(&rule, entity, Vec::new(), is_over).await;
        let notification = self.notification(&incident, &receiver.id, "test", BTreeMap::new());
        let shown = Shown::new(&notification, &[incident], &self.ground.about, self.now());
        let Sent { status, failed, fallbacks, payload, .. } = self.transport.send(receiver, &shown, &[]).await;
        let error = match failed {
            Some(Verdict::Again { error, .. } | Verdict::Refused { error }) => error,
            Some(Verdict::Taken) | None => String::new(),
        };
        Ok(Tested {
            delivered: error.is_empty(),
            status,
            error,
            fallbacks: fallbacks.iter().map(ToString::to_string).collect(),
            payload,
        })
    }

    /// Fires a test alarm of a rule for an entity through the whole route: notifications flagged as tests are stored and sent as any
    /// other. What rules and incidents really say stays as it is.
    pub async fn fire(&self, fire: &Fire, by: &By) -> Result<Fired, DeskError> {
        let rule = self.get::<Rule>(&fire.rule).await?.doc;
        let scope = self.scope_of_rule(&rule).unwrap_or(Scope::Service);
        let entity = Entity::of(scope, fire.entity.clone()).ok_or_else(|| {
            let what = format!("{} is no id of a {}", fire.entity, scope_name(scope));
            DeskError::refused("bad_entity", "entity", what)
        })?;
        let layers = self.layers_of(&entity).await?;
        let incident = self.sample(&rule, entity, layers, fire.state == FireState::Recovered).await;
        let labels = labels::of(&incident);
        let (known, problems) = self.known().await?;
        let RoutePreview { targets, silenced_by, problems } =
            RoutePreview::new(&known, problems, (&incident, &labels), self.now());
        let mut told = Vec::new();
        for target in targets {
            let notification = if target.exists {
                let group = group_id(&target.route, &target.group_labels, &target.receiver);
                let made = self.notification(&incident, &target.receiver, &group, target.group_labels.clone());
                let stored = self.edits.write_act(made, Revision(0), Op::Fire, by).await?;
                stored.map(|stored| stored.doc.id)
            } else {
                None
            };
            self.outbox.offer(notification.clone());
            told.push(ToldTo { target, notification });
        }
        Ok(Fired { told, silenced_by, labels, problems })
    }

    /// An incident that fired just now, and is over where it shall be.
    async fn sample(&self, rule: &Rule, entity: Entity, layers: Vec<String>, is_over: bool) -> Incident {
        let now = self.now();
        let id = self.edits.new_id().await;
        let mut incident = Incident { id, entity, layers, ..Incident::of(rule, now.minute().unwrap_or_default()) };
        let telling = |incident: &Incident, what| {
            let reason = (what == What::Recovered).then_some(Reason::Condition);
            let telling = Telling { reason, ..Telling::of(Some(rule), incident, what, incident.opened) };
            let texts = engine::render(&telling, &self.ground.about);
            // A recovery says what its firing said, the mark as well.
            let message = texts.message.strip_prefix(TEST).unwrap_or(&texts.message);
            Texts { message: format!("{TEST}{message}"), ..texts }
        };
        let texts = telling(&incident, What::Fired);
        incident.transitions.push(Transition {
            uuid: transition_uuid(&incident.id, 1),
            message: texts.message,
            tags: texts.tags,
            annotations: texts.annotations,
            dispatched: true,
            ..Transition::bare(1, What::Fired, incident.opened, now)
        });
        if is_over {
            incident = close(&incident, incident.opened, now, telling(&incident, What::Recovered));
        }
        incident
    }

    /// The notification of a test. Its id is like no other: the incident's is random.
    fn notification(
        &self,
        incident: &Incident,
        receiver: &str,
        group: &str,
        labels: BTreeMap<String, String>,
    ) -> Notification {
        let now = self.now();
        let told = incident.transitions.last().map(|last| Told::of(incident, last));
        Notification {
            id: notification_id(&format!("{group}/{}", incident.id), 1),
            group: group.to_owned(),
            sequence: 1,
            receiver: receiver.to_owned(),
            labels,
            told: told.into_iter().collect(),
            omitted: 0,
            folded: 0,
            repeated: false,
            test: true,
            made: now,
            status: Status::Waiting,
            next: now,
            n_attempts: 0,
            attempts: Vec::new(),
            finished: None,
            delivered: Vec::new(),
            redriven: None,
            sample: Some(Box::new(incident.clone())),
            change: String::new(),
        }
    }
}
