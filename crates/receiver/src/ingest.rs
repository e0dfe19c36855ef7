//! The door to the rest of the server: bounded queues, the byte budget, the counts, and who reported.

use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use model::layer::Layers;
use model::ledger::{Ledger, Reason, Stage};
use model::telemetry::{Envelope, Signal, Telemetry};
use model::{Clock, UnixMillis};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::budget::{Budget, Held, Patience};
use crate::config::Config;
use crate::fault::Fault;
use crate::heavy::Heavy;
use crate::reporters::{Protocol, Reporter, Reporters};
use crate::wire::segment::Limits;

/// From this many bytes on a sender is believed about how many follow. Who announces much and sends little has reserved nothing.
pub(crate) const BELIEVED: usize = 1 << 20;

/// Bytes that arrived, with their share of the budget.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    pub(crate) held: Held,
}

type Queues = Arc<[mpsc::Sender<Envelope>]>;

/// Where every receiver puts what it took in. Clones share everything and are cheap.
#[derive(Clone)]
pub struct Ingest(Arc<Inner>);

struct Inner {
    queues: RwLock<Option<Queues>>,
    budget: Arc<Budget>,
    heavy: Heavy,
    ledger: Arc<Ledger>,
    clock: Clock,
    past_millis: i64,
    future_millis: i64,
    limits: Limits,
    layers: Layers,
    max_message_bytes: usize,
    message_time: Duration,
    reporters: Reporters,
    closing: watch::Sender<bool>,
}

impl Ingest {
    /// A door to `queues`, one for each worker. Elements of one service go to one of them, so that its rows are merged before they
    /// leave the worker, and to the next one where that is full: which worker takes an element never changes an answer.
    ///
    /// Panics where `queues` is empty: there would be nowhere to put anything.
    pub fn new(config: &Config, queues: Vec<mpsc::Sender<Envelope>>, ledger: Arc<Ledger>, clock: Clock) -> Self {
        assert!(!queues.is_empty(), "at least one worker takes telemetry");
        let message_time = Duration::from_secs(config.message_seconds);
        let unary = Duration::from_millis(config.unary_wait_millis);
        Ingest(Arc::new(Inner {
            queues: RwLock::new(Some(queues.into())),
            budget: Arc::new(Budget::new(config.budget_bytes, unary, message_time)),
            heavy: Heavy::default(),
            ledger,
            clock,
            past_millis: i64::try_from(config.max_age.0.as_millis()).unwrap_or(i64::MAX),
            future_millis: i64::from(config.future_minutes) * 60_000,
            limits: Limits { spans: config.max_spans },
            layers: config.layers.clone(),
            max_message_bytes: config.max_message_bytes as usize,
            message_time,
            reporters: Reporters::new(config.max_reporters),
            closing: watch::Sender::new(false),
        }))
    }

    /// Ends intake: open streams are answered UNAVAILABLE, and the queues end once the elements under way are in them. Takes
    /// effect once; there is no way back.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
        self.0.queues.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Who reported lately, by name.
    pub fn reporters(&self) -> Vec<Reporter> {
        self.0.reporters.list(self.0.clock.now())
    }

    /// Bytes of the budget that are free.
    pub fn free_bytes(&self) -> usize {
        self.0.budget.free()
    }

    /// Elements waiting in the queues.
    pub fn queued(&self) -> usize {
        let queues = self.0.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.iter().flat_map(|queues| queues.iter()).map(|queue| queue.max_capacity() - queue.capacity()).sum()
    }

    /// Ready once [`Ingest::close`] was called.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut closing = self.0.closing.subscribe();
        async move {
            // An error means that the last door is gone, which is closed too.
            closing.wait_for(|closing| *closing).await.map_or((), |_| ())
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.0.closing.borrow()
    }

    /// The layers that reports may name.
    pub(crate) fn layers(&self) -> &Layers {
        &self.0.layers
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.0.clock.now()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    pub(crate) fn max_message_bytes(&self) -> usize {
        self.0.max_message_bytes
    }

    pub(crate) fn message_time(&self) -> Duration {
        self.0.message_time
    }

    /// A share of the budget, of nothing yet.
    pub(crate) fn hold(&self) -> Held {
        Held::nothing(&self.0.budget)
    }

    /// Where large messages are decoded.
    pub(crate) fn heavy(&self) -> &Heavy {
        &self.0.heavy
    }

    /// Whether something that happened then is taken now.
    pub(crate) fn accepts_time(&self, millis: i64, now: UnixMillis) -> bool {
        (now.plus(-self.0.past_millis)..=now.plus(self.0.future_millis)).contains(&UnixMillis(millis))
    }

    /// Counts `n` elements that are not taken.
    pub(crate) fn refuse(&self, signal: Signal, reason: Reason, n: u64) {
        self.0.ledger.refuse(Stage::Receive, signal, reason, n);
    }

    /// Puts an element into a queue and counts it as accepted. `held` is its share of the budget; the caller counts a fault.
    pub(crate) async fn submit(
        &self,
        telemetry: Telemetry,
        held: Held,
        protocol: Protocol,
        patience: Patience,
    ) -> Result<(), Fault> {
        let queues = self.0.queues.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Fault::Closing)?;
        let service = service(&telemetry);
        let room = self.room(&queues, service, patience).await?;
        let received = self.now();
        self.0.reporters.saw(service, protocol, received);
        self.0.ledger.accept(telemetry.signal());
        room.send(Envelope { telemetry, permit: held.into_permit(), received });
        Ok(())
    }

    async fn room<'a>(
        &self,
        queues: &'a Queues,
        service: &str,
        patience: Patience,
    ) -> Result<mpsc::Permit<'a, Envelope>, Fault> {
        let first = queue_of(service, queues.len());
        let from_first = queues.iter().cycle().skip(first).take(queues.len());
        for queue in from_first {
            if let Ok(room) = queue.try_reserve() {
                return Ok(room);
            }
        }
        // Nothing here is part of a message that others wait for, so a stream waits as long as it takes.
        let wait = queues[first].reserve();
        let room = match self.0.budget.limit(patience, false) {
            Some(limit) => timeout(limit, wait).await.map_err(|_| Fault::Overload)?,
            None => wait.await,
        };
        room.map_err(|_| Fault::Closing)
    }
}

fn queue_of(service: &str, queues: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    service.hash(&mut hasher);
    usize::try_from(hasher.finish() % (queues as u64)).unwrap_or(0)
}

fn service(telemetry: &Telemetry) -> &str {
    match telemetry {
        Telemetry::Segment(it) => &it.service,
        Telemetry::Log(it) => &it.service,
        Telemetry::Event(it) => &it.service,
        Telemetry::Jvm(it) => &it.service,
        Telemetry::Properties(it) => &it.service,
        Telemetry::KeepAlive(it) => &it.service,
    }
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest").field("queued", &self.queued()).field("free_bytes", &self.free_bytes()).finish()
    }
}
