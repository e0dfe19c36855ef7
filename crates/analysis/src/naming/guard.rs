//! The limit on distinct endpoints of a service, and when its names become templates (analysis 2.9.4).
//!
//! The memory of names is the process's own: each service has a *window* of ten minutes, in which the names that no rule covers are
//! remembered by their hashes. Which names come first decides which of them keep theirs at the limit, and when templates begin. That
//! is one of the places where the order of arrival matters, and where nodes may differ for a while; what does not is the sum over
//! all endpoints, since every call counts under exactly one of them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use model::UnixMillis;
use tracing::warn;

use super::{NamingConfig, Templates};

/// How long a window lasts.
pub(super) const WINDOW_MS: i64 = 10 * 60_000;
/// Services whose names are remembered. Names of further ones pass as they are; long before, the limit on entities refuses them.
const MAX_SERVICES: usize = 100_000;
/// Services from which on those that are over are looked for.
const SWEEP_FROM: usize = 1_024;

/// Hashes of names.
pub(super) type Hashes = HashSet<u64, RandomState>;

/// How many names a service may have, and from when on they become templates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The limit.
    names: usize,
    /// So many make templates begin; `usize::MAX`: none do.
    templates_from: usize,
    /// Templates from the first name on.
    always: bool,
}

impl Bounds {
    pub(super) fn new(config: &NamingConfig) -> Self {
        let names = config.max_endpoints;
        let percent = usize::from(config.templates_from_percent);
        let templates_from = match config.templates {
            Templates::NearLimit => (names.saturating_mul(percent) / 100).max(1),
            Templates::Never | Templates::Always => usize::MAX,
        };
        Bounds { names, templates_from, always: config.templates == Templates::Always }
    }

    /// Whether names known in a window keep theirs once it is full. The reference lets them go too; with templates the limit is there
    /// for what no template covers, and what was known goes on, as it does at every other limit.
    pub(super) fn known_go_on(&self) -> bool {
        self.always || self.templates_from != usize::MAX
    }
}

/// What is known of all services.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) bounds: Bounds,
    services: Mutex<Services>,
    /// Names that became templates, of all services there ever were, each time one was reported.
    templated: AtomicU64,
    /// Those that became `_abandoned`.
    abandoned: AtomicU64,
}

#[derive(Debug)]
struct Services {
    map: HashMap<Box<str>, Arc<Service>, RandomState>,
    sweep_at: usize,
}

/// What all workers know of a service's names.
#[derive(Debug)]
pub(super) struct Service {
    name: Box<str>,
    bounds: Bounds,
    state: AtomicU64,
    ends: AtomicI64,
    n_names: AtomicU64,
    templated: AtomicU64,
    abandoned: AtomicU64,
    window: Mutex<Window>,
}

/// The names of ten minutes.
#[derive(Debug, Default)]
struct Window {
    ends: i64,
    epoch: u64,
    rules: u64,
    /// Names, or templates of names, that have an endpoint of their own.
    names: Hashes,
    /// Names that had one before templates began, and keep what they have until the window ends.
    n_before: usize,
    /// Whether names become templates.
    templates: bool,
    /// Names before they become templates, up to as many as make templates begin: with as many in this window they stay.
    given: Hashes,
}

impl Window {
    fn is_full(&self, bounds: &Bounds) -> bool {
        self.n_before + self.names.len() >= bounds.names
    }
}

/// A window as it was at one time: what a worker goes by until it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State(u64);

impl State {
    const FULL: u64 = 1;
    const TEMPLATES: u64 = 2;
    const COUNTED: u64 = 4;

    /// The limit is reached.
    pub(super) fn is_full(self) -> bool {
        self.0 & State::FULL != 0
    }

    /// Names become templates.
    pub(super) fn templates(self) -> bool {
        self.0 & State::TEMPLATES != 0
    }

    /// Names before they become templates need not be counted any more.
    pub(super) fn is_counted(self) -> bool {
        self.0 & State::COUNTED != 0
    }

    /// Which window, and which part of it: what was remembered in another holds no longer.
    pub(super) fn epoch(self) -> u64 {
        self.0 >> 3
    }
}

/// What becomes of a name that is new to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It has an endpoint of its own, and may be remembered.
    Kept,
    /// The window is another one, or full by now: look at it again.
    Changed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds it panics; if it did, counts of names would be what is lost.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Service {
    fn new(name: &str, bounds: Bounds) -> Self {
        Service {
            name: name.into(),
            bounds,
            state: AtomicU64::new(0),
            // Over before it began, so that the first name opens a window.
            ends: AtomicI64::new(i64::MIN),
            n_names: AtomicU64::new(0),
            templated: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            window: Mutex::new(Window { ends: i64::MIN, ..Window::default() }),
        }
    }

    /// The window as it is.
    pub(super) fn state(&self) -> State {
        State(self.state.load(Ordering::Acquire))
    }

    /// When it ends.
    pub(super) fn ends(&self) -> i64 {
        self.ends.load(Ordering::Relaxed)
    }

    /// Begins a window where the last one is over.
    pub(super) fn renew(&self, now: UnixMillis, rules: u64) {
        let window = &mut *lock(&self.window);
        if now.0 >= window.ends {
            let stays = rules == window.rules && window.given.len() >= self.bounds.templates_from;
            self.begin(window, (now.0.saturating_add(WINDOW_MS), rules), stays);
        }
    }

    /// Begins a window within the same ten minutes where the last one belongs to other rules: what they cover takes no room any more.
    pub(super) fn follow_rules(&self, rules: u64) {
        let window = &mut *lock(&self.window);
        if window.rules != rules {
            self.begin(window, (window.ends, rules), false);
        }
    }

    fn begin(&self, window: &mut Window, (ends, rules): (i64, u64), templates: bool) {
        let (epoch, templates) = (window.epoch + 1, templates || self.bounds.always);
        *window = Window { ends, epoch, rules, templates, ..Window::default() };
        self.publish(window);
    }

    fn publish(&self, window: &Window) {
        let bounds = &self.bounds;
        let is_counted = bounds.templates_from == usize::MAX || window.given.len() >= bounds.templates_from;
        let is_full = window.is_full(bounds);
        let flag = |on: bool, flag: u64| if on { flag } else { 0 };
        let state = flag(is_full, State::FULL)
            | flag(window.templates, State::TEMPLATES)
            | flag(is_counted, State::COUNTED)
            | (window.epoch << 3);
        self.n_names.store(window.names.len() as u64, Ordering::Relaxed);
        self.ends.store(window.ends, Ordering::Relaxed);
        self.state.store(state, Ordering::Release);
    }

    /// All names of a full window, so that the worker who goes by it need not ask again; `None`: it has become another one.
    pub(super) fn all_names(&self, state: State) -> Option<Hashes> {
        let window = lock(&self.window);
        (window.epoch == state.epoch()).then(|| window.names.clone())
    }

    /// A name that the worker, who goes by `state`, does not know. `shown` and `template` are for the log.
    pub(super) fn admit(&self, state: State, name: u64, shown: &str) -> Admission {
        let window = &mut *lock(&self.window);
        if window.epoch != state.epoch() {
            return Admission::Changed;
        }
        let bounds = &self.bounds;
        if window.names.contains(&name) {
            return Admission::Kept;
        }
        if !window.templates && window.names.len() + 1 >= bounds.templates_from {
            window.names.insert(name);
            self.begin_templates(window, shown);
            return Admission::Changed;
        }
        if window.is_full(bounds) {
            // It filled up since the worker looked.
            return Admission::Changed;
        }
        window.names.insert(name);
        if window.is_full(bounds) {
            let (service, limit) = (&*self.name, bounds.names);
            warn!(
                service,
                limit,
                last = shown,
                "too many endpoints: further ones count as `_abandoned` for ten minutes at most"
            );
        }
        self.publish(window);
        Admission::Kept
    }

    /// From here on names become templates. Those there are have had their room; the last of them is the first to become one.
    fn begin_templates(&self, window: &mut Window, shown: &str) {
        let (service, names) = (&*self.name, window.names.len());
        warn!(
            service,
            names,
            last = shown,
            "many endpoints: ids, numbers and the like in their names count as `{{var}}` from here on"
        );
        window.n_before = window.names.len() - 1;
        window.given = std::mem::take(&mut window.names);
        window.templates = true;
        window.epoch += 1;
        self.publish(window);
    }

    /// Counts a name as it is before it becomes a template: enough of them keep templates on in the next window.
    pub(super) fn count_given(&self, state: State, name: u64) {
        let window = &mut *lock(&self.window);
        if window.epoch == state.epoch() && window.given.len() < self.bounds.templates_from && window.given.insert(name)
        {
            self.publish(window);
        }
    }

    fn is_over(&self, now: UnixMillis) -> bool {
        self.ends() <= now.0
    }
}

impl Guard {
    pub(super) fn new(bounds: Bounds) -> Self {
        let services = Services { map: HashMap::default(), sweep_at: SWEEP_FROM };
        Guard { bounds, services: Mutex::new(services), templated: AtomicU64::new(0), abandoned: AtomicU64::new(0) }
    }

    /// What is known of a service; `None` where there are too many. Services whose window is over, and which no worker holds, make
    /// room.
    pub(super) fn service(&self, name: &str, now: UnixMillis) -> Option<Arc<Service>> {
        let Services { map, sweep_at } = &mut *lock(&self.services);
        if let Some(service) = map.get(name) {
            return Some(Arc::clone(service));
        }
        if map.len() >= *sweep_at {
            map.retain(|_, service| Arc::strong_count(service) > 1 || !service.is_over(now));
            *sweep_at = (map.len() * 2).clamp(SWEEP_FROM, MAX_SERVICES);
        }
        if map.len() >= MAX_SERVICES {
            return None;
        }
        let service = Arc::new(Service::new(name, self.bounds));
        map.insert(name.into(), Arc::clone(&service));
        Some(service)
    }

    /// A name became a template.
    pub(super) fn count_templated(&self, service: &Service) {
        count(&self.templated);
        count(&service.templated);
    }

    /// A name became `_abandoned`.
    pub(super) fn count_abandoned(&self, service: &Service) {
        count(&self.abandoned);
        count(&service.abandoned);
    }

    /// What the operator is told: totals, and the `most` services that explode most.
    pub(super) fn folded(&self, most: usize) -> Folded {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut services: Vec<Exploder> = lock(&self.services)
            .map
            .values()
            .map(|service| Exploder {
                service: service.name.to_string(),
                names: get(&service.n_names),
                templates: service.state().templates() && !self.bounds.always,
                full: service.state().is_full(),
                templated: get(&service.templated),
                abandoned: get(&service.abandoned),
            })
            .collect();
        let n_templates = services.iter().filter(|service| service.templates).count();
        let n_full = services.iter().filter(|service| service.full).count();
        services.sort_unstable_by(|a, b| b.rank().cmp(&a.rank()).then_with(|| a.service.cmp(&b.service)));
        services.truncate(most);
        Folded { templated: get(&self.templated), abandoned: get(&self.abandoned), n_templates, n_full, services }
    }
}

/// How endpoints' names are folded, at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Names that became templates: of called and calling endpoints, segments and logs, each time one was reported.
    pub templated: u64,
    /// Names that became `_abandoned`.
    pub abandoned: u64,
    /// Services whose names have become templates because there were so many.
    pub n_templates: usize,
    /// Services that have reached the limit.
    pub n_full: usize,
    /// The services with the most names folded, then those with the most names.
    pub services: Vec<Exploder>,
}

/// A service by how many endpoints it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exploder {
    /// Its name.
    pub service: String,
    /// Names that no rule covers, of the last ten minutes: each an endpoint of its own.
    pub names: u64,
    /// Whether names become templates because there were so many.
    pub templates: bool,
    /// Whether the limit is reached.
    pub full: bool,
    /// Names that became templates, each time one was reported.
    pub templated: u64,
    /// Names that became `_abandoned`.
    pub abandoned: u64,
}

impl Exploder {
    fn rank(&self) -> (u64, u64) {
        (self.templated + self.abandoned, self.names)
    }
}
