//! Metrics as an operator writes them: SkyWalking's metric language, read and made ready to run.

mod program;

pub use program::Program;
