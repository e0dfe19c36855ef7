//! Minutes that are over, evaluated again one after the other. What is read is read once, and no more of it is held than the passes over
//! some minutes need.

use model::{Bucket, UnixMillis};

use crate::columns::{Columns, Read, Watched};
use crate::engine::texts;
use crate::entity::Entity;
use crate::incident::{Incident, Transition};
use crate::minutes::{Turn, Who};
use crate::notify::told::About;
use crate::pass::{Incidents, Input, Kind, Memory, Telling, pass};
use crate::plan::Plan;
use crate::state::Seen;
use crate::window;

use super::{Ground, TrialError, compute};

/// Minutes whose values are read at a time.
pub(super) const CHUNK: u32 = 60;
/// When a minute is evaluated, after its start: as soon as it is complete.
const DECIDED_MS: i64 = 65_000;

/// A transition, with its incident as it was then: its own transitions are left out but for this one, and so is what was seen.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub(super) minute: Bucket,
    pub(super) incident: Incident,
    pub(super) transition: Transition,
}

/// What passes over some minutes came to.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) happened: Vec<Happened>,
    /// Pairs of instance and minute in which the condition of the first rule was true.
    pub(super) n_matched: u64,
    /// Pairs of entity and minute in which it had anything to look at.
    pub(super) n_heard: u64,
    /// Why something could not be computed.
    pub(super) error: Option<String>,
}

/// Rules on their way through the minutes.
#[derive(Debug)]
pub(super) struct Replay {
    about: About,
    plan: Plan,
    columns: Columns,
    incidents: Incidents,
    memory: Memory,
    loaded: Vec<Read>,
}

/// When a minute was evaluated.
pub(super) fn decided(minute: Bucket) -> UnixMillis {
    minute.start().plus(DECIDED_MS)
}

impl Replay {
    pub(super) fn new(ground: &Ground, plan: Plan) -> Replay {
        Replay {
            about: ground.about.clone(),
            plan,
            columns: Columns::with_layers(ground.zone.clone(), ground.layers.clone()),
            incidents: Incidents::default(),
            memory: Memory::noting(""),
            loaded: Vec::new(),
        }
    }

    /// Passes over the minutes in front of the first one, so that it is known how long what matches there has matched.
    pub(super) async fn recall(mut self, ground: &Ground, first: Bucket) -> Result<Replay, TrialError> {
        let from = Bucket(first.0.saturating_sub(self.plan.recall_minutes()));
        if from == first {
            return Ok(self);
        }
        self.load(ground, from, Bucket(first.0 - 1)).await?;
        let recalled = compute(move || {
            for minute in from.0..first.0 {
                self.pass(Kind::Recall(Bucket(minute)), &mut Heard::default());
            }
            self
        });
        recalled.await
    }

    /// Passes over some minutes.
    pub(super) async fn run(
        mut self,
        ground: &Ground,
        from: Bucket,
        to: Bucket,
    ) -> Result<(Replay, Heard), TrialError> {
        self.load(ground, from, to).await?;
        let run = compute(move || {
            let mut heard = Heard::default();
            for minute in from.0..=to.0 {
                let turn = Turn { minute: Bucket(minute), incomplete: false, who: Who::All };
                self.pass(Kind::Closed(turn), &mut heard);
            }
            (self, heard)
        });
        run.await
    }

    /// Entities of the first rule's scope, and whether it watches them.
    pub(super) fn entities(&self) -> Vec<(Entity, bool)> {
        let Some(planned) = self.plan.rules().first() else { return Vec::new() };
        let watched = self.columns.table(planned.scope).map_or(&[][..], |table| table.watched());
        let takes = |one: &Watched| planned.takes(&one.entity, &one.parts, &one.layers);
        watched.iter().filter(|one| !one.gone).map(|one| (one.entity.clone(), takes(one))).collect()
    }

    /// Reads what the passes over these minutes need and is not there yet.
    async fn load(&mut self, ground: &Ground, from: Bucket, to: Bucket) -> Result<(), TrialError> {
        let reads = self.plan.reads(&self.columns, from, to);
        self.columns.keep(&reads);
        let missing = missing(&reads, &self.loaded);
        window::load(ground.store.as_ref(), &ground.catalogue, &mut self.columns, &missing).await?;
        self.loaded = reads;
        Ok(())
    }

    fn pass(&mut self, kind: Kind, heard: &mut Heard) {
        let about = &self.about;
        let render = |telling: &Telling<'_>| texts::render(telling, about);
        let (plan, columns, incidents) = (&self.plan, &self.columns, &self.incidents);
        let input = Input { plan, columns, incidents, now: decided(kind.minute()), render: &render };
        let output = pass(&input, kind, &mut self.memory);
        let noted = self.memory.take_noted();
        let first = self.plan.rules().first().map_or("", |planned| &planned.rule.id);
        let n_matched = noted.iter().filter(|noted| noted.seen == Seen::Match && noted.rule == first).count();
        heard.n_matched += u64::try_from(n_matched).unwrap_or(u64::MAX);
        let n_heard: usize = self.memory.take_heard().iter().filter(|(rule, _)| rule == first).map(|(_, n)| n).sum();
        heard.n_heard += u64::try_from(n_heard).unwrap_or(u64::MAX);
        if let Some(error) = output.errors.into_values().next() {
            heard.error = Some(error);
        }
        for mut incident in output.changed {
            let new = incident.transitions.last().filter(|last| !last.dispatched).cloned();
            // As if it were told: an incident keeps only so many of those.
            incident.transitions.iter_mut().for_each(|transition| transition.dispatched = true);
            if let Some(mut transition) = new {
                transition.evidence.clear();
                let bare = Incident { transitions: Vec::new(), ..incident.clone() };
                heard.happened.push(Happened { minute: kind.minute(), incident: bare, transition });
            }
            self.incidents.put(incident);
        }
    }
}

/// The parts of reads that were not read before. Both have no two reads of one metric that overlap.
fn missing(reads: &[Read], before: &[Read]) -> Vec<Read> {
    let mut missing = Vec::new();
    for read in reads {
        let mut from = read.from;
        let same = |other: &&Read| (other.scope, &other.metric, other.grain) == (read.scope, &read.metric, read.grain);
        // They are in the order of their starts.
        for had in before.iter().filter(same).filter(|had| had.to >= read.from && had.from <= read.to) {
            if from < had.from {
                missing.push(Read { from, to: Bucket(had.from.0 - 1), ..read.clone() });
            }
            from = from.max(Bucket(had.to.0.saturating_add(1)));
        }
        if from <= read.to {
            missing.push(Read { from, ..read.clone() });
        }
    }
    missing
}
