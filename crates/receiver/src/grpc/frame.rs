//! The messages of a request's body: a byte that says whether it is compressed, four with its length, and itself.
//!
//! Bytes are weighed as they arrive and not as they are announced, so five of them reserve nothing. A message that has begun
//! must come to its end in time; nothing is timed between messages, since agents keep streams open for hours.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::budget::{Held, Patience};
use crate::fault::Fault;
use crate::gunzip::gunzip;
use crate::ingest::{BELIEVED, Ingest, Message};

const HEADER: usize = 5;
/// From this size on a message keeps the buffer it arrived in; smaller ones are copied out, so that a short message that is
/// kept for long does not keep a buffer full of others.
const OWN_BUFFER: usize = 64 << 10;

/// Reads the messages of one request.
pub(super) struct Frames {
    body: Body,
    gzip: bool,
    max: usize,
    patience: Patience,
    message_time: Duration,
    /// What is left of the piece that arrived last.
    piece: Bytes,
    /// The beginning of a message that is not whole yet, with its header.
    begun: BytesMut,
    /// When `begun` must be whole.
    deadline: Instant,
    /// The share for `piece` and `begun`.
    held: Held,
}

impl Frames {
    /// Fails where the request's encoding is one we do not know.
    pub(super) fn new(request: Request, ingest: &Ingest, patience: Patience) -> Result<Self, Fault> {
        let gzip = match request.headers().get("grpc-encoding").map(|value| value.as_bytes()) {
            None | Some(b"identity") => false,
            Some(b"gzip") => true,
            Some(_) => return Err(Fault::UnknownEncoding),
        };
        Ok(Frames {
            body: request.into_body(),
            gzip,
            max: ingest.max_message_bytes(),
            patience,
            message_time: ingest.message_time(),
            piece: Bytes::new(),
            begun: BytesMut::new(),
            deadline: Instant::now(),
            held: ingest.hold(),
        })
    }

    /// The next message; `None` at the end. After a fault there is no next one. Nothing is lost when the future is dropped
    /// before it is ready, but for a message that was being unpacked or weighed.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, Fault> {
        loop {
            if let Some((compressed, bytes)) = self.whole()? {
                drop(self.held.split(HEADER));
                let held = self.held.split(bytes.len());
                let message = Message { bytes, held };
                return match (compressed, self.gzip) {
                    (false, _) => Ok(Some(message)),
                    (true, true) => gunzip(message, self.max, self.patience).await.map(Some),
                    (true, false) => Err(Fault::Malformed("compressed, without a grpc-encoding")),
                };
            }
            if !self.read().await? {
                return if self.begun.is_empty() { Ok(None) } else { Err(Fault::Malformed("it ends in the middle")) };
            }
        }
    }

    /// A whole message out of what has arrived.
    fn whole(&mut self) -> Result<Option<(bool, Bytes)>, Fault> {
        if self.begun.is_empty() {
            if let Some((compressed, end)) = self.extent(&self.piece)?
                && self.piece.len() >= end
            {
                let mut message = self.piece.split_to(end);
                message.advance(HEADER);
                let message = if message.len() < OWN_BUFFER { Bytes::copy_from_slice(&message) } else { message };
                return Ok(Some((compressed, message)));
            }
            if self.piece.is_empty() {
                return Ok(None);
            }
            self.deadline = Instant::now() + self.message_time;
        }
        // First the header, so that its length says how much of the piece belongs to this message.
        self.fill(HEADER);
        let Some((compressed, end)) = self.extent(&self.begun)? else {
            return Ok(None);
        };
        self.fill(end);
        if self.begun.len() < end {
            return Ok(None);
        }
        let mut message = std::mem::take(&mut self.begun).freeze();
        message.advance(HEADER);
        Ok(Some((compressed, message)))
    }

    /// Moves bytes of the piece to the message that has begun, until that has `len`.
    fn fill(&mut self, len: usize) {
        let missing = len.saturating_sub(self.begun.len()).min(self.piece.len());
        // Doubling a large buffer would hold it twice while it is copied.
        if self.begun.len() >= BELIEVED && self.begun.capacity() < len {
            self.begun.reserve(len - self.begun.len());
        }
        self.begun.extend_from_slice(&self.piece.split_to(missing));
    }

    /// What a header says: whether compressed, and the length with the header. `None` where the header is not whole.
    fn extent(&self, bytes: &[u8]) -> Result<Option<(bool, usize)>, Fault> {
        let Some((&[flag, a, b, c, d], _)) = bytes.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        if flag > 1 {
            return Err(Fault::Malformed("not a gRPC message"));
        }
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        if len > self.max {
            return Err(Fault::TooLarge);
        }
        Ok(Some((flag == 1, HEADER + len)))
    }

    /// Waits for the next piece; `false` at the end.
    async fn read(&mut self) -> Result<bool, Fault> {
        loop {
            let frame = if self.begun.is_empty() {
                self.body.frame().await
            } else {
                timeout_at(self.deadline, self.body.frame()).await.map_err(|_| Fault::TooSlow)?
            };
            let Some(frame) = frame else {
                return Ok(false);
            };
            // Trailers of a request mean nothing.
            let Ok(piece) = frame.map_err(|_| Fault::Gone)?.into_data() else {
                continue;
            };
            self.held.grow(piece.len(), self.patience).await?;
            self.piece = piece;
            return Ok(true);
        }
    }
}
