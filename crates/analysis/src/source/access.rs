//! One use of what nobody reports from (a database, a cache, a broker, a language model), as its client saw it.

use model::segment::Span;

use super::{Datum, Field, name};

/// What was done to a cache. The numbers are positions in the language's `VirtualCacheOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheOperation {
    Write = 0,
    Read = 1,
    Others = 2,
}

/// What was done at a broker. The numbers are positions in the language's `MQOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MqOperation {
    Produce = 0,
    Consume = 1,
}

/// What a call of a language model used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input_tokens: i64,
    pub(crate) output_tokens: i64,
    /// In millionths of the currency of the price list.
    pub(crate) cost: i64,
    /// Milliseconds until the first token came; 0 where that is not known.
    pub(crate) first_token_ms: i64,
}

/// One use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAccess<'a> {
    /// Whose use: a database, a cache, a broker, a provider of models.
    pub(crate) service: &'a str,
    /// The topic or queue; empty where there is none.
    pub(crate) endpoint: &'a str,
    /// The model; empty where there is none.
    pub(crate) instance: &'a str,
    pub(crate) latency: i64,
    pub(crate) ok: bool,
    pub(crate) component: i32,
    /// Number of the operation in the kind's own set.
    pub(crate) operation: i64,
    /// Milliseconds that a message was under way; 0 where that is not known.
    pub(crate) transmission_ms: i64,
    pub(crate) usage: Usage,
}

impl<'a> PeerAccess<'a> {
    /// What every span says; the rest is absent.
    pub(crate) fn of(service: &'a str, span: &Span) -> Self {
        PeerAccess {
            service,
            endpoint: "",
            instance: "",
            latency: span.latency(),
            ok: !span.is_error,
            component: span.component,
            operation: 0,
            transmission_ms: 0,
            usage: Usage::default(),
        }
    }

    pub(super) fn read(&self, field: &Field) -> Datum<'a> {
        Datum::Int(match field {
            Field::Status => return Datum::Bool(self.ok),
            Field::DestService => return name(self.service),
            Field::DestEndpoint => return name(self.endpoint),
            Field::DestInstance => return name(self.instance),
            Field::Latency => self.latency,
            Field::Component => i64::from(self.component),
            Field::Operation => self.operation,
            Field::Transmission => self.transmission_ms,
            Field::InputTokens => self.usage.input_tokens,
            Field::OutputTokens => self.usage.output_tokens,
            Field::Cost => self.usage.cost,
            Field::FirstToken => self.usage.first_token_ms,
            _ => return Datum::Null,
        })
    }
}
