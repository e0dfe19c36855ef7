//! What is decided of one incident, for each group that it belongs to.

use std::collections::BTreeMap;

use model::UnixMillis;

use crate::dispatch::flap::Flaps;
use crate::dispatch::inhibit::Sources;
use crate::dispatch::labels::Labels;
use crate::dispatch::pass::{Decided, Input};
use crate::dispatch::tree::Target;
use crate::incident::{Incident, Mark, Outcome, Transition, What};

/// An incident that is open or not done with.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) incident: &'a Incident,
    pub(super) labels: Labels,
}

/// What is the same for all incidents of a pass.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) input: Input<'a>,
    pub(super) sources: Sources<'a>,
    pub(super) flaps: Flaps<'a>,
    /// Incidents that others explain, and which.
    pub(super) folded: BTreeMap<&'a str, &'a str>,
}

/// What a group may tell.
#[derive(Debug)]
pub(super) struct Gathered<'a> {
    pub(super) target: Target<'a>,
    /// News of what is open.
    pub(super) fired: Vec<News<'a>>,
    /// News of what is over.
    pub(super) over: Vec<News<'a>>,
    /// What is open as far as the receiver knows.
    pub(super) open: Vec<&'a Incident>,
    /// Those of them that may be told again.
    pub(super) repeatable: Vec<&'a Incident>,
    /// Whether there are recoveries that wait for something.
    pub(super) held: bool,
}

/// Something of one incident that a group has not told.
#[derive(Debug)]
pub(super) struct News<'a> {
    pub(super) incident: &'a Incident,
    pub(super) transitions: Vec<&'a Transition>,
    /// Whether it is told that it flaps.
    pub(super) flapping: bool,
    /// Whether it was due before it was over.
    pub(super) late: bool,
}

/// An incident in one of its groups.
struct Place<'a, 'b> {
    view: &'b View<'a>,
    incident: &'a Incident,
    target: Target<'a>,
    /// Transitions that are not told there, and not for a reason either.
    pending: Vec<&'a Transition>,
    /// The silence, the inhibition and what else keeps it back wherever it is told.
    kept_back: Option<(Outcome, String)>,
    /// Whether nobody was told anything of it.
    never: bool,
}

/// Decides of one incident; `None`: there is nothing to decide. What is to be told is gathered by group.
pub(super) fn decide<'a>(
    view: &View<'a>,
    facts: &'a Facts<'a>,
    gathered: &mut BTreeMap<String, Gathered<'a>>,
    wake: &mut Option<UnixMillis>,
) -> Option<Decided> {
    let incident = facts.incident;
    let (known, now) = (view.input.known, view.input.now);
    let undone: Vec<&Transition> = incident.transitions.iter().filter(|t| !t.dispatched).collect();
    let mut decided = Decided::default();
    if incident.shadow {
        let by = mark(None, Outcome::Shadow, &incident.rule, now);
        decided.marks.extend(undone.iter().map(|t| (t.seq, by.clone())));
        decided.needs.extend(undone.iter().map(|t| (t.seq, Vec::new())));
        return (!undone.is_empty()).then_some(decided);
    }
    if let Some(origin) = view.folded.get(incident.id.as_str()) {
        decided.origin = Some((*origin).to_owned());
    }
    let routed = known.routes.of(incident, &facts.labels);
    let left = left(view, incident, &routed);
    for transition in &undone {
        let recovery = transition.what == What::Recovered;
        let there = left.iter().filter(|_| recovery);
        let needed: Vec<String> = routed.iter().chain(there).map(|target| target.group.clone()).collect();
        if needed.is_empty() {
            decided.marks.push((transition.seq, mark(None, Outcome::Unrouted, "", now)));
        }
        decided.needs.push((transition.seq, needed));
    }
    let kept_back = kept_back(view, facts);
    let never = !incident.transitions.iter().flat_map(|t| &t.marks).any(|mark| mark.outcome.is_told());
    let places = routed.into_iter().map(|target| (target, true)).chain(left.into_iter().map(|target| (target, false)));
    for (target, is_routed) in places {
        let pending = undone
            .iter()
            .copied()
            .filter(|t| t.mark(&target.group).is_none() && (is_routed || t.what == What::Recovered))
            .collect();
        Place { view, incident, target, pending, kept_back: kept_back.clone(), never }.decide(
            gathered,
            &mut decided,
            wake,
        );
    }
    let nothing = decided.marks.is_empty() && decided.needs.is_empty() && decided.origin == incident.origin;
    (!nothing).then_some(decided)
}

/// Groups that know of it and to which no route leads any more: they are told of the recovery.
fn left<'a>(view: &View<'a>, incident: &'a Incident, routed: &[Target<'a>]) -> Vec<Target<'a>> {
    let mut left: Vec<Target<'a>> = Vec::new();
    for mark in incident.transitions.iter().flat_map(|t| &t.marks) {
        let there = |targets: &[Target<'a>]| targets.iter().any(|target| target.group == mark.group);
        if mark.group.is_empty() || there(routed) || there(&left) || !incident.known_open(&mark.group) {
            continue;
        }
        let labels = view.input.groups.get(&mark.group).map(|group| group.doc.labels.clone()).unwrap_or_default();
        let settings = view.input.known.routes.left();
        left.push(Target { group: mark.group.clone(), receiver: &mark.receiver, labels, settings });
    }
    left
}

/// What keeps an alarm back whatever its route.
fn kept_back<'a>(view: &View<'a>, facts: &'a Facts<'a>) -> Option<(Outcome, String)> {
    let now = view.input.now;
    let acknowledged = facts.incident.acknowledged.as_ref();
    if let Some(by) = acknowledged.filter(|by| by.holds(now)) {
        return Some((Outcome::Acknowledged, by.by.clone()));
    }
    if let Some(silence) = view.input.known.silenced(&facts.labels, now) {
        return Some((Outcome::Silenced, silence.to_owned()));
    }
    let (name, source) = view.sources.inhibitor(&facts.labels)?;
    Some((Outcome::Inhibited, format!("{name}: {source}")))
}

fn mark(target: Option<&Target<'_>>, outcome: Outcome, by: &str, at: UnixMillis) -> Mark {
    let (group, receiver) = target.map_or(("", ""), |target| (target.group.as_str(), target.receiver));
    Mark { group: group.to_owned(), receiver: receiver.to_owned(), outcome, by: by.to_owned(), at }
}

impl<'a> Place<'a, '_> {
    fn decide(
        self,
        gathered: &mut BTreeMap<String, Gathered<'a>>,
        decided: &mut Decided,
        wake: &mut Option<UnixMillis>,
    ) {
        let known_open = self.incident.known_open(&self.target.group);
        let Some(resolved) = self.view.input.known.receivers.get(self.target.receiver) else {
            return self.mark_all(decided, Outcome::NoReceiver, self.target.receiver);
        };
        if self.incident.is_over() {
            self.decide_over(known_open, *resolved, gathered, decided, wake);
        } else {
            self.decide_open(known_open, gathered, decided);
        }
    }

    fn decide_open(mut self, known_open: bool, gathered: &mut BTreeMap<String, Gathered<'a>>, decided: &mut Decided) {
        let kept_back = self.kept_back();
        let waits = !self.pending.is_empty();
        if let (true, Some((outcome, by))) = (waits, &kept_back) {
            self.mark_all(decided, *outcome, by);
        }
        let last = self.incident.transitions.last();
        let later = match last.and_then(|last| last.mark(&self.target.group)) {
            Some(mark) => mark.outcome.is_kept_back(),
            None => self.never && last.is_some_and(|last| last.dispatched),
        };
        let tells = kept_back.is_none() && (waits || !known_open && later);
        if !known_open && !tells {
            return;
        }
        let flapping = self.flaps().is_some();
        let (incident, pending) = (self.incident, std::mem::take(&mut self.pending));
        let group = self.gather(gathered);
        if known_open {
            group.open.push(incident);
        }
        if tells {
            let transitions = if waits { pending } else { last.into_iter().collect() };
            group.fired.push(News { incident, transitions, flapping, late: false });
        } else if known_open && kept_back.is_none() {
            group.repeatable.push(incident);
        }
    }

    fn decide_over(
        mut self,
        known_open: bool,
        resolved: bool,
        gathered: &mut BTreeMap<String, Gathered<'a>>,
        decided: &mut Decided,
        wake: &mut Option<UnixMillis>,
    ) {
        let Some((recovery, firings)) = self.pending.split_last() else { return };
        let (recovery, plain) = (*recovery, self.target.settings.plain);
        let muted = self.muted().is_some();
        if known_open {
            let calm = self.flaps();
            if !resolved {
                return self.mark_all(decided, Outcome::Unwanted, self.target.receiver);
            }
            if muted || calm.is_some() {
                *wake = [*wake, calm].into_iter().flatten().min();
                self.gather(gathered).held = true;
                return;
            }
            if !plain {
                let brief = mark(Some(&self.target), Outcome::Brief, "", self.view.input.now);
                decided.marks.extend(firings.iter().map(|t| (t.seq, brief.clone())));
                self.pending = vec![recovery];
            }
            return self.gather_over(gathered, false);
        }
        let kept_back = self.kept_back();
        match (firings.first(), kept_back) {
            (Some(first), None) if self.was_due(first, recovery) => {
                if !resolved {
                    let unwanted = mark(Some(&self.target), Outcome::Unwanted, "", self.view.input.now);
                    decided.marks.push((recovery.seq, unwanted));
                    self.pending.pop();
                }
                self.gather_over(gathered, true);
            }
            (Some(_), None) => self.mark_all(decided, Outcome::Brief, ""),
            (Some(_), Some((outcome, by))) => {
                let untold = mark(Some(&self.target), Outcome::Untold, "", self.view.input.now);
                decided.marks.push((recovery.seq, untold));
                self.pending.pop();
                self.mark_all(decided, outcome, &by);
            }
            (None, _) => self.mark_all(decided, Outcome::Untold, ""),
        }
    }

    /// Whether it was to be told before it was over: then it is, late or not.
    fn was_due(&self, first: &Transition, recovery: &Transition) -> bool {
        let told = self.view.input.groups.get(&self.target.group).and_then(|group| group.doc.told);
        let settings = self.target.settings;
        if settings.plain {
            return true;
        }
        let next = told.map_or(UnixMillis(0), |told| told.plus(settings.interval_ms));
        first.at.plus(settings.wait_ms).max(next) <= recovery.at
    }

    /// Until when it flaps, of those that may be held back for that.
    fn flaps(&self) -> Option<UnixMillis> {
        self.view.flaps.until(self.incident).filter(|_| !self.target.settings.plain)
    }

    fn muted(&self) -> Option<String> {
        self.view.input.known.muted(self.target.settings, self.view.input.now)
    }

    /// What keeps it from being told there.
    fn kept_back(&self) -> Option<(Outcome, String)> {
        let muted = || self.muted().map(|name| (Outcome::Muted, name));
        let folded = || {
            let origin = self.view.folded.get(self.incident.id.as_str()).filter(|_| !self.target.settings.plain);
            origin.map(|origin| (Outcome::Folded, (*origin).to_owned()))
        };
        let flapping = || {
            let noticed = self.flaps().is_some() && self.view.flaps.noticed(self.incident, &self.target.group);
            noticed.then(|| (Outcome::Flapping, String::new()))
        };
        self.kept_back.clone().or_else(muted).or_else(folded).or_else(flapping)
    }

    fn mark_all(&self, decided: &mut Decided, outcome: Outcome, by: &str) {
        let mark = mark(Some(&self.target), outcome, by, self.view.input.now);
        decided.marks.extend(self.pending.iter().map(|t| (t.seq, mark.clone())));
    }

    fn gather_over(mut self, gathered: &mut BTreeMap<String, Gathered<'a>>, late: bool) {
        let transitions = std::mem::take(&mut self.pending);
        let incident = self.incident;
        self.gather(gathered).over.push(News { incident, transitions, flapping: false, late });
    }

    fn gather<'g>(self, gathered: &'g mut BTreeMap<String, Gathered<'a>>) -> &'g mut Gathered<'a> {
        gathered.entry(self.target.group.clone()).or_insert_with(|| Gathered {
            target: self.target,
            fired: Vec::new(),
            over: Vec::new(),
            open: Vec::new(),
            repeatable: Vec::new(),
            held: false,
        })
    }
}
