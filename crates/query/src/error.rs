//! What may go wrong while a query is answered.

use model::id::BadId;
use storage::StoreError;

/// Why a query has no answer. The text is what the client reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An id that was not made from names.
    #[error(transparent)]
    Id(#[from] BadId),
    /// A duration that is not written as its step asks, or has too many points.
    #[error("{0}")]
    Duration(String),
    /// Something that the query needs is missing or contradicts something else.
    #[error("{0}")]
    Request(String),
    /// The store has no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who has to do something about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whoever asked.
    Caller,
    /// The operator: it is logged, too.
    Operator,
}

impl Error {
    /// Who has to do something about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Store(StoreError::Unavailable(_) | StoreError::Damaged(_)) => Kind::Operator,
            Error::Id(_) | Error::Duration(_) | Error::Request(_) | Error::Store(StoreError::Query(_)) => Kind::Caller,
        }
    }

    /// The error as GraphQL says it. This is the edge: what the operator must know is logged here, once.
    pub(crate) fn into_graphql(self) -> async_graphql::Error {
        if self.kind() == Kind::Operator {
            tracing::warn!(error = %self, "query failed");
        }
        async_graphql::Error::new(self.to_string())
    }
}
