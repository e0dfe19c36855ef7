//! Permits: a share of the byte budget, given back when the data it stands for is stored or refused.

use std::fmt;
use std::sync::Arc;

/// Takes bytes back into a budget.
pub type Release = Arc<dyn Fn(u32) + Send + Sync>;

/// A share of the byte budget. It travels with the data; dropping it gives the bytes back.
pub struct Permit {
    bytes: u32,
    release: Option<Release>,
}

impl Permit {
    /// A share of `bytes`; `release` is told when it ends.
    pub fn new(bytes: u32, release: Release) -> Self {
        Permit { bytes, release: Some(release) }
    }

    /// A share of nothing, for data that no budget covers.
    pub fn none() -> Self {
        Permit { bytes: 0, release: None }
    }

    /// Its size.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Cuts a share of at most `bytes` off this one.
    #[must_use]
    pub fn split(&mut self, bytes: u32) -> Permit {
        let part = bytes.min(self.bytes);
        self.bytes -= part;
        Permit { bytes: part, release: self.release.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(release) = self.release.take()
            && self.bytes > 0
        {
            release(self.bytes);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.bytes).finish()
    }
}
