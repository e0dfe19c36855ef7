//! Sending: lanes that hand out encoded messages on schedule, and the calls that carry them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Buf as _, BufMut as _, Bytes};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::clock;
use crate::options::Target;
use crate::pace::Schedule;

/// How often what is due is handed out: often enough for an even stream, seldom enough to cost nothing.
const TICK: Duration = Duration::from_millis(5);
/// Messages that wait for a connection: those of one tick at 200,000 a second over four streams. More than that waits as backlog of
/// the schedule, so that what is called sent is at most this far from the wire.
const QUEUE: usize = 256;

/// How far a lane has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    sent: AtomicU64,
    due: AtomicU64,
    backlog_max: AtomicU64,
}

impl Progress {
    /// Messages handed to a connection.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Messages that should have been and were not, since the server holds back.
    pub(crate) fn backlog(&self) -> u64 {
        self.due.load(Ordering::Relaxed).saturating_sub(self.sent())
    }

    /// The largest backlog so far.
    pub(crate) fn backlog_max(&self) -> u64 {
        self.backlog_max.load(Ordering::Relaxed)
    }

    fn set(&self, sent: u64, due: u64) {
        self.sent.store(sent, Ordering::Relaxed);
        self.due.store(due, Ordering::Relaxed);
        self.backlog_max.fetch_max(due.saturating_sub(sent), Ordering::Relaxed);
    }
}

/// A queue into one call.
pub(crate) fn queue() -> (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
    mpsc::channel(QUEUE)
}

/// Hands out what `next` makes, in turn over the queues, until the schedule is over or every queue is closed. What is due and
/// does not fit stays due; at the end it stays unsent. `next` gets the time, in milliseconds since 1970.
pub(crate) async fn run_lane(
    schedule: Schedule,
    queues: Vec<mpsc::Sender<Bytes>>,
    progress: Arc<Progress>,
    mut next: impl FnMut(i64) -> Bytes,
) {
    let since = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut turn = 0;
    let mut sent = 0;
    loop {
        ticks.tick().await;
        let elapsed = since.elapsed();
        let (due, now_ms) = (schedule.due(elapsed), clock::now_ms());
        while sent < due {
            let Some(slot) = free_slot(&queues, turn) else { break };
            slot.send(next(now_ms));
            (sent, turn) = (sent + 1, (turn + 1) % queues.len());
        }
        progress.set(sent, due);
        if schedule.is_over(elapsed) || queues.iter().all(mpsc::Sender::is_closed) {
            break;
        }
    }
}

/// A slot in the queue whose turn it is, or in the next one that has any.
fn free_slot(queues: &[mpsc::Sender<Bytes>], turn: usize) -> Option<mpsc::Permit<'_, Bytes>> {
    let (before, after) = queues.split_at(turn);
    after.iter().chain(before).find_map(|queue| queue.try_reserve().ok())
}

/// A connection.
pub(crate) async fn connect(target: &Target) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(target.to_string())?;
    endpoint.connect().await.with_context(|| format!("no gRPC server at {target}"))
}

/// Sends what comes out of the queue as one client stream. `Ok` when the server has answered at its end.
pub(crate) async fn stream(channel: Channel, path: &'static str, queue: mpsc::Receiver<Bytes>) -> anyhow::Result<()> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let request = Request::new(ReceiverStream::new(queue));
    grpc.client_streaming(request, PathAndQuery::from_static(path), Raw).await.context(path)?;
    Ok(())
}

/// Sends what comes out of the queue as one call after the other.
pub(crate) async fn calls(
    channel: Channel,
    path: &'static str,
    mut queue: mpsc::Receiver<Bytes>,
) -> anyhow::Result<()> {
    while let Some(message) = queue.recv().await {
        call(channel.clone(), path, message).await?;
    }
    Ok(())
}

/// Sends one message as one call.
pub(crate) async fn call(channel: Channel, path: &'static str, message: Bytes) -> anyhow::Result<()> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    grpc.unary(Request::new(message), PathAndQuery::from_static(path), Raw).await.context(path)?;
    Ok(())
}

/// Messages that are encoded already; answers that nobody reads.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        from.advance(from.remaining());
        Ok(Some(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_take_turns_and_a_full_one_is_passed_over() {
        let (one, _keep_one) = mpsc::channel(1);
        let (two, _keep_two) = mpsc::channel(2);
        let queues = [one, two];
        let take = |turn| {
            let slot = free_slot(&queues, turn)?;
            slot.send(Bytes::new());
            Some([queues[0].capacity(), queues[1].capacity()])
        };
        assert_eq!(take(1), Some([1, 1]));
        assert_eq!(take(0), Some([0, 1]));
        assert_eq!(take(0), Some([0, 0]));
        assert_eq!(take(1), None);
    }

    #[test]
    fn backlog_is_what_is_due_and_not_sent() {
        let progress = Progress::default();
        progress.set(10, 25);
        progress.set(24, 30);
        assert_eq!((progress.sent(), progress.backlog(), progress.backlog_max()), (24, 6, 15));
    }
}
