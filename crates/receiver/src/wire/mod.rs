//! Protobuf, read by hand: texts stay slices of the message that arrived, and what a message may become in memory has a limit.

pub(crate) mod event;
pub(crate) mod jvm;
pub(crate) mod log;
pub(crate) mod management;
pub(crate) mod reader;
pub(crate) mod segment;

use bytes::Bytes;
use bytestring::ByteString;
use model::segment::Tag;

use reader::{Reader, Value, WireError};

/// Tags, references, log entries and the like of one element together. Each takes 2 bytes on the wire and a hundred in memory,
/// so without a limit 50 MiB of nothing would become gigabytes.
const MAX_PARTS: usize = 100_000;

/// Builds the parts of one message.
struct Decoder<'a> {
    message: &'a Bytes,
    parts: usize,
}

impl<'a> Decoder<'a> {
    fn new(message: &'a Bytes) -> Self {
        Decoder { message, parts: 0 }
    }

    /// The text of a field, sharing the message's memory.
    fn text(&self, value: Value<'_>) -> Result<ByteString, WireError> {
        let bytes = value.bytes()?;
        // An empty slice would hold on to the message for nothing.
        if bytes.is_empty() {
            return Ok(ByteString::new());
        }
        ByteString::try_from(self.message.slice_ref(bytes)).map_err(|_| WireError::InvalidUtf8)
    }

    /// Counts a repeated part before it is kept.
    fn part(&mut self) -> Result<(), WireError> {
        self.parts += 1;
        if self.parts > MAX_PARTS { Err(WireError::TooMany) } else { Ok(()) }
    }

    /// A repeated `KeyStringValuePair`.
    fn tag(&mut self, mut reader: Reader<'_>) -> Result<Tag, WireError> {
        self.part()?;
        let mut tag = Tag::default();
        while let Some((number, value)) = reader.next()? {
            match number {
                1 => tag.key = self.text(value)?,
                2 => tag.value = self.text(value)?,
                _ => {}
            }
        }
        Ok(tag)
    }
}

/// A key and a value, checked and forgotten.
fn check_pair(mut reader: Reader<'_>) -> Result<(), WireError> {
    while let Some((number, value)) = reader.next()? {
        if matches!(number, 1 | 2) {
            value.text()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
