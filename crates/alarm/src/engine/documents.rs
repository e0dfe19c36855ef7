//! What operators have set, as the last snapshot has it, ready for use.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::item::Item;
use model::kinds::ItemKind;
use storage::snapshot::Snapshot;
use tracing::warn;

use crate::dispatch::{Known, Problem};
use crate::doc::{self, Doc, Stored};
use crate::receiver::Receiver;
use crate::route::Routing;
use crate::rule::Rule;
use crate::silence::Silence;

/// The kinds that decide who is told.
const NOISE: [ItemKind; 3] = [ItemKind::AlarmReceiver, ItemKind::AlarmRouting, ItemKind::AlarmSilence];

/// What operators have set.
#[derive(Debug)]
pub(super) struct Documents {
    rule_items: Arc<[Item]>,
    noise_items: [Arc<[Item]>; 3],
    /// The rules. One that cannot be read stands there without an expression, so that its incidents stay as they are.
    pub(super) rules: Vec<Stored<Rule>>,
    /// Rules that cannot be read, and why.
    pub(super) unreadable: BTreeMap<String, String>,
    pub(super) known: Known,
    pub(super) problems: Vec<Problem>,
    pub(super) folds: bool,
}

/// What is another than before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) rules: bool,
    pub(super) noise: bool,
}

impl Documents {
    /// What a snapshot has; `None` before all kinds were read.
    pub(super) fn of(snapshot: &Snapshot) -> Option<Documents> {
        let rule_items = Arc::clone(snapshot.of(ItemKind::AlarmRule)?);
        let noise_items = noise_of(snapshot)?;
        let (known, problems) = Known::new(None, [], []);
        let (rules, unreadable, folds) = (Vec::new(), BTreeMap::new(), false);
        let mut documents = Documents { rule_items, noise_items, rules, unreadable, known, problems, folds };
        documents.read_rules();
        documents.read_noise();
        Some(documents)
    }

    /// Takes another snapshot.
    pub(super) fn take(&mut self, snapshot: &Snapshot) -> Changed {
        let mut changed = Changed::default();
        if let Some(items) = snapshot.of(ItemKind::AlarmRule).filter(|items| !Arc::ptr_eq(items, &self.rule_items)) {
            self.rule_items = Arc::clone(items);
            self.read_rules();
            changed.rules = true;
        }
        if let Some(items) = noise_of(snapshot)
            && items.iter().zip(&self.noise_items).any(|(new, old)| !Arc::ptr_eq(new, old))
        {
            self.noise_items = items;
            self.read_noise();
            changed.noise = true;
        }
        changed
    }

    fn read_rules(&mut self) {
        self.unreadable.clear();
        self.rules.clear();
        for item in self.rule_items.iter() {
            let stored = doc::read::<Rule>(item).unwrap_or_else(|error| {
                warn!(%error, "a rule cannot be read; the others go on");
                self.unreadable.insert(item.id.clone(), error.why);
                let doc = Rule { id: item.id.clone(), name: item.id.clone(), ..Rule::default() };
                Stored { doc, revision: item.revision, updated: item.updated }
            });
            self.rules.push(stored);
        }
    }

    fn read_noise(&mut self) {
        let [receivers, routing, silences] = &self.noise_items;
        let receivers: Vec<Receiver> = read(receivers);
        let routing: Option<Routing> = read(routing).into_iter().next();
        let silences: Vec<Silence> = read(silences);
        self.folds = routing.as_ref().is_some_and(|routing| routing.fold_by_topology);
        (self.known, self.problems) = Known::new(routing.as_ref(), &receivers, &silences);
    }
}

fn noise_of(snapshot: &Snapshot) -> Option<[Arc<[Item]>; 3]> {
    let [receivers, routing, silences] = NOISE.map(|kind| snapshot.of(kind).map(Arc::clone));
    Some([receivers?, routing?, silences?])
}

fn read<T: Doc>(items: &[Item]) -> Vec<T> {
    doc::readable(items).into_iter().map(|stored| stored.doc).collect()
}
