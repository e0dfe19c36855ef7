//! `SegmentObject`, decoded without copying: the hot path of the server.
//!
//! Texts are slices of the message. Logs are checked, so that what is stored can be read again, but not built: analysis has no
//! use for them. What `prost` would accept is accepted, within [`Limits`], and nothing else.

use bytes::Bytes;
use model::segment::{Segment, Span, SpanKind, SpanLayer, SpanRef};

use super::reader::{Reader, WireError};
use super::{Decoder, check_pair};

/// How much one segment may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Spans.
    pub(crate) spans: usize,
}

/// The segment of a message. `body` is the message itself.
pub(crate) fn decode(message: &Bytes, limits: Limits) -> Result<Segment, WireError> {
    let mut segment = Segment { body: message.clone(), ..Segment::default() };
    let mut decoder = Decoder::new(message);
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => segment.trace_id = decoder.text(value)?,
            2 => segment.segment_id = decoder.text(value)?,
            3 => {
                if segment.spans.len() == limits.spans {
                    return Err(WireError::TooMany);
                }
                segment.spans.push(decoder.span(reader.nested(value.bytes()?))?);
            }
            4 => segment.service = decoder.text(value)?,
            5 => segment.instance = decoder.text(value)?,
            6 => value.bool().map(|_| ())?,
            _ => {}
        }
    }
    Ok(segment)
}

impl Decoder<'_> {
    fn span(&mut self, mut reader: Reader<'_>) -> Result<Span, WireError> {
        let mut span = Span::default();
        while let Some((number, value)) = reader.next()? {
            match number {
                1 => span.id = value.int32()?,
                2 => span.parent_id = value.int32()?,
                3 => span.start = value.int64()?,
                4 => span.end = value.int64()?,
                5 => span.refs.push(self.reference(reader.nested(value.bytes()?))?),
                6 => span.operation = self.text(value)?,
                7 => span.peer = self.text(value)?,
                8 => span.kind = SpanKind::from_wire(value.int32()?),
                9 => span.layer = SpanLayer::from_wire(value.int32()?),
                10 => span.component = value.int32()?,
                11 => span.is_error = value.bool()?,
                12 => span.tags.push(self.tag(reader.nested(value.bytes()?))?),
                13 => self.log(reader.nested(value.bytes()?))?,
                14 => span.skip_analysis = value.bool()?,
                _ => {}
            }
        }
        Ok(span)
    }

    fn reference(&mut self, mut reader: Reader<'_>) -> Result<SpanRef, WireError> {
        self.part()?;
        let mut reference = SpanRef::default();
        while let Some((number, value)) = reader.next()? {
            match number {
                1 => reference.cross_thread = value.int32()? == proto::v3::RefType::CrossThread as i32,
                2 => reference.trace_id = self.text(value)?,
                3 => reference.segment_id = self.text(value)?,
                4 => reference.span_id = value.int32()?,
                5 => reference.service = self.text(value)?,
                6 => reference.instance = self.text(value)?,
                7 => reference.endpoint = self.text(value)?,
                8 => reference.address = self.text(value)?,
                _ => {}
            }
        }
        Ok(reference)
    }

    fn log(&mut self, mut reader: Reader<'_>) -> Result<(), WireError> {
        self.part()?;
        while let Some((number, value)) = reader.next()? {
            match number {
                1 => value.int64().map(|_| ())?,
                2 => {
                    self.part()?;
                    check_pair(reader.nested(value.bytes()?))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
