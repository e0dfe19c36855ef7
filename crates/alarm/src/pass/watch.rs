//! Which entities each rule watches: selectors as sets, kept from pass to pass and told only of what is new.

use std::collections::HashMap;

use model::Scope;

use crate::bits::Bits;
use crate::columns::{Columns, Table};
use crate::plan::{Plan, Planned};
use crate::select::{Compiled, Selector};

/// The sets of selectors that rules have.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    sets: HashMap<(Scope, Selector), Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// Of which state of the known entities.
    version: u64,
    /// How many entities were asked for.
    n: usize,
    taken: Bits,
}

impl Watch {
    /// For each rule and each of its variants the entities.
    pub(super) fn sets(&mut self, plan: &Plan, columns: &Columns) -> Vec<Vec<Bits>> {
        let sets = plan.rules().iter().map(|planned| self.of_rule(planned, columns)).collect();
        let used = |scope: &Scope, selector: &Selector| {
            plan.rules().iter().any(|planned| {
                planned.scope == *scope
                    && (planned.selector.0 == *selector
                        || planned.variants.iter().any(|v| v.selector.as_ref().is_some_and(|(own, _)| own == selector)))
            })
        };
        // Looking for what is used no more costs as much as there are rules: only where much has gathered.
        if self.sets.len() > 2 * plan.rules().len() + 100 {
            self.sets.retain(|(scope, selector), _| used(scope, selector));
        }
        sets
    }

    fn of_rule(&mut self, planned: &Planned, columns: &Columns) -> Vec<Bits> {
        let Some(table) = columns.table(planned.scope) else { return Vec::new() };
        let mut left = self.taken(planned.scope, &planned.selector, table);
        let mut sets = Vec::with_capacity(planned.variants.len());
        for variant in &planned.variants {
            let mut set = left.clone();
            if let Some(selector) = &variant.selector {
                set.keep(&self.taken(planned.scope, selector, table));
                left.take(&set);
            }
            sets.push(set);
        }
        sets
    }

    fn taken(&mut self, scope: Scope, (selector, compiled): &(Selector, Compiled), table: &Table) -> Bits {
        let known = match self.sets.get_mut(&(scope, selector.clone())) {
            Some(known) => known,
            None => self.sets.entry((scope, selector.clone())).or_default(),
        };
        if known.version != table.version() {
            *known = Known { version: table.version(), ..Known::default() };
        }
        for (at, watched) in table.watched().iter().enumerate().skip(known.n) {
            let takes = || compiled.is_all() || compiled.takes(&watched.entity, &watched.parts, &watched.layers);
            if !watched.gone && takes() {
                known.taken.insert(at);
            }
        }
        known.n = table.watched().len();
        known.taken.clone()
    }
}
