//! Reads a request's body: weighed as it arrives, unpacked where it is gzip, within a limit of size and time.

use axum::extract::Request;
use axum::http::header::CONTENT_ENCODING;
use bytes::BytesMut;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::budget::Patience;
use crate::fault::Fault;
use crate::gunzip::gunzip;
use crate::ingest::{BELIEVED, Ingest, Message};

/// The whole body.
pub(super) async fn read(request: Request, ingest: &Ingest) -> Result<Message, Fault> {
    let gzip = match request.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => return Err(Fault::UnknownEncoding),
    };
    let deadline = Instant::now() + ingest.message_time();
    let mut held = ingest.hold();
    let mut bytes = BytesMut::new();
    let mut body = request.into_body();
    while let Some(frame) = timeout_at(deadline, body.frame()).await.map_err(|_| Fault::TooSlow)? {
        let Ok(piece) = frame.map_err(|_| Fault::Gone)?.into_data() else {
            continue;
        };
        if bytes.len() + piece.len() > ingest.max_message_bytes() {
            return Err(Fault::TooLarge);
        }
        held.grow(piece.len(), Patience::Unary).await?;
        // Doubling a large buffer would hold it twice while it is copied; an announcement alone reserves nothing.
        if bytes.len() >= BELIEVED {
            let rest = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
            let room = ingest.max_message_bytes().saturating_sub(bytes.len());
            bytes.reserve(rest.saturating_add(piece.len()).min(room));
        }
        bytes.extend_from_slice(&piece);
    }
    let message = Message { bytes: bytes.freeze(), held };
    if gzip { gunzip(message, ingest.max_message_bytes(), Patience::Unary).await } else { Ok(message) }
}
