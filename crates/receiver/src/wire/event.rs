//! `Event`.

use bytes::Bytes;
use model::telemetry::Event;

use super::reader::{Reader, WireError};
use super::{Decoder, check_pair};

/// The event of a message. `body` is the message itself; what it says and its parameters are read from there.
pub(crate) fn decode(message: &Bytes) -> Result<Event, WireError> {
    let mut event = Event { body: message.clone(), ..Event::default() };
    let mut decoder = Decoder::new(message);
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => event.uuid = decoder.text(value)?,
            2 => {
                let mut reader = reader.nested(value.bytes()?);
                while let Some((number, value)) = reader.next()? {
                    match number {
                        1 => event.service = decoder.text(value)?,
                        2 => event.instance = decoder.text(value)?,
                        3 => event.endpoint = decoder.text(value)?,
                        _ => {}
                    }
                }
            }
            3 => event.name = decoder.text(value)?,
            4 => event.is_error = value.int32()? == proto::v3::Type::Error as i32,
            5 => value.text().map(|_| ())?,
            6 => {
                decoder.part()?;
                check_pair(reader.nested(value.bytes()?))?;
            }
            7 => event.start = value.int64()?,
            8 => event.end = value.int64()?,
            9 => event.layer = decoder.text(value)?,
            _ => {}
        }
    }
    Ok(event)
}
