//! From the bytes of one message to the queues: decode, check, count, submit.

use std::mem::size_of;

use bytes::Bytes;
use model::UnixMillis;
use model::ledger::Reason;
use model::segment::{Segment, Span, SpanRef, Tag};
use model::telemetry::{KeepAlive, Properties, Signal, Telemetry};

use crate::budget::{Held, Patience};
use crate::discovery::Discovery;
use crate::fault::Fault;
use crate::ingest::{Ingest, Message};
use crate::reporters::Protocol;
use crate::wire;
use crate::wire::reader::{Reader, WireError};

/// What a message is, and so what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `SegmentObject`.
    Segment,
    /// `SegmentCollection`.
    Segments,
    /// `InstanceProperties`.
    Properties,
    /// `InstancePingPkg`.
    KeepAlive,
    /// `ConfigurationSyncRequest`: a question.
    Configuration,
    /// A question to which the answer is: nothing to do.
    Poll,
}

impl Kind {
    /// Under which signal its refusals are counted.
    pub(crate) fn signal(self) -> Signal {
        match self {
            Kind::Segment | Kind::Segments => Signal::Segment,
            Kind::Properties | Kind::KeepAlive | Kind::Configuration => Signal::Management,
            Kind::Poll => Signal::Profile,
        }
    }
}

/// Takes in the messages of one call.
pub(crate) struct Intake {
    ingest: Ingest,
    discovery: Discovery,
    protocol: Protocol,
    patience: Patience,
    /// Whether others depend on this message's call: then a message that cannot be read is counted and passed over.
    shared: bool,
}

impl Intake {
    /// For a call of several messages.
    pub(crate) fn stream(ingest: Ingest, discovery: Discovery, protocol: Protocol) -> Self {
        Intake { ingest, discovery, protocol, patience: Patience::Stream, shared: true }
    }

    /// For a call of one message.
    pub(crate) fn unary(ingest: Ingest, discovery: Discovery, protocol: Protocol) -> Self {
        Intake { ingest, discovery, protocol, patience: Patience::Unary, shared: false }
    }

    /// Takes one message in and answers the encoded reply; nothing stands for the empty message of every type.
    pub(crate) async fn take(&mut self, kind: Kind, message: Message) -> Result<Bytes, Fault> {
        match kind {
            Kind::Segment => self.segment(message).await?,
            Kind::Segments => self.segments(message).await?,
            Kind::Properties => self.properties(message).await?,
            Kind::KeepAlive => self.keep_alive(message).await?,
            Kind::Configuration => {
                let malformed = Fault::Malformed("not a ConfigurationSyncRequest");
                return self.discovery.answer(&message.bytes).map(Bytes::from).ok_or(malformed);
            }
            Kind::Poll => {}
        }
        Ok(Bytes::new())
    }

    /// Counts an element that cannot be used. Whoever sent nothing else is told when it could not be read.
    fn refuse(&self, signal: Signal, reason: Reason) -> Result<(), Fault> {
        self.ingest.refuse(signal, reason, 1);
        match reason {
            Reason::Malformed | Reason::InvalidUtf8 if !self.shared => Err(Fault::Counted),
            _ => Ok(()),
        }
    }

    async fn submit(&self, telemetry: Telemetry, held: Held) -> Result<(), Fault> {
        self.ingest.submit(telemetry, held, self.protocol, self.patience).await
    }

    async fn segment(&self, message: Message) -> Result<(), Fault> {
        let Message { bytes, mut held } = message;
        let decoded = wire::segment::decode(&bytes, self.ingest.limits()).map_err(WireError::reason);
        match decoded.and_then(|segment| self.check_segment(segment)) {
            Ok(segment) => {
                held.grow(weight(&segment), self.patience).await?;
                self.submit(Telemetry::Segment(Box::new(segment)), held).await
            }
            Err(reason) => self.refuse(Signal::Segment, reason),
        }
    }

    async fn segments(&mut self, message: Message) -> Result<(), Fault> {
        self.shared = true;
        let Message { bytes, mut held } = message;
        let mut reader = Reader::new(&bytes);
        loop {
            match reader.next() {
                Ok(None) => return Ok(()),
                Ok(Some((1, value))) => match value.bytes() {
                    // A copy, so that a segment kept for long does not keep its neighbours.
                    Ok(bytes) => {
                        let held = held.split(bytes.len());
                        self.segment(Message { bytes: Bytes::copy_from_slice(bytes), held }).await?;
                    }
                    Err(error) => self.refuse(Signal::Segment, error.reason())?,
                },
                Ok(Some(_)) => {}
                Err(error) => return self.refuse(Signal::Segment, error.reason()),
            }
        }
    }

    fn check_segment(&self, mut segment: Segment) -> Result<Segment, Reason> {
        if segment.spans.is_empty() {
            return Err(Reason::Empty);
        }
        if [&segment.service, &segment.trace_id, &segment.segment_id].iter().any(|name| blank(name)) {
            return Err(Reason::MissingName);
        }
        let now = self.ingest.now();
        for span in &mut segment.spans {
            // An agent that never set the end knows no duration.
            if span.end == 0 {
                span.end = span.start;
            }
            self.check_time(span.start, now)?;
            self.check_time(span.end, now)?;
        }
        Ok(segment)
    }

    fn check_time(&self, millis: i64, now: UnixMillis) -> Result<(), Reason> {
        if self.ingest.accepts_time(millis, now) { Ok(()) } else { Err(Reason::TimeOutOfRange) }
    }

    async fn properties(&self, message: Message) -> Result<(), Fault> {
        match wire::management::properties(&message.bytes) {
            Ok(Properties { service, instance, .. }) if blank(&service) || blank(&instance) => {
                self.refuse(Signal::Management, Reason::MissingName)
            }
            Ok(properties) => self.submit(Telemetry::Properties(Box::new(properties)), message.held).await,
            Err(error) => self.refuse(Signal::Management, error.reason()),
        }
    }

    async fn keep_alive(&self, message: Message) -> Result<(), Fault> {
        match wire::management::keep_alive(&message.bytes) {
            Ok(KeepAlive { service, instance, .. }) if blank(&service) || blank(&instance) => {
                self.refuse(Signal::Management, Reason::MissingName)
            }
            Ok(ping) => self.submit(Telemetry::KeepAlive(Box::new(ping)), message.held).await,
            Err(error) => self.refuse(Signal::Management, error.reason()),
        }
    }
}

fn blank(name: &str) -> bool {
    name.trim().is_empty()
}

/// What a decoded segment takes besides its message.
fn weight(segment: &Segment) -> usize {
    let span =
        |span: &Span| size_of::<Span>() + span.refs.len() * size_of::<SpanRef>() + span.tags.len() * size_of::<Tag>();
    size_of::<Segment>() + segment.spans.iter().map(span).sum::<usize>()
}
