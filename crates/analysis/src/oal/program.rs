//! Metrics made ready to run.

/// Compiled metrics by source.
#[derive(Debug, Default)]
pub struct Program {}
