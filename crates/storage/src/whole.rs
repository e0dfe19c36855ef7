//! The stored form of a whole record: everything of it in one value, so that a hit costs one read.

use bytes::Bytes;
use model::kinds::RecordKind;
use model::record::{FieldValue, Format, Record};
use model::{ByteString, UnixMillis};

use crate::codec::{Malformed, Reader, put_bytes, put_signed, put_varint};

/// The version of the layout.
const VERSION: u8 = 1;

/// The record's bytes.
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.body.len() + 64 * record.fields.len() + record.id.len() + 16);
    out.push(VERSION);
    put_bytes(&mut out, record.id.as_bytes());
    put_signed(&mut out, record.time.0);
    put_varint(&mut out, record.fields.len() as u64);
    for field in &record.fields {
        match field {
            FieldValue::Absent => out.push(0),
            FieldValue::Text(text) => {
                out.push(1);
                put_bytes(&mut out, text.as_bytes());
            }
            FieldValue::Texts(texts) => {
                out.push(2);
                put_varint(&mut out, texts.len() as u64);
                texts.iter().for_each(|text| put_bytes(&mut out, text.as_bytes()));
            }
            FieldValue::Int(v) => {
                out.push(3);
                put_signed(&mut out, *v);
            }
            FieldValue::Bool(v) => out.push(if *v { 5 } else { 4 }),
        }
    }
    out.push(record.format.code());
    out.extend_from_slice(&record.body);
    out
}

/// The record of such bytes.
pub(crate) fn decode(kind: RecordKind, bytes: &[u8]) -> Result<Record, Malformed> {
    let mut reader = Reader(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed);
    }
    let id = text(&mut reader)?;
    let time = UnixMillis(reader.signed()?);
    let n = reader.count()?;
    let fields = (0..n).map(|_| field(&mut reader)).collect::<Result<_, _>>()?;
    let format = Format::from_code(reader.byte()?).ok_or(Malformed)?;
    Ok(Record { kind, id, time, fields, format, body: Bytes::copy_from_slice(reader.0) })
}

fn text(reader: &mut Reader<'_>) -> Result<ByteString, Malformed> {
    reader.text().map(ByteString::from)
}

fn field(reader: &mut Reader<'_>) -> Result<FieldValue, Malformed> {
    Ok(match reader.byte()? {
        0 => FieldValue::Absent,
        1 => FieldValue::Text(text(reader)?),
        2 => {
            let n = reader.count()?;
            FieldValue::Texts((0..n).map(|_| text(reader)).collect::<Result<_, _>>()?)
        }
        3 => FieldValue::Int(reader.signed()?),
        4 => FieldValue::Bool(false),
        5 => FieldValue::Bool(true),
        _ => return Err(Malformed),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = FieldValue> {
        let text = || "\\PC{0,20}".prop_map(ByteString::from);
        prop_oneof![
            Just(FieldValue::Absent),
            text().prop_map(FieldValue::Text),
            prop::collection::vec(text(), 0..4).prop_map(FieldValue::Texts),
            any::<i64>().prop_map(FieldValue::Int),
            any::<bool>().prop_map(FieldValue::Bool),
        ]
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_were(
            id in "\\PC{0,20}", time: i64, fields in prop::collection::vec(value(), 0..9),
            code in 0u8..4, body in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let record = Record {
                kind: RecordKind::Log, id: id.into(), time: UnixMillis(time), fields,
                format: Format::from_code(code).unwrap(), body: body.into(),
            };
            prop_assert_eq!(decode(RecordKind::Log, &encode(&record)), Ok(record));
        }

        #[test]
        fn garbage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(decode(RecordKind::Log, &bytes));
            bytes.insert(0, VERSION);
            drop(decode(RecordKind::Log, &bytes));
        }
    }
}
