//! A worker's view of names: the rules as it last took them, and which names it has seen before.

use std::cell::RefCell;
use std::hash::BuildHasher as _;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::{fast::RandomState, quality};
use hashbrown::HashMap;
use model::UnixMillis;

use super::guard::{Admission, Bounds, Folded, Guard, Hashes, Service, State};
use super::rules::{Grouped, Rules};
use super::{Lengths, NamingConfig, template};

/// What a name becomes that the limit leaves no room for.
pub const ABANDONED: &str = "_abandoned";
/// Services from which on a worker looks for those that are over.
const SWEEP_FROM: usize = 1_024;

/// What all workers of a process share about names.
#[derive(Debug)]
pub struct Naming {
    lengths: Lengths,
    rules: Arc<ArcSwap<Rules>>,
    guard: Guard,
    hasher: quality::RandomState,
}

impl Naming {
    /// Naming by valid settings and by the rules in `rules`, whichever are there at the time.
    pub fn new(config: &NamingConfig, rules: Arc<ArcSwap<Rules>>) -> Self {
        let guard = Guard::new(Bounds::new(config));
        Naming { lengths: config.lengths(), rules, guard, hasher: quality::RandomState::default() }
    }

    /// What was folded, with the `most` services that it was most of.
    pub fn folded(&self, most: usize) -> Folded {
        self.guard.folded(most)
    }
}

/// A name as it enters ids.
#[derive(Debug)]
pub(crate) enum Name<'a> {
    /// The name that was given, or its beginning.
    Given(&'a str),
    /// The name of a group.
    Group(Arc<str>),
    /// A template.
    Template(String),
}

impl Deref for Name<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Name::Given(name) => name,
            Name::Group(name) => name,
            Name::Template(name) => name,
        }
    }
}

/// Names for one worker. Cheap to use: what a worker has seen before it finds in memory of its own, and takes a lock for a name that
/// is new to it only.
#[derive(Debug)]
pub struct Names {
    shared: Arc<Naming>,
    rules: Arc<Rules>,
    own: RefCell<Own>,
}

impl Clone for Names {
    /// For another worker, which has seen nothing.
    fn clone(&self) -> Self {
        Names::new(Arc::clone(&self.shared))
    }
}

#[derive(Debug, Default)]
struct Own {
    services: HashMap<Box<str>, Known, RandomState>,
    sweep_at: usize,
}

/// What a worker has seen of a service in its window.
#[derive(Debug)]
struct Known {
    service: Arc<Service>,
    state: State,
    ends: i64,
    names: Hashes,
    /// Whether `names` are all there are: nobody adds to a full window.
    is_complete: bool,
    given: Hashes,
}

impl Known {
    fn of(service: Arc<Service>) -> Self {
        let (names, given) = Default::default();
        Known { service, state: State::default(), ends: i64::MIN, names, is_complete: false, given }
    }

    /// Goes by the window as it is now, and forgets what was seen in another.
    fn follow(&mut self, now: UnixMillis, rules: u64) {
        let state = self.service.state();
        if state == self.state && now.0 < self.ends {
            return;
        }
        if now.0 >= self.service.ends() {
            self.service.renew(now, rules);
        }
        let state = self.service.state();
        if state.epoch() != self.state.epoch() {
            self.names.clear();
            self.given.clear();
            self.is_complete = false;
        }
        (self.state, self.ends) = (state, self.service.ends());
    }
}

impl Names {
    /// A worker's names, with the rules as they are now.
    pub fn new(shared: Arc<Naming>) -> Self {
        let rules = shared.rules.load_full();
        Names { shared, rules, own: RefCell::default() }
    }

    /// Takes the rules as they are now. With other rules all windows begin anew: what these cover takes no room any more.
    pub fn refresh(&mut self) {
        let rules = self.shared.rules.load();
        if Arc::ptr_eq(&rules, &self.rules) {
            return;
        }
        self.rules = Arc::clone(&rules);
        self.own.get_mut().services.values().for_each(|known| known.service.follow_rules(rules.fingerprint));
    }

    /// A worker's names where the operator has no rules.
    pub fn without_rules(config: &NamingConfig) -> Self {
        Names::new(Arc::new(Naming::new(config, Arc::default())))
    }

    /// A service's name as it enters ids.
    pub(crate) fn service<'n>(&self, name: &'n str) -> &'n str {
        self.shared.lengths.service(name)
    }

    /// An instance's name as it enters ids.
    pub(crate) fn instance<'n>(&self, name: &'n str) -> &'n str {
        self.shared.lengths.instance(name)
    }

    /// The name of a service's endpoint as it enters ids: cut, then grouped by the rules, then, where no rule covers it, as it is, as
    /// a template or as [`ABANDONED`]. `service` is as it enters ids, `now` the time of receipt.
    pub(crate) fn endpoint<'n>(&self, service: &str, name: &'n str, now: UnixMillis) -> Name<'n> {
        let name = self.shared.lengths.endpoint(name);
        // As the reference has it: who has no name has no rules either.
        if service.is_empty() || name.is_empty() {
            return Name::Given(name);
        }
        match self.rules.group(service, name) {
            Grouped::As(group) => Name::Group(group),
            Grouped::AsItIs => Name::Given(name),
            Grouped::No => self.ungrouped(service, name, now),
        }
    }

    /// As [`Names::endpoint`], by the length and the rules alone.
    pub(crate) fn grouped<'n>(&self, service: &str, name: &'n str) -> Name<'n> {
        let name = self.shared.lengths.endpoint(name);
        match self.rules.group(service, name) {
            Grouped::As(group) => Name::Group(group),
            Grouped::AsItIs | Grouped::No => Name::Given(name),
        }
    }

    fn ungrouped<'n>(&self, service: &str, name: &'n str, now: UnixMillis) -> Name<'n> {
        let own = &mut *self.own.borrow_mut();
        let known = match own.services.get_mut(service) {
            Some(known) => known,
            None => match own.open(service, &self.shared.guard, now) {
                Some(known) => known,
                None => return Name::Given(name),
            },
        };
        let shared = &*self.shared;
        // At most one change of the window between two looks at it that matters here: templates begin. Were there more, this name
        // would be one of the first of a new window, and so has room.
        for _ in 0..3 {
            known.follow(now, self.rules.fingerprint);
            if let Some(name) = known.name(shared, name) {
                return name;
            }
        }
        Name::Given(name)
    }
}

impl Own {
    fn open(&mut self, service: &str, guard: &Guard, now: UnixMillis) -> Option<&mut Known> {
        if self.services.len() >= self.sweep_at {
            self.services.retain(|_, known| known.ends > now.0);
            self.sweep_at = (self.services.len() * 2).max(SWEEP_FROM);
        }
        let known = Known::of(guard.service(service, now)?);
        Some(self.services.entry(service.into()).or_insert(known))
    }
}

impl Known {
    /// What a name becomes by the window that the worker goes by; `None`: it has become another one.
    fn name<'n>(&mut self, shared: &Naming, name: &'n str) -> Option<Name<'n>> {
        let state = self.state;
        let mut shown = Name::Given(name);
        if state.templates() {
            let given = shared.hasher.hash_one(name);
            if !state.is_counted() && self.given.insert(given) {
                self.service.count_given(state, given);
            }
            if let Some(template) = template::template(name) {
                // A `{var}` may have taken the place of less.
                shown = Name::Template(shared.lengths.endpoint(&template).to_owned());
            }
        }
        if !self.has_room(shared, &shown)? {
            shared.guard.count_abandoned(&self.service);
            return Some(Name::Given(ABANDONED));
        }
        if matches!(shown, Name::Template(_)) {
            shared.guard.count_templated(&self.service);
        }
        Some(shown)
    }

    /// Whether a name may have an endpoint of its own; `None`: the window has become another one.
    fn has_room(&mut self, shared: &Naming, shown: &str) -> Option<bool> {
        let state = self.state;
        if state.is_full() {
            if !shared.guard.bounds.known_go_on() {
                return Some(false);
            }
            if !self.is_complete {
                self.names = self.service.all_names(state)?;
                self.is_complete = true;
            }
            return Some(self.names.contains(&shared.hasher.hash_one(shown)));
        }
        let hash = shared.hasher.hash_one(shown);
        if !self.names.contains(&hash) {
            match self.service.admit(state, hash, shown) {
                Admission::Changed => return None,
                Admission::Kept => self.names.insert(hash),
            };
        }
        Some(true)
    }
}
