//! From the bytes of one message to the queues: decode, check, count, submit.

use bytes::Bytes;
use bytestring::ByteString;
use model::ledger::Reason;
use model::segment::{Segment, Span, Tag};
use model::telemetry::{Event, Jvm, KeepAlive, Log, Properties, Signal, Telemetry};
use model::{UnixMillis, layer};

use crate::budget::{Held, Patience};
use crate::discovery::Discovery;
use crate::fault::Fault;
use crate::ingest::{Ingest, Message};
use crate::later::{self, Later};
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
    /// `LogData`.
    Log,
    /// `Event`.
    Event,
    /// `JVMMetricCollection`.
    Jvm,
    /// A question to which the answer is: nothing to do.
    Poll(Signal),
    /// Something that nothing analyses yet.
    Later(Later),
}

impl Kind {
    /// Under which signal its refusals are counted.
    pub(crate) fn signal(self) -> Signal {
        match self {
            Kind::Segment | Kind::Segments => Signal::Segment,
            Kind::Properties | Kind::KeepAlive | Kind::Configuration => Signal::Management,
            Kind::Log => Signal::Log,
            Kind::Event => Signal::Event,
            Kind::Jvm => Signal::Jvm,
            Kind::Poll(signal) | Kind::Later(Later { signal, .. }) => signal,
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
    /// The service that logs without one belong to: the latest that one of this call named.
    log_service: ByteString,
}

impl Intake {
    /// For a call of several messages.
    pub(crate) fn stream(ingest: Ingest, discovery: Discovery, protocol: Protocol) -> Self {
        Intake { ingest, discovery, protocol, patience: Patience::Stream, shared: true, log_service: ByteString::new() }
    }

    /// For a call of one message.
    pub(crate) fn unary(ingest: Ingest, discovery: Discovery, protocol: Protocol) -> Self {
        Intake { ingest, discovery, protocol, patience: Patience::Unary, shared: false, log_service: ByteString::new() }
    }

    /// Says whether the call holds other elements, too.
    pub(crate) fn share(&mut self, shared: bool) {
        self.shared = shared;
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
            Kind::Log => self.log(message).await?,
            Kind::Event => self.event(message).await?,
            Kind::Jvm => self.jvm(message).await?,
            Kind::Poll(_) => {}
            Kind::Later(later) => match later::count(&message.bytes, later.elements) {
                Ok(n) => self.ingest.refuse(later.signal, Reason::NotSupportedYet, n),
                Err(error) => self.refuse(later.signal, error.reason())?,
            },
        }
        Ok(Bytes::new())
    }

    /// Counts an element that cannot be used. Whoever sent nothing else is told when it could not be read.
    pub(crate) fn refuse(&self, signal: Signal, reason: Reason) -> Result<(), Fault> {
        self.ingest.refuse(signal, reason, 1);
        match reason {
            Reason::Malformed | Reason::InvalidUtf8 if !self.shared => Err(Fault::Counted),
            _ => Ok(()),
        }
    }

    /// Submits an element, weighed with what it takes besides its message.
    async fn submit(&self, telemetry: Telemetry, mut held: Held) -> Result<(), Fault> {
        held.grow(weight(&telemetry), self.patience).await?;
        self.ingest.submit(telemetry, held, self.protocol, self.patience).await
    }

    async fn segment(&self, message: Message) -> Result<(), Fault> {
        let Message { bytes, held } = message;
        let limits = self.ingest.limits();
        let decode = move || wire::segment::decode(&bytes, limits).map_err(WireError::reason);
        let decoded = self.ingest.heavy().run(held.bytes() as usize, decode).await;
        match decoded.and_then(|segment| self.check_segment(segment)) {
            Ok(segment) => self.submit(Telemetry::Segment(Box::new(segment)), held).await,
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
                        let taken = self.segment(Message { bytes: Bytes::copy_from_slice(bytes), held }).await;
                        taken.inspect_err(|fault| self.refuse_rest(Signal::Segment, *fault, rest(reader.clone())))?;
                    }
                    Err(error) => self.refuse(Signal::Segment, error.reason())?,
                },
                Ok(Some(_)) => {}
                Err(error) => return self.refuse(Signal::Segment, error.reason()),
            }
            // A collection may be long, and others want to be served meanwhile.
            tokio::task::consume_budget().await;
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

    async fn log(&mut self, message: Message) -> Result<(), Fault> {
        let Message { bytes, held } = message;
        let decode = move || wire::log::decode(&bytes).map_err(WireError::reason);
        let decoded = self.ingest.heavy().run(held.bytes() as usize, decode).await;
        match decoded.and_then(|log| self.check_log(log)) {
            Ok(log) => self.submit(Telemetry::Log(Box::new(log)), held).await,
            Err(reason) => self.refuse(Signal::Log, reason),
        }
    }

    fn check_log(&mut self, mut log: Log) -> Result<Log, Reason> {
        if blank(&log.service) {
            if self.log_service.is_empty() {
                return Err(Reason::MissingName);
            }
            log = wire::log::with_service(log, &self.log_service);
        } else if log.service != self.log_service {
            self.log_service = owned(&log.service);
        }
        if !log.layer.is_empty() && self.ingest.layers().by_name(&log.layer).is_none() {
            return Err(Reason::UnknownLayer);
        }
        let now = self.ingest.now();
        if log.time == 0 {
            log.time = now.0;
        }
        self.check_time(log.time, now)?;
        Ok(log)
    }

    async fn event(&self, message: Message) -> Result<(), Fault> {
        let decoded = wire::event::decode(&message.bytes).map_err(WireError::reason);
        match decoded.and_then(|event| self.check_event(event)) {
            Ok(event) if blank(&event.layer) => {
                self.ingest.refuse(Signal::Event, Reason::MissingName, 1);
                Err(Fault::Invalid("an event must name its layer"))
            }
            Ok(event) => self.submit(Telemetry::Event(Box::new(event)), message.held).await,
            Err(reason) => self.refuse(Signal::Event, reason),
        }
    }

    fn check_event(&self, mut event: Event) -> Result<Event, Reason> {
        if blank(&event.uuid) {
            return Err(Reason::MissingName);
        }
        let now = self.ingest.now();
        // One of the two is enough, since an event may be reported at its start and again at its end.
        if event.start == 0 && event.end == 0 {
            return Err(Reason::TimeOutOfRange);
        }
        for time in [event.start, event.end].into_iter().filter(|&time| time != 0) {
            self.check_time(time, now)?;
        }
        if !blank(&event.layer) && self.ingest.layers().by_name(&event.layer).is_none() {
            event.layer = ByteString::from_static(layer::UNDEFINED.name);
        }
        Ok(event)
    }

    async fn jvm(&mut self, message: Message) -> Result<(), Fault> {
        let Message { bytes, mut held } = message;
        let collection = match wire::jvm::collection(&bytes) {
            Ok(collection) => collection,
            Err(error) => return self.refuse(Signal::Jvm, error.reason()),
        };
        let n = collection.metrics.len() as u64;
        if n == 0 {
            return self.refuse(Signal::Jvm, Reason::Empty);
        }
        if blank(&collection.service) || blank(&collection.instance) {
            self.ingest.refuse(Signal::Jvm, Reason::MissingName, n);
            return Ok(());
        }
        self.shared = n > 1;
        let (service, instance) = (owned(&collection.service), owned(&collection.instance));
        for (left, metric) in (0..n).rev().zip(collection.metrics) {
            let decoded = wire::jvm::metric(metric).map_err(WireError::reason);
            match decoded.and_then(|jvm| self.check_time(jvm.time, self.ingest.now()).map(|()| jvm)) {
                Ok(jvm) => {
                    let jvm = Jvm { service: service.clone(), instance: instance.clone(), ..jvm };
                    let submitted = self.submit(Telemetry::Jvm(Box::new(jvm)), held.split(metric.len())).await;
                    submitted.inspect_err(|fault| self.refuse_rest(Signal::Jvm, *fault, left))?;
                }
                Err(reason) => self.refuse(Signal::Jvm, reason)?,
            }
            tokio::task::consume_budget().await;
        }
        Ok(())
    }

    /// Counts the elements of a call behind the one at which it failed.
    pub(crate) fn refuse_rest(&self, signal: Signal, fault: Fault, n: u64) {
        if let Some(reason) = fault.reason() {
            self.ingest.refuse(signal, reason, n);
        }
    }
}

fn blank(name: &str) -> bool {
    name.trim().is_empty()
}

/// How many elements a collection still holds, as far as it can be read.
fn rest(mut reader: Reader<'_>) -> u64 {
    let mut n = 0;
    while let Ok(Some((number, _))) = reader.next() {
        n += u64::from(number == 1);
    }
    n
}

/// A text of its own, which keeps no message in memory.
fn owned(text: &str) -> ByteString {
    ByteString::from(text.to_owned())
}

/// What an element takes in memory besides its message.
fn weight(telemetry: &Telemetry) -> usize {
    let tags = |tags: &[Tag]| size_of_val(tags);
    match telemetry {
        Telemetry::Segment(it) => {
            let parts = |span: &Span| size_of_val(&*span.refs) + tags(&span.tags);
            size_of::<Segment>() + size_of_val(&*it.spans) + it.spans.iter().map(parts).sum::<usize>()
        }
        Telemetry::Log(it) => size_of::<Log>() + tags(&it.tags),
        Telemetry::Event(_) => size_of::<Event>(),
        Telemetry::Jvm(it) => {
            size_of::<Jvm>() + size_of_val(&*it.memory) + size_of_val(&*it.pools) + size_of_val(&*it.gc)
        }
        Telemetry::Properties(it) => size_of::<Properties>() + tags(&it.properties),
        Telemetry::KeepAlive(_) => size_of::<KeepAlive>(),
    }
}
