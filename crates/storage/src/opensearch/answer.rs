//! The shapes that every answer of a search has; what is in them differs from question to question.

use serde::Deserialize;
use serde_json::Value;

/// An answer with documents; an absent part is an empty one.
#[derive(Debug, Deserialize)]
pub(super) struct Found<H> {
    #[serde(default = "Hits::none")]
    pub(super) hits: Hits<H>,
}

/// Documents, in the order that was asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Hits<H> {
    #[serde(default = "Vec::new")]
    pub(super) hits: Vec<H>,
}

impl<H> Hits<H> {
    fn none() -> Self {
        Hits { hits: Vec::new() }
    }
}

impl<H> Default for Hits<H> {
    fn default() -> Self {
        Hits::none()
    }
}

impl<H> Default for Found<H> {
    fn default() -> Self {
        Found { hits: Hits::none() }
    }
}

/// An answer with aggregations; an absent part is an empty one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Aggregated<A: Default> {
    #[serde(default)]
    pub(super) aggregations: A,
}

/// What an aggregation has put together, and where the next page begins where there are pages.
#[derive(Debug, Deserialize)]
pub(super) struct Buckets<B> {
    #[serde(default = "Vec::new")]
    pub(super) buckets: Vec<B>,
    #[serde(default)]
    pub(super) after_key: Option<Value>,
}

impl<B> Default for Buckets<B> {
    fn default() -> Self {
        Buckets { buckets: Vec::new(), after_key: None }
    }
}
