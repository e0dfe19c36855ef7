//! Which conditions fit which fields.

use model::kinds::FieldType;
use model::record::FieldValue;

use crate::{RecordQuery, StoreError, Test};

/// Refuses what an index cannot answer, before it is asked.
pub(crate) fn check(query: &RecordQuery) -> Result<(), StoreError> {
    for condition in &query.conditions {
        let Some(field) = query.kind.def().fields.get(condition.field) else {
            return Err(StoreError::Query(format!("{} has no field {}", query.kind.def().name, condition.field)));
        };
        let fits = match (&condition.test, field.ty) {
            (Test::Phrase(_), FieldType::Text)
            | (Test::Equal(FieldValue::Text(_)) | Test::OneOf(_), FieldType::Keyword | FieldType::Keywords)
            | (Test::Equal(FieldValue::Int(_)) | Test::Within(..), FieldType::Int)
            | (Test::Equal(FieldValue::Bool(_)), FieldType::Bool) => true,
            (Test::Phrase(_) | Test::OneOf(_) | Test::Within(..), _) => false,
            // A value of another type equals nothing in the field.
            (Test::Equal(FieldValue::Int(_) | FieldValue::Bool(_)), _) => true,
            (Test::Equal(FieldValue::Text(_)), ty) => ty != FieldType::Text,
            (Test::Equal(FieldValue::Absent | FieldValue::Texts(_)), _) => false,
        };
        if !fits {
            return Err(StoreError::Query(format!("{} cannot be asked {:?}", field.name, condition.test)));
        }
    }
    Ok(())
}
