//! JSON that is written by hand where much of it is written, and read with types.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::StoreError;

/// Appends a number or a text as JSON.
pub(super) fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("numbers and texts are JSON, and memory takes them");
}

/// The body of a request.
pub(super) fn body(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("a JSON value is JSON"))
}

/// The parts of an answer that are read. An answer without any of them is an empty object or empty.
pub(super) fn read<T: DeserializeOwned + Default>(answer: &[u8]) -> Result<T, StoreError> {
    if answer.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(answer).map_err(|error| unreadable(&error.to_string()))
}

/// What lies in the cluster is not what this version writes.
pub(super) fn unreadable(what: &str) -> StoreError {
    StoreError::Damaged(format!("OpenSearch holds or answers what this version does not read: {what}"))
}
