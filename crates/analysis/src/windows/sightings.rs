//! What a worker saw of traces since it last told: segments in short, all in one piece of memory.

use model::record::Record;
use model::summary::{Numbers, Piece};

/// Segments as summaries see them, on their way from a worker to the windows. Holds nothing of the messages they came in: those
/// must be freed when their segments are stored.
#[derive(Debug, Default)]
pub struct Sightings {
    /// Trace id, service id and endpoint id of one after the other.
    text: String,
    all: Vec<Sighting>,
}

#[derive(Debug)]
struct Sighting {
    segment: u64,
    numbers: Numbers,
    start: i64,
    end: i64,
    is_error: bool,
    /// Where its texts end.
    ends: [usize; 3],
}

impl Sightings {
    /// Notes a segment that is stored, by its record. One that names no trace is passed over.
    pub fn note(&mut self, record: &Record, numbers: Numbers) {
        let Some((trace_id, piece)) = Piece::of(record, numbers) else { return };
        let ends = [trace_id, piece.service, piece.endpoint].map(|text| {
            self.text.push_str(text);
            self.text.len()
        });
        let Piece { segment, numbers, start, end, is_error, .. } = piece;
        self.all.push(Sighting { segment, numbers, start, end, is_error, ends });
    }

    /// Takes what is there, and leaves room for as much: the next will be much like it.
    #[must_use]
    pub fn take(&mut self) -> Sightings {
        let text = String::with_capacity(self.text.len());
        let all = Vec::with_capacity(self.all.len());
        std::mem::replace(self, Sightings { text, all })
    }

    /// How many segments.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each with the id of its trace.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Piece<'_>)> {
        let mut from = 0;
        self.all.iter().map(move |seen| {
            let [trace_id, service, endpoint] = seen.ends.map(|end| {
                let text = self.text.get(from..end).expect("texts end where they were noted");
                from = end;
                text
            });
            let &Sighting { segment, numbers, start, end, is_error, .. } = seen;
            (trace_id, Piece { segment, numbers, start, end, is_error, service, endpoint })
        })
    }
}

#[cfg(test)]
mod tests {
    use model::UnixMillis;
    use model::kinds::{RecordKind, segment as field};
    use model::record::{FieldValue, Format};

    use super::*;

    fn record(trace_id: &'static str, id: &'static str, endpoint: &'static str) -> Record {
        let mut fields = vec![FieldValue::Absent; RecordKind::Segment.def().fields.len()];
        fields[field::TRACE_ID] = FieldValue::keyword(trace_id);
        fields[field::SERVICE] = FieldValue::keyword("ü");
        fields[field::ENDPOINT] = FieldValue::keyword(endpoint);
        fields[field::LATENCY] = FieldValue::Int(7);
        let (time, format, body) = (UnixMillis(1_000), Format::Segment, bytes::Bytes::new());
        Record { kind: RecordKind::Segment, id: id.into(), time, fields, format, body }
    }

    #[test]
    fn segments_come_out_as_they_went_in() {
        let records =
            [record("t1", "s1", "e"), record("t2", "s2", ""), record("", "s3", "e"), record("t1", "s4", "ee")];
        let numbers = Numbers { parent: 1, spans: 2, errors: 3 };
        let mut noted = Sightings::default();
        records.iter().for_each(|record| noted.note(record, numbers));
        let noted = noted.take();
        let expected: Vec<_> = records.iter().filter_map(|record| Piece::of(record, numbers)).collect();
        assert_eq!(noted.iter().collect::<Vec<_>>(), expected);
        assert_eq!((noted.len(), expected[0].1.end), (3, 1_007));
    }
}
