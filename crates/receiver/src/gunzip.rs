//! Unpacks gzip, weighing what comes out while it comes out: a kilobyte may be a bomb.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::budget::Patience;
use crate::fault::Fault;
use crate::ingest::Message;

/// Unpacked and weighed at a time.
const PIECE: usize = 64 << 10;

/// The unpacked message, of at most `max` bytes. The share of the packed one is given back.
pub(crate) async fn gunzip(packed: Message, max: usize, patience: Patience) -> Result<Message, Fault> {
    let Message { bytes, mut held } = packed;
    let packed_share = held.bytes() as usize;
    let mut decoder = MultiGzDecoder::new(bytes.as_ref());
    let mut unpacked = Vec::new();
    let mut piece = vec![0; PIECE.min(max + 1)];
    loop {
        let n = decoder.read(&mut piece).map_err(|_| Fault::Malformed("not gzip"))?;
        if n == 0 {
            break;
        }
        if unpacked.len() + n > max {
            return Err(Fault::TooLarge);
        }
        held.grow(n, patience).await?;
        unpacked.extend_from_slice(&piece[..n]);
        // A large message takes long to unpack; others want to be served meanwhile.
        tokio::task::consume_budget().await;
    }
    drop(held.split(packed_share));
    Ok(Message { bytes: Bytes::from(unpacked), held })
}
