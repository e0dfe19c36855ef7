//! `LogData`.

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use model::telemetry::Log;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::Decoder;
use super::reader::{Reader, WireError};

const SERVICE: u32 = 2;

/// The log of a message. `body` is the message itself.
pub(crate) fn decode(message: &Bytes) -> Result<Log, WireError> {
    let mut log = Log { body: message.clone(), ..Log::default() };
    let mut decoder = Decoder::new(message);
    let mut content = Content::default();
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => log.time = value.int64()?,
            SERVICE => log.service = decoder.text(value)?,
            3 => log.instance = decoder.text(value)?,
            4 => log.endpoint = decoder.text(value)?,
            5 => content.read(&decoder, reader.nested(value.bytes()?))?,
            6 => {
                let mut reader = reader.nested(value.bytes()?);
                while let Some((number, value)) = reader.next()? {
                    match number {
                        1 => log.trace_id = decoder.text(value)?,
                        2 => log.segment_id = decoder.text(value)?,
                        3 => log.span_id = value.int32()?,
                        _ => {}
                    }
                }
            }
            7 => {
                let mut reader = reader.nested(value.bytes()?);
                while let Some((number, value)) = reader.next()? {
                    if number == 1 {
                        log.tags.push(decoder.tag(reader.nested(value.bytes()?))?);
                    }
                }
            }
            8 => log.layer = decoder.text(value)?,
            _ => {}
        }
    }
    log.content = content.text;
    Ok(log)
}

/// Text, JSON or YAML: the one sent last. Repeats of the same kind are one message, as the format has it.
#[derive(Default)]
struct Content {
    kind: u32,
    text: ByteString,
}

impl Content {
    fn read(&mut self, decoder: &Decoder<'_>, mut reader: Reader<'_>) -> Result<(), WireError> {
        while let Some((number, value)) = reader.next()? {
            match number {
                1 => value.text().map(|_| ())?,
                2..=4 => {
                    if self.kind != number {
                        *self = Content { kind: number, text: ByteString::new() };
                    }
                    let mut reader = reader.nested(value.bytes()?);
                    while let Some((number, value)) = reader.next()? {
                        if number == 1 {
                            self.text = decoder.text(value)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The log with a service that its stream had named before; the body says it too.
pub(crate) fn with_service(mut log: Log, service: &ByteString) -> Log {
    // The last value of a field is the one that counts, so the name can stand at the end.
    let mut body = BytesMut::with_capacity(log.body.len() + service.len() + 11);
    body.put_slice(&log.body);
    encode_key(SERVICE, WireType::LengthDelimited, &mut body);
    encode_varint(service.len() as u64, &mut body);
    body.put_slice(service.as_bytes());
    log.body = body.freeze();
    log.service = service.clone();
    log
}
