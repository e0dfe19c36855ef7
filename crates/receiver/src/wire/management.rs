//! `InstanceProperties` and `InstancePingPkg`.

use bytes::Bytes;
use model::telemetry::{KeepAlive, Properties};

use super::Decoder;
use super::reader::{Reader, WireError};

/// The properties of a message. Its layer is checked and ignored: properties do not make a service.
pub(crate) fn properties(message: &Bytes) -> Result<Properties, WireError> {
    let mut properties = Properties::default();
    let mut decoder = Decoder::new(message);
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => properties.service = decoder.text(value)?,
            2 => properties.instance = decoder.text(value)?,
            3 => properties.properties.push(decoder.tag(reader.nested(value.bytes()?))?),
            4 => value.text().map(|_| ())?,
            _ => {}
        }
    }
    Ok(properties)
}

/// The heartbeat of a message.
pub(crate) fn keep_alive(message: &Bytes) -> Result<KeepAlive, WireError> {
    let mut ping = KeepAlive::default();
    let decoder = Decoder::new(message);
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => ping.service = decoder.text(value)?,
            2 => ping.instance = decoder.text(value)?,
            3 => ping.layer = decoder.text(value)?,
            _ => {}
        }
    }
    Ok(ping)
}
