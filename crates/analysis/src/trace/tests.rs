//! The worked examples of the reference (T0 is 2024-01-15T12:00:00Z; ids as it writes them), then small rules one by one.

mod examples;
mod gen_ai;
mod peers;
mod rules;
mod sampling;
