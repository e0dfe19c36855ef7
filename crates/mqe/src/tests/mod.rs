//! Tests of the whole crate: text in, outcome out.

mod condition;
mod differential;
mod fixture;
mod functions;
mod labels;
mod language;
mod laws;
mod naive;
mod ours;
mod pairs;
mod places;
mod recorded;
