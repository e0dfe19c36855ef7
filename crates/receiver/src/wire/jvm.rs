//! `JVMMetricCollection` and the metrics in it.

use bytes::Bytes;
use bytestring::ByteString;
use model::telemetry::{Jvm, JvmClasses, JvmGc, JvmMemory, JvmPool, JvmThreads};

use super::Decoder;
use super::reader::{Reader, WireError};

/// Whose metrics they are, and the bytes of each.
#[derive(Debug, Default)]
pub(crate) struct Collection<'a> {
    pub(crate) service: ByteString,
    pub(crate) instance: ByteString,
    pub(crate) metrics: Vec<&'a [u8]>,
}

/// The collection of a message. The metrics in it are not looked at.
pub(crate) fn collection(message: &Bytes) -> Result<Collection<'_>, WireError> {
    let mut collection = Collection::default();
    let mut decoder = Decoder::new(message);
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => {
                decoder.part()?;
                collection.metrics.push(value.bytes()?);
            }
            2 => collection.service = decoder.text(value)?,
            3 => collection.instance = decoder.text(value)?,
            _ => {}
        }
    }
    Ok(collection)
}

/// One metric of a collection, without the names.
pub(crate) fn metric(bytes: &[u8]) -> Result<Jvm, WireError> {
    let mut jvm = Jvm::default();
    // Metrics hold no texts; the decoder only counts.
    let nothing = Bytes::new();
    let mut decoder = Decoder::new(&nothing);
    let mut reader = Reader::inner(bytes);
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => jvm.time = value.int64()?,
            2 => {
                let mut reader = reader.nested(value.bytes()?);
                while let Some((number, value)) = reader.next()? {
                    if number == 2 {
                        jvm.cpu_usage_percent = value.double()?;
                    }
                }
            }
            3 => {
                decoder.part()?;
                jvm.memory.push(memory(reader.nested(value.bytes()?))?);
            }
            4 => {
                decoder.part()?;
                jvm.pools.push(pool(reader.nested(value.bytes()?))?);
            }
            5 => {
                decoder.part()?;
                jvm.gc.push(gc(reader.nested(value.bytes()?))?);
            }
            6 => threads(&mut jvm.threads, reader.nested(value.bytes()?))?,
            7 => classes(&mut jvm.classes, reader.nested(value.bytes()?))?,
            _ => {}
        }
    }
    Ok(jvm)
}

fn memory(mut reader: Reader<'_>) -> Result<JvmMemory, WireError> {
    let mut memory = JvmMemory::default();
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => memory.is_heap = value.bool()?,
            2 => memory.init = value.int64()?,
            3 => memory.max = value.int64()?,
            4 => memory.used = value.int64()?,
            5 => memory.committed = value.int64()?,
            _ => {}
        }
    }
    Ok(memory)
}

fn pool(mut reader: Reader<'_>) -> Result<JvmPool, WireError> {
    let mut pool = JvmPool::default();
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => pool.pool = value.int32()?,
            2 => pool.init = value.int64()?,
            3 => pool.max = value.int64()?,
            4 => pool.used = value.int64()?,
            5 => pool.committed = value.int64()?,
            _ => {}
        }
    }
    Ok(pool)
}

fn gc(mut reader: Reader<'_>) -> Result<JvmGc, WireError> {
    let mut gc = JvmGc::default();
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => gc.phase = value.int32()?,
            2 => gc.count = value.int64()?,
            3 => gc.time = value.int64()?,
            _ => {}
        }
    }
    Ok(gc)
}

fn threads(threads: &mut JvmThreads, mut reader: Reader<'_>) -> Result<(), WireError> {
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => threads.live = value.int64()?,
            2 => threads.daemon = value.int64()?,
            3 => threads.peak = value.int64()?,
            4 => threads.runnable = value.int64()?,
            5 => threads.blocked = value.int64()?,
            6 => threads.waiting = value.int64()?,
            7 => threads.timed_waiting = value.int64()?,
            _ => {}
        }
    }
    Ok(())
}

fn classes(classes: &mut JvmClasses, mut reader: Reader<'_>) -> Result<(), WireError> {
    while let Some((number, value)) = reader.next()? {
        match number {
            1 => classes.loaded = value.int64()?,
            2 => classes.total_unloaded = value.int64()?,
            3 => classes.total_loaded = value.int64()?,
            _ => {}
        }
    }
    Ok(())
}
