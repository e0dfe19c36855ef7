//! The whole chain in virtual time: from rows in a store to what a receiver hears, over crashes, hand-overs, and a store that fails.

mod chain;
mod crash;
mod edits;
mod handover;
mod storms;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use model::item::{Item, Revision};
use model::kinds::ItemKind;
use model::layer::Layers;
use model::metric::{Catalogue, Function};
use model::record::Record;
use model::{Agg, Bucket, Cells, Clock, Partial, Row, RowKey, Scope, Step, UnixMillis, Zone, id};
use storage::memory::Memory;
use storage::nodes::{self, Registry};
use storage::testing::{Faults, FaultyStore};
use storage::*;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::Config;
use crate::deliver::{Sent, Transport, Wire};
use crate::doc::{self, Doc, Stored};
use crate::edit::By;
use crate::egress::Guard;
use crate::incident::{Incident, What};
use crate::receiver::{Receiver, ReceiverKind};
use crate::rule::{Profile, Rule};
use crate::start::{self, Alarm, Parts};
use crate::testing;

/// The minute in which every simulation begins.
const START: u32 = 29_000_000;
/// A store without faults.
const FINE: Faults = Faults { before: 0, during: 0, after: 0, late: 0, reads: 0, refused: 0, delay: Duration::ZERO };
/// How long the receiver takes for a request.
const LATENCY: Duration = Duration::from_millis(20);

/// A transition as a receiver hears of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Heard {
    /// The idempotency key.
    key: String,
    receiver: String,
    at: UnixMillis,
    rule: String,
    entity: String,
    incident: String,
    seq: u32,
    what: What,
    message: String,
}

/// Everything that nodes share: the store, the receiver, and time.
#[derive(Clone)]
struct Sim {
    memory: SharedStore,
    begun: Instant,
    heard: Arc<Mutex<Vec<Heard>>>,
    catalogue: Arc<Catalogue>,
    /// Receivers that refuse what they get.
    refusing: Arc<Mutex<BTreeSet<String>>>,
    /// Receivers that never answer.
    mute: Arc<Mutex<BTreeSet<String>>>,
    flushed: Arc<Mutex<Duration>>,
}

/// A node: what is dropped breaks off wherever it is.
struct Node {
    alarm: Alarm,
    store: Arc<FaultyStore>,
    gate: watch::Sender<bool>,
    /// Whether rows cannot be read.
    blind: Arc<AtomicBool>,
    /// How long it takes to read rows, in seconds.
    slow: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

fn catalogue() -> Catalogue {
    testing::catalogue(&[("resp_time", Scope::Service, Function::LongAvg), ("cpm", Scope::Service, Function::Cpm)])
}

impl Sim {
    fn new() -> Sim {
        Sim {
            memory: Arc::new(Memory::new()),
            begun: Instant::now(),
            heard: Arc::default(),
            catalogue: Arc::new(catalogue()),
            refusing: Arc::default(),
            mute: Arc::default(),
            flushed: Arc::new(Mutex::new(Duration::from_secs(3))),
        }
    }

    fn clock(&self) -> Clock {
        let begun = self.begun;
        Clock::from_fn(move || Bucket(START).start().plus(i64::try_from(begun.elapsed().as_millis()).unwrap()))
    }

    /// Waits until so many seconds after the beginning.
    async fn until(&self, seconds: u64) {
        sleep_until(self.begun + Duration::from_secs(seconds)).await;
    }

    /// Starts a node whose store has these faults.
    async fn node(&self, seed: u64, faults: Faults) -> Node {
        self.node_with(seed, faults, Config::default()).await
    }

    async fn node_with(&self, seed: u64, faults: Faults, config: Config) -> Node {
        let (gate, open) = watch::channel(true);
        let (blind, slow) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let faulty = Arc::new(FaultyStore::new(Arc::clone(&self.memory), seed, faults));
        let store: SharedStore = Arc::new(Gate {
            inner: Arc::clone(&faulty) as SharedStore,
            open: open.clone(),
            blind: Arc::clone(&blind),
            slow: Arc::clone(&slow),
        });
        let clock = self.clock();
        let node = nodes::Node {
            host: format!("n{seed}"),
            grpc_port: 1,
            http_port: 2,
            version: "v".to_owned(),
            flushed_before: 0,
            settings_hash: String::new(),
        };
        let (now, lag) = (clock.clone(), Arc::clone(&self.flushed));
        let flushed = Box::new(move || {
            let lag = i64::try_from(lag.lock().unwrap().as_millis()).unwrap();
            u64::from(now.now().plus(-lag).minute().unwrap().0)
        });
        let (registry, nodes) = Registry::new(Arc::clone(&store), clock.clone(), seed, node, flushed);
        let mut transport = Transport::new(&config.deliver, Guard::new(&config.egress), None);
        transport.wire = Some(self.wire(open));
        let parts = Parts {
            store,
            backend: Backend::Memory,
            clock,
            zone: Zone::utc(),
            layers: Layers::default(),
            catalogue: Arc::clone(&self.catalogue),
            nodes,
            node: nodes::id(seed),
            host: format!("n{seed}"),
            key: None,
            config,
            shipped: "",
        };
        let (stop, stopped) = watch::channel(false);
        let stopped = || {
            let mut stopped = stopped.clone();
            async move { drop(stopped.wait_for(|stopped| *stopped).await) }
        };
        let mut alarm = start::connect(parts, transport, stopped).await;
        let mut tasks = JoinSet::new();
        let ended = stopped();
        tasks.spawn(async move { drop(registry.run(ended).await) });
        for (_, task) in alarm.tasks.drain(..) {
            tasks.spawn(task);
        }
        Node { alarm, store: faulty, gate, blind, slow, stop, tasks }
    }

    fn wire(&self, open: watch::Receiver<bool>) -> Wire {
        let sim = self.clone();
        Wire(Arc::new(move |shown| {
            let (sim, mut open) = (sim.clone(), open.clone());
            Box::pin(async move {
                sleep(LATENCY).await;
                open.wait_for(|open| *open).await.unwrap();
                if sim.mute.lock().unwrap().contains(&shown.receiver) {
                    std::future::pending::<()>().await;
                }
                if sim.refusing.lock().unwrap().contains(&shown.receiver) {
                    let error = "refused".to_owned();
                    let failed = Some(crate::notify::answer::Verdict::Refused { error });
                    return Sent { failed, ..Sent::default() };
                }
                let at = sim.clock().now();
                let heard = shown.alarms.iter().map(|alarm| Heard {
                    key: shown.id.clone(),
                    receiver: shown.receiver.clone(),
                    at,
                    rule: alarm.rule.clone(),
                    entity: alarm.name.clone(),
                    incident: alarm.incident.clone(),
                    seq: alarm.seq,
                    what: alarm.what,
                    message: alarm.message.clone(),
                });
                sim.heard.lock().unwrap().extend(heard);
                sleep(LATENCY).await;
                Sent { delivered: vec!["all".to_owned()], ..Sent::default() }
            })
        }))
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// What was heard, a line for each: seconds since the beginning, and what.
    fn told(&self) -> String {
        let line = |heard: &Heard| {
            let seconds = (heard.at.0 - Bucket(START).start().0) / 1_000;
            format!("{seconds:04} {} {:?} {}\n", heard.rule, heard.what, heard.entity)
        };
        self.heard().iter().map(line).collect()
    }

    /// Writes what a metric of a service was in a minute after the beginning.
    async fn put(&self, service: &str, metric: &str, minute: u32, value: i64) {
        let def = self.catalogue.get(metric).unwrap();
        let agg = match def.function {
            Function::LongAvg => Agg::Avg { sum: value, count: 1 },
            _ => Agg::Count(u64::try_from(value).unwrap()),
        };
        let row = |step, bucket, cell, agg| Row {
            key: RowKey { scope: Scope::Service, step, bucket, entity: id::service(service, true).into() },
            partial: Partial { writer: u64::from(def.cell.0), life: 1 },
            seq: 1,
            cells: Cells::from_iter([(cell, agg)]),
        };
        let life = row(Step::Life, Bucket(0), model::cell::LAYERS, Agg::Ids([2].into_iter().collect()));
        let rows = vec![row(Step::Minute, Bucket(START + minute), def.cell, agg), life];
        self.memory.write(&Batch { rows, records: Vec::new() }).await.unwrap();
    }

    /// Feeds a metric from the beginning on, each minute's value two seconds into it.
    fn feed(
        &self,
        metric: &'static str,
        services: &[&'static str],
        value: impl Fn(&str, u32) -> Option<i64> + Send + 'static,
    ) {
        let (sim, services) = (self.clone(), services.to_vec());
        tokio::spawn(async move {
            for minute in 0.. {
                sim.until(u64::from(minute) * 60 + 2).await;
                for service in &services {
                    if let Some(value) = value(service, minute) {
                        sim.put(service, metric, minute, value).await;
                    }
                }
            }
        });
    }

    async fn all<T: Doc>(&self) -> Vec<Stored<T>> {
        let items = self.memory.items(&ItemQuery { kind: T::KIND, ids: Vec::new(), tombstones: false }).await.unwrap();
        items.iter().map(|item| doc::read(item).unwrap()).collect()
    }

    async fn records(&self, kind: model::kinds::RecordKind) -> Vec<Record> {
        self.memory.records(&RecordQuery::oldest(kind, 10_000)).await.unwrap().records
    }

    /// A receiver that all rules go to.
    async fn receiver(&self, name: &str) {
        let receiver = Receiver {
            id: name.to_owned(),
            kind: ReceiverKind::Webhook,
            is_default: true,
            send_resolved: true,
            settings: serde_json::Map::new(),
            secrets: BTreeMap::new(),
            change: String::new(),
        };
        self.write(doc::write(&receiver)).await;
    }

    /// Writes an item over whatever is there, as another node would.
    async fn write(&self, item: Item) {
        let query = ItemQuery { kind: item.kind, ids: vec![item.id.clone()], tombstones: true };
        let before = self.memory.items(&query).await.unwrap().first().map_or(Revision(0), |item| item.revision);
        let item = Item { nonce: storage::chance::random(), ..item };
        self.memory.swap_many(&[(item, before)]).await.unwrap();
    }

    async fn rule(&self, rule: Rule) {
        self.write(doc::write(&rule)).await;
    }

    /// Checks that every transition was told, and that whatever was told more than once has one key. Answers how many were told twice.
    async fn assert_all_told(&self) -> usize {
        let heard = self.heard();
        let mut keys: BTreeMap<(&str, u32), Vec<&str>> = BTreeMap::new();
        for one in &heard {
            keys.entry((&one.incident, one.seq)).or_default().push(&one.key);
        }
        for stored in self.all::<Incident>().await {
            for transition in &stored.doc.transitions {
                let told = keys.get(&(stored.doc.id.as_str(), transition.seq));
                assert!(told.is_some(), "lost: {} {transition:?}", stored.doc.entity.name);
            }
        }
        for (of, keys) in &keys {
            assert!(keys.iter().all(|key| *key == keys[0]), "{of:?} was told with several keys: {keys:?}");
        }
        heard.len() - keys.len()
    }
}

impl Node {
    fn by() -> By {
        By { actor: "ann".to_owned(), source: "rest".to_owned(), reason: String::new() }
    }

    /// Stops the process for a while: nothing that was begun gets any further.
    fn freeze(&self) {
        self.gate.send_replace(false);
    }

    fn thaw(&self) {
        self.gate.send_replace(true);
    }

    /// Stops it as a server is stopped, and waits for its end.
    async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }

    fn holds(&self) -> bool {
        self.alarm.tenure.term().is_some()
    }
}

/// A rule that is told of at once.
fn rule(name: &str, expression: &str, period: u32) -> Rule {
    Rule {
        id: name.to_owned(),
        name: name.to_owned(),
        expression: expression.to_owned(),
        period,
        profile: Profile::Skywalking,
        message: format!("{{name}} of {name}"),
        ..Rule::default()
    }
}

/// The store of a process that may be stopped.
struct Gate {
    inner: SharedStore,
    open: watch::Receiver<bool>,
    blind: Arc<AtomicBool>,
    slow: Arc<AtomicU64>,
}

impl Gate {
    async fn pass(&self) {
        self.open.clone().wait_for(|open| *open).await.unwrap();
    }
}

#[async_trait]
impl Store for Gate {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        self.pass().await;
        self.inner.write(batch).await
    }

    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>, StoreError> {
        self.pass().await;
        self.inner.series(query).await
    }

    async fn top(&self, query: &TopQuery) -> Result<Vec<TopEntry>, StoreError> {
        self.pass().await;
        self.inner.top(query).await
    }

    async fn scan(&self, query: &ScanQuery) -> Result<RowPage, StoreError> {
        self.pass().await;
        if self.blind.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("rows cannot be read".to_owned()));
        }
        sleep(Duration::from_secs(self.slow.load(Ordering::Relaxed))).await;
        self.inner.scan(query).await
    }

    async fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        self.pass().await;
        self.inner.records(query).await
    }

    async fn items(&self, query: &ItemQuery) -> Result<Vec<Item>, StoreError> {
        self.pass().await;
        let items = self.inner.items(query).await;
        // What is on its way is stopped as well.
        self.pass().await;
        items
    }

    async fn swap_many(&self, items: &[(Item, Revision)]) -> Result<Vec<Swapped>, StoreError> {
        self.pass().await;
        let swapped = self.inner.swap_many(items).await;
        self.pass().await;
        swapped
    }

    async fn expire(&self, policy: &Retention, now: UnixMillis) -> Result<Expired, StoreError> {
        self.inner.expire(policy, now).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn stats(&self) -> Stats {
        self.inner.stats().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

/// Of which kind there are how many items.
async fn count(sim: &Sim, kind: ItemKind) -> usize {
    sim.memory.items(&ItemQuery { kind, ids: Vec::new(), tombstones: false }).await.unwrap().len()
}

/// Every transition there is: rule, entity, what, and the minute after the beginning that decided it.
async fn decided(sim: &Sim) -> Vec<(String, String, What, u32)> {
    let mut all = Vec::new();
    for stored in sim.all::<Incident>().await {
        let Incident { rule, entity, transitions, .. } = stored.doc;
        let of = |t: crate::incident::Transition| (rule.clone(), entity.name.clone(), t.what, t.minute.0 - START);
        all.extend(transitions.into_iter().map(of));
    }
    all.sort();
    all
}
