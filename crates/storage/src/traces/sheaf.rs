//! Partial summaries of many traces as one record: a store pays for a record, and hardly for what is in it.
//!
//! The services' and endpoints' ids stand once in a record, at its head; the partials name them by their places. A reader passes over
//! those it does not want by their lengths.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use model::kinds::{RecordKind, trace as field};
use model::record::{FieldValue, Format, Record};
use model::summary::{Root, Seen, Summary};
use model::{ByteString, UnixMillis};

use crate::codec::{Malformed, Reader, put_bytes, put_signed, put_varint};

/// The version of a sheaf's bytes. 1 was a single partial.
const VERSION: u8 = 2;
const IS_ERROR: u8 = 1;
const IS_CUT: u8 = 2;
const ROOT_IS_CALLED: u8 = 4;
/// Partials of a sheaf, at most. One that is wanted costs its reader the whole.
pub const MOST_PARTIALS: usize = 256;
/// Bytes of partials after which a sheaf takes no more.
const MOST_BYTES: usize = 64 * 1024;

/// What is written of a trace beside its segments; the fields are those of [`Summary`] and [`Root`].
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "they are those of the summary")]
pub struct Head<'a> {
    pub start: i64,
    pub end: i64,
    pub is_error: bool,
    pub is_cut: bool,
    pub is_called: bool,
    pub root_start: i64,
    pub root_segment: u64,
    pub root_service: &'a str,
    pub root_endpoint: &'a str,
}

impl<'a> Head<'a> {
    /// That of a summary.
    pub fn of(summary: &'a Summary) -> Head<'a> {
        let Root { is_called, start: root_start, segment: root_segment, service, endpoint } = &summary.root;
        Head {
            start: summary.start,
            end: summary.end,
            is_error: summary.is_error,
            is_cut: summary.is_cut,
            is_called: *is_called,
            root_start: *root_start,
            root_segment: *root_segment,
            root_service: service,
            root_endpoint: endpoint,
        }
    }
}

/// Texts, each once, by their places.
#[derive(Debug, Default)]
struct Texts {
    places: HashMap<ByteString, u64, RandomState>,
    all: Vec<ByteString>,
}

impl Texts {
    fn place(&mut self, text: &str) -> u64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let (place, text) = (self.all.len() as u64, ByteString::from(text));
        self.places.insert(text.clone(), place);
        self.all.push(text);
        place
    }
}

/// A sheaf that is being bound.
#[derive(Debug)]
struct Sheaf {
    trace_ids: Vec<ByteString>,
    services: Texts,
    endpoints: Texts,
    partials: Vec<u8>,
    one: Vec<u8>,
    /// The earliest and the latest start, and the longest duration.
    first: i64,
    last: i64,
    longest: i64,
    is_error: bool,
}

impl Sheaf {
    fn new() -> Sheaf {
        Sheaf {
            trace_ids: Vec::new(),
            services: Texts::default(),
            endpoints: Texts::default(),
            partials: Vec::new(),
            one: Vec::new(),
            first: i64::MAX,
            last: i64::MIN,
            longest: i64::MIN,
            is_error: false,
        }
    }

    fn add<'a>(
        &mut self,
        trace_id: ByteString,
        head: &Head<'_>,
        segments: impl ExactSizeIterator<Item = (&'a str, Seen)>,
    ) {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let out = &mut self.one;
        out.clear();
        out.push(flag(head.is_error, IS_ERROR) | flag(head.is_cut, IS_CUT) | flag(head.is_called, ROOT_IS_CALLED));
        put_signed(out, head.start);
        put_signed(out, head.end);
        put_signed(out, head.root_start);
        // Numbers of segments are random, so they are written as they are.
        out.extend_from_slice(&head.root_segment.to_le_bytes());
        put_varint(out, self.services.place(head.root_service));
        put_varint(out, self.endpoints.place(head.root_endpoint));
        put_varint(out, segments.len() as u64);
        for (service, seen) in segments {
            put_varint(out, self.services.place(service));
            out.extend_from_slice(&seen.segment.to_le_bytes());
            out.extend_from_slice(&seen.parent.to_le_bytes());
            put_varint(out, u64::from(seen.spans));
            put_varint(out, u64::from(seen.errors));
        }
        put_bytes(&mut self.partials, &self.one);
        self.trace_ids.push(trace_id);
        self.first = self.first.min(head.start);
        self.last = self.last.max(head.start);
        self.longest = self.longest.max(head.end.saturating_sub(head.start));
        self.is_error |= head.is_error;
    }

    fn is_full(&self) -> bool {
        self.trace_ids.len() >= MOST_PARTIALS || self.partials.len() >= MOST_BYTES
    }

    /// The record; the same id means the same content.
    fn record(self, (writer, number): (u64, u64)) -> Record {
        let texts = self.endpoints.all.iter().map(|text| text.len() + 2).sum::<usize>();
        let mut body = Vec::with_capacity(self.partials.len() + texts + 8);
        body.push(VERSION);
        put_varint(&mut body, self.endpoints.all.len() as u64);
        self.endpoints.all.iter().for_each(|text| put_bytes(&mut body, text.as_bytes()));
        body.extend_from_slice(&self.partials);
        let mut fields = vec![FieldValue::Absent; RecordKind::Trace.def().fields.len()];
        fields[field::TRACE_IDS] = FieldValue::Texts(self.trace_ids);
        fields[field::SERVICES] = FieldValue::Texts(self.services.all);
        fields[field::FIRST] = FieldValue::Int(self.first);
        fields[field::LONGEST] = FieldValue::Int(self.longest);
        fields[field::IS_ERROR] = FieldValue::Bool(self.is_error);
        Record {
            kind: RecordKind::Trace,
            id: format!("{writer:016x}.{number:x}").into(),
            time: UnixMillis(self.last),
            fields,
            format: Format::Summary,
            body: body.into(),
        }
    }
}

/// Binds partials into records as they come.
#[derive(Debug)]
pub struct Sheaves {
    writer: u64,
    written: u64,
    open: Sheaf,
    full: Vec<Record>,
}

impl Sheaves {
    /// Nothing yet. `writer` is drawn at each start: the records of two processes, or of two lives of one, are different.
    pub fn new(writer: u64) -> Sheaves {
        Sheaves { writer, written: 0, open: Sheaf::new(), full: Vec::new() }
    }

    pub(super) fn numbered(writer: u64, number: u64) -> Sheaves {
        Sheaves { written: number, ..Sheaves::new(writer) }
    }

    /// Takes a partial: its segments in any order, each with its service's id; one may be there twice.
    pub fn add<'a>(
        &mut self,
        trace_id: ByteString,
        head: &Head<'_>,
        segments: impl ExactSizeIterator<Item = (&'a str, Seen)>,
    ) {
        self.open.add(trace_id, head, segments);
        if self.open.is_full() {
            self.bind();
        }
    }

    fn bind(&mut self) {
        let sheaf = std::mem::replace(&mut self.open, Sheaf::new());
        if !sheaf.trace_ids.is_empty() {
            self.full.push(sheaf.record((self.writer, self.written)));
            self.written += 1;
        }
    }

    /// Partials that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.full.iter().map(partials_in).sum::<usize>() + self.open.trace_ids.len()
    }

    /// Records that are full.
    pub fn full(&self) -> usize {
        self.full.len()
    }

    /// Everything that waits.
    pub fn take(&mut self) -> Vec<Record> {
        self.bind();
        std::mem::take(&mut self.full)
    }
}

/// How many partials a record holds.
pub fn partials_in(record: &Record) -> usize {
    record.fields.get(field::TRACE_IDS).map_or(0, |ids| ids.texts().len())
}

/// A sheaf that is read.
pub(super) struct Opened<'a> {
    services: &'a [ByteString],
    endpoints: Vec<&'a str>,
    trace_ids: std::slice::Iter<'a, ByteString>,
    rest: Reader<'a>,
}

impl<'a> Opened<'a> {
    pub(super) fn of(record: &'a Record) -> Result<Opened<'a>, Malformed> {
        let texts = |at: usize| record.fields.get(at).map_or(&[][..], FieldValue::texts);
        let mut rest = Reader(&record.body);
        if record.format != Format::Summary || rest.byte()? != VERSION {
            return Err(Malformed);
        }
        let endpoints = (0..rest.count()?).map(|_| rest.text()).collect::<Result<_, _>>()?;
        Ok(Opened { services: texts(field::SERVICES), endpoints, trace_ids: texts(field::TRACE_IDS).iter(), rest })
    }

    /// The place of a service; `None` where no partial has it.
    pub(super) fn service(&self, id: &str) -> Option<u64> {
        self.services.iter().position(|known| **known == *id).map(|place| place as u64)
    }

    /// The next partial, with its trace.
    pub(super) fn next(&mut self) -> Result<Option<(&'a ByteString, Partial<'a>)>, Malformed> {
        let Some(trace_id) = self.trace_ids.next() else {
            return if self.rest.is_empty() { Ok(None) } else { Err(Malformed) };
        };
        let mut rest = Reader(self.rest.bytes()?);
        let flags = rest.byte()?;
        let (start, end) = (rest.signed()?, rest.signed()?);
        Ok(Some((trace_id, Partial { start, end, flags, rest: rest.0 })))
    }

    /// All of a partial.
    pub(super) fn summary(&self, partial: &Partial<'_>) -> Result<Summary, Malformed> {
        let mut from = Reader(partial.rest);
        let start = from.signed()?;
        let segment = number(&mut from)?;
        let (service, endpoint) = (from.varint()?, from.varint()?);
        let endpoint = usize::try_from(endpoint).ok().and_then(|at| self.endpoints.get(at)).ok_or(Malformed)?;
        let root = Root {
            is_called: partial.flags & ROOT_IS_CALLED != 0,
            start,
            segment,
            service: self.service_at(service)?.into(),
            endpoint: (*endpoint).into(),
        };
        let is_cut = partial.flags & IS_CUT != 0;
        let Partial { start, end, .. } = *partial;
        let mut summary = Summary { start, end, is_error: partial.is_error(), is_cut, root, services: Vec::new() };
        let n = from.count()?;
        for _ in 0..n {
            let (service, seen) = seen(&mut from)?;
            summary.insert(self.service_at(service)?, seen);
        }
        if from.is_empty() && n > 0 { Ok(summary) } else { Err(Malformed) }
    }

    fn service_at(&self, place: u64) -> Result<&'a str, Malformed> {
        usize::try_from(place).ok().and_then(|at| self.services.get(at)).map(|id| &**id).ok_or(Malformed)
    }
}

/// A partial, not yet read but for what is looked at first.
pub(super) struct Partial<'a> {
    pub(super) start: i64,
    pub(super) end: i64,
    flags: u8,
    rest: &'a [u8],
}

impl Partial<'_> {
    pub(super) fn is_error(&self) -> bool {
        self.flags & IS_ERROR != 0
    }

    /// Whether one of its segments is of a service, by the service's place.
    pub(super) fn has(&self, service: u64) -> Result<bool, Malformed> {
        let mut from = Reader(self.rest);
        from.signed()?;
        number(&mut from)?;
        from.varint()?;
        from.varint()?;
        for _ in 0..from.count()? {
            if seen(&mut from)?.0 == service {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn seen(from: &mut Reader<'_>) -> Result<(u64, Seen), Malformed> {
    let service = from.varint()?;
    let (segment, parent) = (number(from)?, number(from)?);
    let mut count = || u32::try_from(from.varint()?).map_err(|_| Malformed);
    Ok((service, Seen { segment, parent, spans: count()?, errors: count()? }))
}

fn number(from: &mut Reader<'_>) -> Result<u64, Malformed> {
    let (number, rest) = from.0.split_first_chunk().ok_or(Malformed)?;
    from.0 = rest;
    Ok(u64::from_le_bytes(*number))
}
