//! Tests of the whole crate: text in, outcome out.

mod fixture;
mod functions;
mod labels;
mod language;
mod laws;
mod pairs;
mod recorded;
