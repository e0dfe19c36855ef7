//! Named moments at which a test may let the store fail, or look at its folder as a crash would leave it.

use std::fmt;
use std::sync::Arc;

use crate::StoreError;

type Hook = dyn Fn(&'static str) -> Result<(), String> + Send + Sync;

/// What happens at the store's named moments. Outside tests: nothing.
///
/// The moments are `records.add`, `records.commit`, `records.committed`, `records.rotate`, `rows.commit`, `rows.committed`,
/// `rows.create`, `items.commit`, `items.committed` and `expire`. At `….commit` everything is written and nothing is promised;
/// at `….committed` it is promised and nobody knows yet.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Hook>>);

impl Faults {
    /// Asks `hook` at every moment, on the thread that does the work; an error makes the step fail as a full disk would.
    pub fn new(hook: impl Fn(&'static str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Faults(Some(Arc::new(hook)))
    }

    /// A moment has come.
    pub(super) fn at(&self, moment: &'static str) -> Result<(), StoreError> {
        match &self.0 {
            Some(hook) => hook(moment).map_err(StoreError::Unavailable),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(hook)" } else { "Faults(none)" })
    }
}
