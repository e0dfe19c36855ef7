//! Records: what is stored as it came, once: segments, logs, events, alarms.

use bytes::Bytes;
use bytestring::ByteString;

use crate::UnixMillis;
use crate::kinds::RecordKind;

/// One record. The same id means the same content; reads drop repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its kind, which says what the fields are.
    pub kind: RecordKind,
    /// Unique within the kind.
    pub id: ByteString,
    /// When it happened; orders and expires it.
    pub time: UnixMillis,
    /// One value for each field of the kind, in the kind's order.
    pub fields: Vec<FieldValue>,
    /// How the body is written.
    pub format: Format,
    /// The bytes as they arrived.
    pub body: Bytes,
}

/// The value of a field of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FieldValue {
    /// Nothing known.
    #[default]
    Absent,
    /// A keyword or a text.
    Text(ByteString),
    /// Several keywords.
    Texts(Vec<ByteString>),
    /// A number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
}

impl FieldValue {
    /// The text, `""` where there is none.
    pub fn text(&self) -> &str {
        if let FieldValue::Text(text) = self { text } else { "" }
    }

    /// The number, 0 where there is none.
    pub fn int(&self) -> i64 {
        if let FieldValue::Int(v) = self { *v } else { 0 }
    }

    /// Yes; also "no" where nothing is known.
    pub fn bool(&self) -> bool {
        matches!(self, FieldValue::Bool(true))
    }

    /// The keywords.
    pub fn texts(&self) -> &[ByteString] {
        if let FieldValue::Texts(texts) = self { texts } else { &[] }
    }

    /// Text, or nothing for an empty one.
    pub fn keyword(text: impl Into<ByteString>) -> FieldValue {
        let text = text.into();
        if text.is_empty() { FieldValue::Absent } else { FieldValue::Text(text) }
    }
}

/// How a body is written. Bodies are never converted on the way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// No body: the fields are all.
    None,
    /// `skywalking.v3.SegmentObject`, protobuf.
    Segment,
    /// `skywalking.v3.LogData`, protobuf.
    Log,
    /// `skywalking.v3.Event`, protobuf.
    Event,
    /// Partial summaries of traces, in a format of our own.
    Summary,
    /// An alarm that fired, in JSON of our own.
    Alarm,
}

impl Format {
    /// The format's number on disk.
    pub fn code(self) -> u8 {
        match self {
            Format::None => 0,
            Format::Segment => 1,
            Format::Log => 2,
            Format::Event => 3,
            Format::Summary => 4,
            Format::Alarm => 5,
        }
    }

    /// The format of a number on disk.
    pub fn from_code(code: u8) -> Option<Format> {
        [Format::None, Format::Segment, Format::Log, Format::Event, Format::Summary, Format::Alarm]
            .into_iter()
            .find(|f| f.code() == code)
    }
}
