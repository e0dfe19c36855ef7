//! What passes work on, kept from pass to pass: the rules, the values that were read, the open incidents, and what is pending.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::layer::Layers;
use model::metric::Catalogue;
use model::{Bucket, Step, UnixMillis, Zone};
use storage::{Store, StoreError};
use tokio::time::Instant;

use super::texts;
use super::view::{Cost, Instance};
use crate::columns::{Columns, Grain, Read};
use crate::doc::Stored;
use crate::entity::Entity;
use crate::incident::{Incident, State};
use crate::notify::told::About;
use crate::pass::{Incidents, Input, Kind, Memory, Output, pass};
use crate::plan::Plan;
use crate::rule::Rule;
use crate::state::Live;
use crate::window;

/// After how long the columns are made anew: entities that are gone are forgotten with them.
const RENEW: Duration = Duration::from_secs(6 * 3_600);

/// What passes work on.
#[derive(Debug)]
pub(super) struct Work {
    catalogue: Arc<Catalogue>,
    about: About,
    zone: Zone,
    layers: Layers,
    pub(super) plan: Plan,
    columns: Columns,
    made: Instant,
    /// What the columns hold.
    loaded: Vec<Read>,
    pub(super) incidents: Incidents,
    pub(super) memory: Memory,
    /// Rules that cannot be compiled, and why.
    broken: BTreeMap<String, String>,
    /// Rules that could not be computed for some entity when they were evaluated last, and why.
    errors: BTreeMap<String, String>,
    pub(super) costs: BTreeMap<String, Cost>,
}

impl Work {
    pub(super) fn new(catalogue: Arc<Catalogue>, about: About, zone: Zone, layers: Layers) -> Work {
        Work {
            catalogue,
            about,
            columns: Columns::with_layers(zone.clone(), layers.clone()),
            zone,
            layers,
            plan: Plan::default(),
            made: Instant::now(),
            loaded: Vec::new(),
            incidents: Incidents::default(),
            memory: Memory::default(),
            broken: BTreeMap::new(),
            errors: BTreeMap::new(),
            costs: BTreeMap::new(),
        }
    }

    /// Takes the rules as they are now. Answers those whose pending instances are to be recalled: new and changed ones that must match
    /// for a while.
    pub(super) fn plan(&mut self, rules: &[Stored<Rule>]) -> Vec<Stored<Rule>> {
        let known = |stored: &Stored<Rule>| {
            let same = |planned: &Arc<crate::plan::Planned>| {
                planned.rule.id == stored.doc.id && planned.revision == stored.revision
            };
            self.plan.rules().iter().any(same)
        };
        let waits = |stored: &&Stored<Rule>| stored.doc.for_minutes > 0 && !stored.doc.paused;
        let changed = rules.iter().filter(waits).filter(|stored| !known(stored)).cloned().collect();
        let (plan, healths) = Plan::new(rules, &self.catalogue, Some(&self.plan));
        self.plan = plan;
        self.broken = healths.into_iter().filter_map(|health| Some((health.rule, health.error?))).collect();
        changed
    }

    /// Compiles some rules alone.
    pub(super) fn part(&self, rules: &[Stored<Rule>]) -> Plan {
        Plan::new(rules, &self.catalogue, Some(&self.plan)).0
    }

    /// Takes an incident as it is stored.
    pub(super) fn put(&mut self, incident: &Incident) {
        let is_known =
            self.columns.table(incident.entity.scope).is_some_and(|table| table.number(&incident.entity.id).is_some());
        if incident.closed.is_none() && !is_known && !incident.entity.id.is_empty() {
            self.columns.meet(&incident.entity, &incident.layers);
        }
        self.incidents.put(incident.clone());
    }

    /// Reads what passes over these minutes need and is not there, and again all from `fresh` on: it may have changed. Values that no
    /// pass over these minutes or later ones needs are forgotten.
    pub(super) async fn load(
        &mut self,
        store: &dyn Store,
        (from, to): (Bucket, Bucket),
        fresh: Bucket,
    ) -> Result<(), StoreError> {
        if self.made.elapsed() >= RENEW {
            self.renew();
        }
        let wanted = self.plan.reads(&self.columns, from, to);
        self.read(store, &wanted, fresh).await?;
        self.columns.keep(&wanted);
        self.loaded = wanted;
        Ok(())
    }

    /// The same for rules of another plan, beside what is there.
    pub(super) async fn load_for(
        &mut self,
        plan: &Plan,
        store: &dyn Store,
        (from, to): (Bucket, Bucket),
    ) -> Result<(), StoreError> {
        let wanted = plan.reads(&self.columns, from, to);
        self.read(store, &wanted, Bucket(u32::MAX)).await
    }

    async fn read(&mut self, store: &dyn Store, wanted: &[Read], fresh: Bucket) -> Result<(), StoreError> {
        let fresh_hour = self.zone.bucket(Step::Hour, fresh);
        let fresh = |read: &Read| if read.grain == Grain::Hour { fresh_hour } else { fresh };
        let reads: Vec<Read> = wanted.iter().flat_map(|read| missing(read, &self.loaded, fresh(read))).collect();
        // What is half read when this breaks off must not count as there.
        let loaded = std::mem::take(&mut self.loaded);
        window::load(store, &self.catalogue, &mut self.columns, &reads).await?;
        self.loaded = loaded;
        Ok(())
    }

    /// Reads anew which layers services have.
    pub(super) async fn refresh(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        window::refresh(store, &mut self.columns).await
    }

    /// Forgets entities that retention took.
    pub(super) async fn forget(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        window::forget(store, &mut self.columns).await
    }

    fn renew(&mut self) {
        self.columns = Columns::with_layers(self.zone.clone(), self.layers.clone());
        self.made = Instant::now();
        self.loaded.clear();
        self.memory.renumbered();
        for incident in self.incidents.iter().filter(|incident| !incident.entity.id.is_empty()) {
            self.columns.meet(&incident.entity, &incident.layers);
        }
    }

    /// A pass over a minute, with the rules of another plan where there is one; and how long it took.
    pub(super) fn pass(&mut self, plan: Option<&Plan>, kind: Kind, now: UnixMillis) -> (Output, Duration) {
        let begun = Instant::now();
        let render = |telling: &crate::pass::Telling<'_>| texts::render(telling, &self.about);
        let plan = plan.unwrap_or(&self.plan);
        let input = Input { plan, columns: &self.columns, incidents: &self.incidents, now, render: &render };
        let output = pass(&input, kind, &mut self.memory);
        let took = begun.elapsed();
        if let Kind::Closed(_) = kind {
            self.account(&output, took);
        }
        (output, took)
    }

    /// Notes what each rule cost and whether it could be computed.
    fn account(&mut self, output: &Output, took: Duration) {
        let rules = self.plan.rules();
        let weighed = |(number, pairs): &(usize, usize)| {
            let rule = rules.get(*number)?;
            Some((rule, *pairs, pairs.saturating_mul(rule.weight())))
        };
        let all: u128 = output.pairs.iter().filter_map(weighed).map(|(.., weight)| as_u128(weight)).sum();
        for (rule, pairs, weight) in output.pairs.iter().filter_map(weighed) {
            let nanos = (took.as_nanos() * as_u128(weight)).checked_div(all).unwrap_or_default();
            let cost = Cost { pairs, nanos: u64::try_from(nanos).unwrap_or(u64::MAX) };
            self.costs.insert(rule.rule.id.clone(), cost);
            self.errors.remove(&rule.rule.id);
        }
        self.errors.extend(output.errors.clone());
        if self.costs.len() > rules.len() || self.errors.len() > rules.len() {
            let living: std::collections::BTreeSet<&String> = rules.iter().map(|planned| &planned.rule.id).collect();
            self.costs.retain(|rule, _| living.contains(rule));
            self.errors.retain(|rule, _| living.contains(rule));
        }
    }

    /// Values that the last reading had no room for.
    pub(super) fn n_left_out(&self) -> usize {
        self.columns.n_left_out()
    }

    /// What is wrong with which rule.
    pub(super) fn health(&self) -> BTreeMap<String, String> {
        let mut health = self.errors.clone();
        health.extend(self.broken.clone());
        health
    }

    /// Instances that are not normal.
    pub(super) fn instances(&self) -> Vec<Instance> {
        let open = self.incidents.iter().map(|incident| Instance {
            rule: incident.rule.clone(),
            entity: incident.entity.clone(),
            labels: incident.labels.clone(),
            state: incident.state,
            entered: incident.entered,
            silent_until: incident.silent_until,
            observed_until: incident.observed_until,
            next: next(&Live::of(incident), 0),
            incident: Some(incident.id.clone()),
        });
        let rules: BTreeMap<&str, _> =
            self.plan.rules().iter().map(|planned| (planned.rule.id.as_str(), planned)).collect();
        let pending = self.memory.pending().filter_map(|(rule, entity, labels, live)| {
            let planned = rules.get(rule)?;
            Some(Instance {
                rule: rule.to_owned(),
                entity: Entity::of(planned.scope, entity.to_owned())?,
                labels: labels.clone(),
                state: State::Pending,
                entered: live.entered,
                silent_until: live.silent_until,
                observed_until: Bucket(0),
                next: next(live, planned.rule.for_minutes),
                incident: None,
            })
        });
        open.chain(pending).collect()
    }
}

fn as_u128(n: usize) -> u128 {
    u128::try_from(n).unwrap_or(u128::MAX)
}

/// The first minute that may change a state if what is seen stays as it is.
fn next(live: &Live, for_minutes: u32) -> Option<Bucket> {
    let after = |minute: Bucket| Bucket(minute.0.saturating_add(1));
    match live.state {
        State::Pending => {
            let long_enough = Bucket(live.entered.0.saturating_add(for_minutes));
            Some(long_enough.max(after(live.silent_until)))
        }
        State::Firing | State::SilencedFiring => Some(after(live.silent_until)).filter(|next| *next > live.entered),
        State::ObservingRecovery => Some(after(live.observed_until.max(live.entered))),
        _ => None,
    }
}

/// The parts of a read that were not loaded, or not since `fresh`.
fn missing(wanted: &Read, loaded: &[Read], fresh: Bucket) -> Vec<Read> {
    let same = |read: &&Read| {
        (read.scope, read.grain) == (wanted.scope, wanted.grain) && read.metric == wanted.metric && read.from < fresh
    };
    let mut parts = Vec::new();
    let mut at = wanted.from;
    for read in loaded.iter().filter(same) {
        let to = Bucket(read.to.0.min(fresh.0.saturating_sub(1)));
        if to < at || read.from > wanted.to {
            continue;
        }
        if read.from > at {
            parts.push(Read { from: at, to: Bucket(read.from.0 - 1), ..wanted.clone() });
        }
        at = Bucket(to.0.saturating_add(1));
    }
    if at <= wanted.to {
        parts.push(Read { from: at, ..wanted.clone() });
    }
    parts
}

#[cfg(test)]
mod tests {
    use model::item::Revision;
    use model::metric::{Function, Seen};
    use model::{Scope, id};
    use storage::memory::Memory;

    use super::*;
    use crate::testing;

    fn read(from: u32, to: u32) -> Read {
        let (scope, metric, grain) = (Scope::Service, "m".to_owned(), Grain::Minute);
        Read { scope, metric, grain, from: Bucket(from), to: Bucket(to) }
    }

    #[test]
    fn only_what_is_missing_or_may_have_changed_is_read() {
        let loaded = [read(10, 20), read(30, 40), Read { metric: "other".to_owned(), ..read(1, 99) }];
        let parts = |from, to, fresh| {
            let parts = missing(&read(from, to), &loaded, Bucket(fresh));
            parts.iter().map(|part| (part.from.0, part.to.0)).collect::<Vec<_>>()
        };
        assert_eq!(parts(12, 20, 99), []);
        assert_eq!(parts(12, 21, 99), [(21, 21)]);
        assert_eq!(parts(12, 21, 19), [(19, 21)]);
        assert_eq!(parts(5, 35, 99), [(5, 9), (21, 29)]);
        assert_eq!(parts(5, 45, 33), [(5, 9), (21, 29), (33, 45)]);
        assert_eq!(parts(50, 60, 99), [(50, 60)]);
        assert_eq!(missing(&read(1, 3), &[], Bucket(99)), [read(1, 3)]);
    }

    #[tokio::test]
    async fn values_that_there_is_no_room_for_are_counted() {
        let catalogue = Arc::new(testing::catalogue(&[("cpm", Scope::Service, Function::Cpm)]));
        let (store, minute) = (Memory::new(), Bucket(9));
        let row = |name: &str| {
            testing::row(&catalogue, (Scope::Service, &id::service(name, true)), minute, &[("cpm", &[Seen::One])])
        };
        testing::write(&store, ["a", "b", "c"].map(row).into()).await;
        let about = About { zone: Zone::utc(), external_url: String::new() };
        let mut work = Work::new(Arc::clone(&catalogue), about, Zone::utc(), Layers::default());
        let doc = Rule { id: "r".to_owned(), expression: "sum(cpm) > 0".to_owned(), period: 1, ..Rule::default() };
        work.plan(&[Stored { doc, revision: Revision(1), updated: UnixMillis(0) }]);
        work.load(&store, (minute, minute), minute).await.unwrap();
        assert_eq!(work.n_left_out(), 0);
        work.renew();
        work.columns.limits.entities = 1;
        work.load(&store, (minute, minute), minute).await.unwrap();
        assert_eq!(work.n_left_out(), 2);
    }
}
