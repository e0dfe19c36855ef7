//! What is accepted and counted, and nothing more, until something analyses it.

use model::telemetry::Signal;

use crate::wire::reader::{Reader, WireError};

/// What is an element in a message of such a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elements {
    /// The message.
    Message,
    /// Each occurrence of field 1.
    Field1,
    /// Each occurrence of field 1 in the messages of fields 1 and 2.
    Field1Of1And2,
}

/// A kind of message that nothing analyses yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Later {
    pub(crate) signal: Signal,
    pub(crate) elements: Elements,
}

/// How many elements a message holds. What is inside an element is not looked at.
pub(crate) fn count(message: &[u8], elements: Elements) -> Result<u64, WireError> {
    let mut n = 0;
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        match (elements, number) {
            (Elements::Field1, 1) => {
                value.bytes()?;
                n += 1;
            }
            (Elements::Field1Of1And2, 1 | 2) => {
                let mut reader = reader.nested(value.bytes()?);
                while let Some((number, _)) = reader.next()? {
                    n += u64::from(number == 1);
                }
            }
            _ => {}
        }
    }
    Ok(if elements == Elements::Message { 1 } else { n })
}
