//! What operators may change while the server runs: which segments are kept, and from when on calls and statements are slow.
//!
//! Each comes from the settings and, over them, from a file that is read again when it changes. Workers hold a snapshot, and take
//! the next one between elements: see [`Table`].

mod apdex;
mod sampling;
mod slow;

use std::fmt::Display;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::de::DeserializeOwned;
use serde_saphyr::{Location, Spanned};

pub use self::apdex::{Apdex, ApdexThresholds};
pub use self::sampling::{Sampler, Sampling};
pub use self::slow::{Slow, SlowThresholds};
use crate::context::Config;

/// What holds while an element is derived.
#[derive(Clone, Debug)]
pub struct Policies {
    /// Which segments are kept.
    pub sampler: Arc<Sampler>,
    /// From when on calls are slow.
    pub apdex: Arc<ApdexThresholds>,
    /// From when on statements are slow.
    pub slow: Arc<SlowThresholds>,
}

impl Policies {
    /// What the settings say, where there are no files.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Policies {
            sampler: Arc::new(Sampler::new(&config.sampling)),
            apdex: Arc::new(ApdexThresholds::new(&config.apdex)),
            slow: Arc::new(SlowThresholds::new(&config.slow)),
        }
    }
}

/// The policies as they are now, shared by the workers. Whoever reads the files stores new ones into the parts.
#[derive(Clone, Debug)]
pub struct Table {
    /// Which segments are kept.
    pub sampler: Arc<ArcSwap<Sampler>>,
    /// From when on calls are slow.
    pub apdex: Arc<ArcSwap<ApdexThresholds>>,
    /// From when on statements are slow.
    pub slow: Arc<ArcSwap<SlowThresholds>>,
}

impl Table {
    /// Policies that nobody has changed yet.
    #[must_use]
    pub fn new(policies: Policies) -> Self {
        Table {
            sampler: Arc::new(ArcSwap::new(policies.sampler)),
            apdex: Arc::new(ArcSwap::new(policies.apdex)),
            slow: Arc::new(ArcSwap::new(policies.slow)),
        }
    }

    /// The snapshot as it is now.
    #[must_use]
    pub fn load(&self) -> Policies {
        Policies { sampler: self.sampler.load_full(), apdex: self.apdex.load_full(), slow: self.slow.load_full() }
    }
}

/// Reads a file; one that holds nothing but comments is the default.
fn read<T: DeserializeOwned + Default>(name: &str, text: &str) -> Result<T, Vec<String>> {
    let read: Result<Option<T>, _> = serde_saphyr::from_str(text);
    read.map(Option::unwrap_or_default).map_err(|error| {
        let at = error.location().unwrap_or(Location::UNKNOWN);
        let what = error.without_snippet().to_string();
        let place = format!(" at line {}, column {}", at.line(), at.column());
        vec![format!("{name}:{}:{}: {}", at.line(), at.column(), what.strip_suffix(&place).unwrap_or(&what))]
    })
}

/// Collects the problems of a file.
struct Problems<'a> {
    name: &'a str,
    found: Vec<String>,
}

impl<'a> Problems<'a> {
    fn new(name: &'a str) -> Self {
        Problems { name, found: Vec::new() }
    }

    fn push<T>(&mut self, at: &Spanned<T>, what: impl Display) {
        let place = at.referenced;
        self.found.push(format!("{}:{}:{}: {what}", self.name, place.line(), place.column()));
    }

    fn into_result<T>(self, value: T) -> Result<T, Vec<String>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}
