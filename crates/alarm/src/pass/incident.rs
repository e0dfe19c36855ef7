//! Incidents as a pass leaves them: opened, moved on, closed, each with its transition where others are told.

use model::id::hex;
use model::{Bucket, UnixMillis};
use mqe::{Loaded, Need};
use sha2::{Digest, Sha256};

use super::{Input, Telling, Texts};
use crate::columns::Labels;
use crate::entity::Entity;
use crate::incident::{Evidence, Incident, KEPT_TRANSITIONS, Reason, State, Transition, What};
use crate::plan::Planned;
use crate::rule::Rule;
use crate::state::Live;

/// Series that a transition shows at most.
const MAX_EVIDENCE: usize = 100;

/// What is told of an instance.
pub(super) struct Told<'a> {
    pub(super) input: &'a Input<'a>,
    /// `None`: the rule is no more.
    pub(super) planned: Option<&'a Planned>,
    pub(super) minute: Bucket,
    pub(super) incomplete: bool,
    pub(super) what: Option<What>,
    pub(super) reason: Option<Reason>,
    pub(super) n_more: usize,
}

impl Told<'_> {
    /// The incident with a new state: `known` moved on, or a new one.
    pub(super) fn change(
        &self,
        known: Option<&Incident>,
        (entity, layers, labels): (&Entity, &[String], &Labels),
        live: &Live,
        evidence: impl FnOnce() -> Vec<Evidence>,
    ) -> Incident {
        let mut incident = known.cloned().unwrap_or_else(|| self.opened(entity, layers, labels, live));
        (incident.state, incident.entered) = (live.state, live.entered);
        (incident.silent_until, incident.observed_until) = (live.silent_until, live.observed_until);
        let Some(what) = self.what else { return incident };
        let evidence = if what == What::Recovered { Vec::new() } else { evidence() };
        let telling = Telling {
            rule: self.planned.map(|planned| &planned.rule),
            own: self.planned.and_then(|planned| planned.own(&incident.entity, &incident.layers)),
            incident: &incident,
            what,
            reason: self.reason,
            minute: self.minute,
            evidence: &evidence,
            n_more: self.n_more,
        };
        let texts = (self.input.render)(&telling);
        let seq = incident.transitions.last().map_or(1, |last| last.seq.saturating_add(1));
        let transition = Transition {
            uuid: uuid(&incident.id, seq),
            message: texts.message,
            tags: texts.tags,
            annotations: texts.annotations,
            evidence,
            incomplete: self.incomplete,
            reason: self.reason,
            ..Transition::bare(seq, what, self.minute, self.input.now)
        };
        incident.transitions.push(transition);
        prune(&mut incident.transitions);
        if what == What::Recovered {
            incident.closed = Some(self.input.now);
        }
        incident
    }

    fn opened(&self, entity: &Entity, layers: &[String], labels: &Labels, live: &Live) -> Incident {
        let bare = Rule::default();
        let rule = self.planned.map_or(&bare, |planned| &planned.rule);
        Incident {
            id: id(&rule.id, entity, labels, live.opened),
            entity: entity.clone(),
            layers: layers.to_vec(),
            labels: labels.clone(),
            state: live.state,
            entered: live.entered,
            silent_until: live.silent_until,
            observed_until: live.observed_until,
            ..Incident::of(rule, live.opened)
        }
    }
}

/// An incident that somebody closes, told like a recovery. The minute counts as evaluated, so that a condition that is true still opens
/// another incident in the next one at the earliest.
pub(crate) fn close(incident: &Incident, minute: Bucket, now: UnixMillis, texts: Texts) -> Incident {
    let mut next = incident.clone();
    let seq = incident.transitions.last().map_or(1, |last| last.seq.saturating_add(1));
    next.transitions.push(Transition {
        uuid: uuid(&incident.id, seq),
        message: texts.message,
        tags: texts.tags,
        annotations: texts.annotations,
        reason: Some(Reason::Operator),
        ..Transition::bare(seq, What::Recovered, minute, now)
    });
    prune(&mut next.transitions);
    (next.state, next.entered, next.closed) = (State::Recovered, minute, Some(now));
    next
}

/// The id of an incident: whoever decides that it opened finds the same one.
fn id(rule: &str, entity: &Entity, labels: &Labels, opened: Bucket) -> String {
    let mut hash = Sha256::new();
    let mut text = |text: &str| {
        // With its length, so that no two lists of texts are alike.
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(text);
    };
    text(rule);
    text(&entity.scope.code().to_string());
    text(&entity.id);
    labels.iter().for_each(|(name, value)| {
        text(name);
        text(value);
    });
    text(&opened.0.to_string());
    hex(hash.finalize().iter().take(16))
}

/// The id of a transition, in the form of a UUID.
pub(crate) fn uuid(incident: &str, seq: u32) -> String {
    let mut digits = hex(Sha256::digest(format!("{incident}/{seq}")).iter().take(16));
    for (at, place) in [8, 13, 18, 23].into_iter().enumerate() {
        debug_assert!(place <= digits.len() + at, "32 digits");
        digits.insert(place, '-');
    }
    digits
}

/// Lets go of dispatched transitions beyond what is kept: never the first one, never the last one.
pub(super) fn prune(transitions: &mut Vec<Transition>) {
    let last = transitions.last().map(|last| last.seq);
    let mut surplus = transitions.len().saturating_sub(KEPT_TRANSITIONS);
    let mut is_first = true;
    transitions.retain(|transition| {
        let goes = surplus > 0 && !is_first && transition.dispatched && Some(transition.seq) != last;
        surplus -= usize::from(goes);
        is_first = false;
        !goes
    });
}

/// What was seen of an entity: the series that the condition reads.
pub(crate) fn evidence(planned: &Planned, input: &Input<'_>, minute: Bucket, entity: usize) -> Vec<Evidence> {
    let Some(table) = input.columns.table(planned.scope) else { return Vec::new() };
    let mut all = Vec::new();
    for (need, labelled) in planned.needs() {
        let (grain, buckets) = input.columns.buckets(need, planned.params.period, minute);
        let Need::Series { metric, .. } = need else { continue };
        let frame = (grain, buckets);
        let Loaded::Series { rows, .. } = table.load(&metric.name, labelled, &frame, &[entity]) else { continue };
        let selected = metric.selected();
        for row in rows {
            let is_selected = selected.iter().all(|(name, values)| {
                row.labels.iter().any(|(own, value)| own == name && values.contains(&value.as_str()))
            });
            if all.len() < MAX_EVIDENCE && (is_selected || !labelled) {
                let values = frame.1.iter().copied().zip(row.values.of_entity(0)).collect();
                all.push(Evidence { metric: metric.to_string(), labels: row.labels, values });
            }
        }
    }
    all
}
