//! Reads fields of a protobuf message one by one, and is as strict as `prost`: it accepts exactly what that accepts.

use model::ledger::Reason;

/// Why bytes are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireError {
    Malformed,
    InvalidUtf8,
    /// More of something than its limit.
    TooMany,
}

impl WireError {
    /// The reason it is counted under.
    pub(crate) fn reason(self) -> Reason {
        match self {
            WireError::Malformed => Reason::Malformed,
            WireError::InvalidUtf8 => Reason::InvalidUtf8,
            WireError::TooMany => Reason::TooMany,
        }
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed64(u64),
    /// Of a wire type that none of our messages' fields has; skipped.
    Other,
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Result<&'a [u8], WireError> {
        if let Value::Bytes(bytes) = self { Ok(bytes) } else { Err(WireError::Malformed) }
    }

    pub(crate) fn text(self) -> Result<&'a str, WireError> {
        str::from_utf8(self.bytes()?).map_err(|_| WireError::InvalidUtf8)
    }

    pub(crate) fn int64(self) -> Result<i64, WireError> {
        if let Value::Varint(v) = self { Ok(v.cast_signed()) } else { Err(WireError::Malformed) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the format says: the low 32 bits")]
    pub(crate) fn int32(self) -> Result<i32, WireError> {
        self.int64().map(|v| v as i32)
    }

    pub(crate) fn double(self) -> Result<f64, WireError> {
        if let Value::Fixed64(bits) = self { Ok(f64::from_bits(bits)) } else { Err(WireError::Malformed) }
    }

    pub(crate) fn bool(self) -> Result<bool, WireError> {
        self.int64().map(|v| v != 0)
    }
}

/// How deep groups may nest in a top-level message: messages and groups share 100 levels.
const DEPTH: u32 = 100;
/// A varint's tenth byte holds one bit.
const VARINT_BYTES: usize = 10;

/// What is left of a message.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl<'a> Reader<'a> {
    /// Reads a top-level message.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes, depth: DEPTH }
    }

    /// Reads a message that was cut out of a top-level one.
    pub(crate) fn inner(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes, depth: DEPTH - 1 }
    }

    /// Reads a message inside this one.
    pub(crate) fn nested(&self, bytes: &'a [u8]) -> Self {
        Reader { rest: bytes, depth: self.depth - 1 }
    }

    /// The next field's number and value; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.key()?;
        let value = match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => {
                let (&bits, rest) = self.rest.split_first_chunk().ok_or(WireError::Malformed)?;
                self.rest = rest;
                Value::Fixed64(u64::from_le_bytes(bits))
            }
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| WireError::Malformed)?;
                Value::Bytes(self.take(len)?)
            }
            _ => {
                self.skip(number, wire_type, self.depth)?;
                Value::Other
            }
        };
        Ok(Some((number, value)))
    }

    fn key(&mut self) -> Result<(u32, u32), WireError> {
        let key = u32::try_from(self.varint()?).map_err(|_| WireError::Malformed)?;
        if key >> 3 == 0 { Err(WireError::Malformed) } else { Ok((key >> 3, key & 7)) }
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().take(VARINT_BYTES).enumerate() {
            if i == VARINT_BYTES - 1 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(WireError::Malformed)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(WireError::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, number: u32, wire_type: u32, depth: u32) -> Result<(), WireError> {
        if depth == 0 {
            return Err(WireError::Malformed);
        }
        match wire_type {
            0 => self.varint().map(|_| ()),
            1 => self.take(8).map(|_| ()),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| WireError::Malformed)?;
                self.take(len).map(|_| ())
            }
            3 => loop {
                let (inner, wire_type) = self.key()?;
                match wire_type {
                    4 if inner == number => break Ok(()),
                    4 => break Err(WireError::Malformed),
                    _ => self.skip(inner, wire_type, depth - 1)?,
                }
            },
            5 => self.take(4).map(|_| ()),
            _ => Err(WireError::Malformed),
        }
    }
}
