//! Why the desk did not do something.

use crate::doc::BadDoc;
use crate::edit::EditError;
use storage::StoreError;

use super::SilencePreview;

/// Why nothing was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeskError {
    /// A document was not changed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// What was asked for cannot be done.
    #[error("{message}")]
    Refused {
        /// What kind of problem, for programs.
        code: &'static str,
        /// The field; empty: all of it.
        path: String,
        /// What, for people.
        message: String,
    },
    /// The silence would hit more than the limit allows.
    #[error("it would silence {} open alarms and {} entities, and {limit} are the limit; insist, or be more exact", preview.n_alarms, preview.n_entities)]
    TooBroad {
        /// The limit.
        limit: usize,
        /// What it would hit.
        preview: Box<SilencePreview>,
    },
}

/// What a caller does about a [`DeskError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ask otherwise.
    Invalid,
    /// There is none.
    NotFound,
    /// Look at what is there now and ask again.
    Conflict,
    /// Insist, or be more exact.
    TooBroad,
    /// Ask again later.
    Unavailable,
    /// Tell the operator.
    Damaged,
}

impl DeskError {
    /// What to do about it.
    pub fn kind(&self) -> Kind {
        use storage::ErrorKind;
        match self {
            DeskError::Refused { .. } | DeskError::Edit(EditError::Invalid(_)) => Kind::Invalid,
            DeskError::Edit(EditError::NotFound(_)) => Kind::NotFound,
            DeskError::Edit(EditError::Conflict(_)) => Kind::Conflict,
            DeskError::Edit(EditError::Unreadable(_)) => Kind::Damaged,
            DeskError::Edit(EditError::Store(error)) => match error.kind() {
                ErrorKind::Retry => Kind::Unavailable,
                ErrorKind::Caller => Kind::Invalid,
                ErrorKind::Operator => Kind::Damaged,
            },
            DeskError::TooBroad { .. } => Kind::TooBroad,
        }
    }

    pub(crate) fn refused(code: &'static str, path: &str, message: impl Into<String>) -> DeskError {
        DeskError::Refused { code, path: path.to_owned(), message: message.into() }
    }
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        DeskError::Edit(EditError::Store(error))
    }
}

impl From<BadDoc> for DeskError {
    fn from(error: BadDoc) -> Self {
        DeskError::Edit(EditError::Unreadable(error))
    }
}
