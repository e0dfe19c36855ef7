//! What a holder does: one look after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::Bucket;
use model::item::Revision;
use model::kinds::ItemKind;
use storage::{StoreError, snapshot};
use tokio::time::Instant;
use tracing::warn;

use super::documents::{Changed, Documents};
use super::keep::{AT_ONCE, Keeper, Known, concerns};
use super::view::{Pass, View};
use super::work::Work;
use super::{EVERY, Engine, edges};
use crate::dispatch::Dispatcher;
use crate::dispatch::flap::WINDOW_MS;
use crate::doc::Stored;
use crate::edit::By;
use crate::incident::Incident;
use crate::minutes::{Cursor, Look, Running, look};
use crate::pass::{Kind, Output};
use crate::rule::Rule;

/// How often it is asked whether an operator changed an incident.
const NOTICE: Duration = Duration::from_secs(2);
/// How often what is long over is removed, and what was missed is found.
const BURY: Duration = Duration::from_secs(3_600);

/// What a holder knows.
pub(super) struct Held {
    pub(super) engine: Arc<Engine>,
    pub(super) keeper: Keeper,
    pub(super) dispatcher: Dispatcher,
    pub(super) documents: Documents,
    /// Whether the rules are to be compiled.
    pub(super) unplanned: bool,
    /// In the hands of a pass where it is not here.
    pub(super) work: Option<Box<Work>>,
    /// Incidents that dispatch must know, as they are stored.
    pub(super) incidents: Known,
    pub(super) cursor: Cursor,
    pub(super) progress: Revision,
    /// The minute that the stored progress says.
    pub(super) noted: Option<Bucket>,
    /// The revision document of incidents, as last seen.
    pub(super) document: String,
    /// Rules whose pending instances are not recalled yet.
    pub(super) recalled: Vec<Stored<Rule>>,
    pub(super) pending: Option<Pending>,
    /// Whether dispatch may have something to do.
    pub(super) dirty: bool,
    /// When dispatch has something to do in any case.
    pub(super) next: Option<model::UnixMillis>,
    /// Silences to be ended.
    pub(super) over: Vec<String>,
    pub(super) edges: Vec<(String, String)>,
    pub(super) due: Due,
}

/// What a pass decided and is not written yet.
#[derive(Debug)]
pub(super) struct Pending {
    kind: Kind,
    changed: Vec<Incident>,
    /// Transitions that are new, by incident and number.
    transitions: Vec<(String, u32)>,
}

/// When what is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// The running minute.
    running: Instant,
    dispatch: Instant,
    notice: Instant,
    bury: Instant,
}

impl Due {
    pub(super) fn at(now: Instant) -> Due {
        Due { running: now, dispatch: now, notice: now + NOTICE, bury: now + BURY }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("cursor", &self.cursor).field("n_incidents", &self.incidents.len()).finish()
    }
}

impl Held {
    /// Whether nothing is lost.
    pub(super) fn is_whole(&self) -> bool {
        self.work.is_some()
    }

    /// Does what is due. What cannot be done now does not keep back what can.
    pub(super) async fn look(&mut self) -> Result<(), StoreError> {
        self.take_documents().await?;
        let finished = self.finish().await;
        let evaluated = match finished {
            Ok(()) => self.evaluate().await,
            Err(error) => Err(error),
        };
        let noticed = self.notice().await;
        let told = self.dispatch().await;
        let buried = self.tidy().await;
        evaluated.and(noticed).and(told).and(buried)
    }

    /// Takes what operators have set since.
    async fn take_documents(&mut self) -> Result<(), StoreError> {
        let changed = self.documents.take(&self.engine.snapshots.now());
        self.unplanned |= changed.rules;
        self.dirty |= changed.noise;
        if self.unplanned {
            let rules = self.documents.rules.clone();
            let recalled = self.compute(move |work| work.plan(&rules)).await?;
            self.unplanned = false;
            self.recalled.retain(|rule| !recalled.iter().any(|new| new.doc.id == rule.doc.id));
            self.recalled.extend(recalled);
            self.due.running = Instant::now();
        }
        if changed != Changed::default() {
            self.show();
        }
        Ok(())
    }

    /// Evaluates the minutes that can be, and the running one where it is due.
    async fn evaluate(&mut self) -> Result<(), StoreError> {
        let nodes = self.engine.nodes.now();
        let flushed = nodes.iter().filter(|node| node.live).map(|node| node.node.flushed_before);
        let look = look(self.engine.clock.now(), flushed, &self.cursor, &self.engine.timing);
        let begun = Instant::now();
        let running = look.running.filter(|_| begun >= self.due.running || !look.turns.is_empty());
        let Some(from) = look.turns.first().map(|turn| turn.minute).or(running.map(|running| running.minute)) else {
            return Ok(());
        };
        let evaluated = self.turns(&look, from, running).await;
        // No more than half of the time, also where passes take long.
        self.due.running = begun + self.pause(look.running).max(2 * begun.elapsed());
        self.show();
        evaluated
    }

    /// From one evaluation of the running minute to the next: shorter where it says something soon.
    fn pause(&self, running: Option<Running>) -> Duration {
        let Some(running) = running.filter(|running| !running.settled) else { return EVERY };
        let settled = running.minute.start().plus(self.engine.timing.settled_ms);
        let left = settled.0.saturating_sub(self.engine.clock.now().0);
        EVERY.min(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    async fn turns(&mut self, look: &Look, from: Bucket, running: Option<Running>) -> Result<(), StoreError> {
        let last = look.turns.last().map_or(from, |turn| turn.minute);
        let to = look.running.map_or(last, |running| running.minute);
        let store = Arc::clone(&self.engine.store);
        let work = self.work.as_mut().ok_or_else(lost)?;
        if !look.turns.is_empty() {
            work.refresh(&*store).await?;
        }
        // The last two closed minutes may have got late data.
        let fresh = Bucket(to.0.saturating_sub(2)).min(from);
        work.load(&*store, (from, to), fresh).await?;
        self.tell_left_out();
        self.recall(from).await?;
        if look.n_missed > 0 {
            warn!(n = look.n_missed, "minutes were too long ago to be evaluated");
            self.engine.teller.tell(|view| view.n_missed += u64::from(look.n_missed));
        }
        for turn in &look.turns {
            self.pass(Kind::Closed(*turn)).await?;
        }
        if !look.turns.is_empty() && self.documents.folds {
            self.edges = edges::read(&*store, (Bucket(to.0.saturating_sub(3)), to)).await?;
        }
        match running {
            Some(running) => self.pass(Kind::Running(running)).await,
            None => Ok(()),
        }
    }

    /// Tells how many values there was no room for, and says so when it begins.
    fn tell_left_out(&self) {
        let n = self.work.as_ref().map_or(0, |work| work.n_left_out());
        self.engine.teller.tell(|view| {
            if n > 0 && view.n_left_out == 0 {
                warn!(n, "there are too many values for rules to see them all");
            }
            view.n_left_out = n;
        });
    }

    /// Lets rules that must match for a while know how long they have matched before a minute.
    async fn recall(&mut self, before: Bucket) -> Result<(), StoreError> {
        let minutes = self.recalled.iter().map(|rule| rule.doc.for_minutes).max().unwrap_or_default();
        if minutes == 0 {
            return Ok(());
        }
        let range = before.0.saturating_sub(minutes)..before.0;
        let now = self.engine.clock.now();
        let store = Arc::clone(&self.engine.store);
        let work = self.work.as_mut().ok_or_else(lost)?;
        let part = Arc::new(work.part(&self.recalled));
        work.load_for(&part, &*store, (Bucket(range.start), Bucket(range.end - 1))).await?;
        for minute in range {
            let part = Arc::clone(&part);
            self.compute(move |work| work.pass(Some(&part), Kind::Recall(Bucket(minute)), now)).await?;
        }
        self.recalled.clear();
        Ok(())
    }

    /// Computes beside the threads that serve.
    async fn compute<T: Send + 'static>(
        &mut self,
        compute: impl FnOnce(&mut Work) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut work = self.work.take().ok_or_else(lost)?;
        let computing = tokio::task::spawn_blocking(move || {
            let answer = compute(&mut work);
            (work, answer)
        });
        let (work, answer) = computing.await.map_err(|error| StoreError::Damaged(format!("a pass: {error}")))?;
        self.work = Some(work);
        Ok(answer)
    }

    async fn pass(&mut self, kind: Kind) -> Result<(), StoreError> {
        let now = self.engine.clock.now();
        let (output, took) = self.compute(move |work| work.pass(None, kind, now)).await?;
        let shown =
            Pass { minute: kind.minute(), at: now, took, n_pairs: output.n_pairs, n_changed: output.changed.len() };
        let transitions = self.new_transitions(&output);
        self.engine.teller.tell(|view| view.passed(kind, shown, transitions.len()));
        self.pending = Some(Pending { kind, changed: output.changed, transitions });
        self.finish().await
    }

    fn new_transitions(&self, output: &Output) -> Vec<(String, u32)> {
        let mut new = Vec::new();
        for incident in &output.changed {
            let stored = self.incidents.get(&incident.id).and_then(|stored| stored.doc.transitions.last());
            let last = stored.map_or(0, |last| last.seq);
            let of_it = incident.transitions.iter().filter(|transition| transition.seq > last);
            new.extend(of_it.map(|transition| (incident.id.clone(), transition.seq)));
        }
        new
    }

    /// Writes what was decided: incidents, records, then how far evaluation has come.
    async fn finish(&mut self) -> Result<(), StoreError> {
        if let Some(pending) = &self.pending {
            self.keeper.incidents(&pending.changed, &mut self.incidents).await?;
            self.keeper.records(&pending.transitions, &self.incidents).await?;
        }
        if let Some(pending) = self.pending.take() {
            self.dirty |= !pending.changed.is_empty();
            for changed in &pending.changed {
                self.settle(changed);
            }
            if let Kind::Closed(turn) = pending.kind {
                self.cursor.done(&turn);
            }
        }
        if let Some(evaluated) = self.cursor.evaluated().filter(|evaluated| Some(*evaluated) > self.noted) {
            self.keeper.note(evaluated, &mut self.progress).await?;
            self.noted = Some(evaluated);
        }
        Ok(())
    }

    /// Takes an incident as it is stored after a pass changed it.
    fn settle(&mut self, changed: &Incident) {
        let Some((stored, work)) = self.incidents.get(&changed.id).zip(self.work.as_mut()) else { return };
        work.put(&stored.doc);
        if stored.doc.closed.is_some() && changed.closed.is_none() {
            // An operator closed it meanwhile.
            work.memory.ended(&stored.doc);
        }
    }

    /// Takes what operators did with incidents.
    async fn notice(&mut self) -> Result<(), StoreError> {
        if Instant::now() < self.due.notice {
            return Ok(());
        }
        let document = snapshot::document(&*self.engine.store, ItemKind::AlarmIncident).await?;
        if document != self.document {
            let open = self.incidents.values().filter(|stored| stored.doc.closed.is_none());
            let ids: Vec<String> = open.map(|stored| stored.doc.id.clone()).collect();
            for ids in ids.chunks(AT_ONCE) {
                let read = self.keeper.read(ids.to_vec()).await?;
                self.take_all(read).await?;
            }
            self.document = document;
        }
        self.due.notice = Instant::now() + NOTICE;
        Ok(())
    }

    /// Takes incidents that others changed.
    pub(super) async fn take_all(&mut self, read: Vec<Stored<Incident>>) -> Result<(), StoreError> {
        let mut new = Vec::new();
        for stored in read {
            let known = self.incidents.get(&stored.doc.id);
            if known.is_some_and(|known| known.revision == stored.revision) {
                continue;
            }
            let last = known.and_then(|known| known.doc.transitions.last()).map_or(0, |last| last.seq);
            let of_it = stored.doc.transitions.iter().filter(|transition| transition.seq > last);
            new.extend(of_it.map(|transition| (stored.doc.id.clone(), transition.seq)));
            if let Some(work) = &mut self.work {
                work.put(&stored.doc);
                if stored.doc.closed.is_some() {
                    work.memory.ended(&stored.doc);
                }
            }
            self.dirty = true;
            self.incidents.insert(stored.doc.id.clone(), stored);
        }
        self.keeper.records(&new, &self.incidents).await
    }

    /// Has told what is to be told.
    async fn dispatch(&mut self) -> Result<(), StoreError> {
        let (now, begun) = (self.engine.clock.now(), Instant::now());
        if !self.dirty && begun < self.due.dispatch && self.next.is_none_or(|next| now < next) {
            return Ok(());
        }
        self.keeper.check()?;
        let (known, held) = (&self.documents.known, &*self.keeper.held);
        let done = self.dispatcher.run(&mut self.incidents, known, &self.edges, now, held).await?;
        self.engine.outbox.offer(done.notifications);
        (self.dirty, self.next) = (false, done.next);
        self.due.dispatch = begun + EVERY;
        self.over.extend(done.over);
        // Marks go into what passes move on, so that it does not grow.
        if let Some(work) = &mut self.work {
            let marked = self.incidents.values().filter(|stored| stored.updated >= now && stored.doc.closed.is_none());
            marked.for_each(|stored| work.put(&stored.doc));
        }
        self.incidents.retain(|_, stored| concerns(stored, now.plus(-WINDOW_MS)));
        let took = begun.elapsed();
        self.engine.teller.tell(|view| view.dispatch = took);
        self.end_silences().await;
        Ok(())
    }

    /// Ends silences that are over, so that all nodes hear of it.
    async fn end_silences(&mut self) {
        let by = By {
            actor: "engine".to_owned(),
            source: "engine".to_owned(),
            reason: "what it silenced is over".to_owned(),
        };
        let mut left = Vec::new();
        for id in std::mem::take(&mut self.over) {
            match self.engine.edits.expire_silence(&id, &by).await {
                Ok(_) | Err(crate::edit::EditError::NotFound(_)) => {}
                Err(error) => {
                    warn!(%error, silence = id, "a silence that is over cannot be ended yet");
                    left.push(id);
                }
            }
        }
        self.over = left;
    }

    async fn tidy(&mut self) -> Result<(), StoreError> {
        if Instant::now() < self.due.bury {
            return Ok(());
        }
        self.keeper.check()?;
        self.due.bury = Instant::now() + BURY;
        if let Some(work) = &mut self.work {
            work.forget(&*self.engine.store).await?;
        }
        let strangers = super::bury::bury(&mut self.keeper, &self.incidents).await?;
        self.take_all(strangers).await
    }

    /// Tells how it stands.
    fn show(&self) {
        let Some(work) = &self.work else { return };
        let mut health: BTreeMap<String, String> = work.health();
        health.extend(self.documents.unreadable.clone());
        let (instances, costs) = (work.instances(), work.costs.clone());
        let (n_rules, evaluated) = (work.plan.rules().len(), self.cursor.evaluated());
        let problems = self.documents.problems.clone();
        self.engine.teller.tell(|view: &mut View| {
            view.n_rules = n_rules;
            view.evaluated = evaluated;
            view.health = Arc::new(health);
            view.costs = Arc::new(costs);
            view.instances = instances.into();
            view.problems = problems.into();
        });
    }
}

fn lost() -> StoreError {
    StoreError::Damaged("what passes work on is lost; all is read again".to_owned())
}
