//! One run: look at the server, send, wait until all is settled, ask, report.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout_at};
use tonic::transport::Channel;

use crate::api::Api;
use crate::clock;
use crate::options::Options;
use crate::others;
use crate::pace::Schedule;
use crate::probe::{self, Seen, Visibility};
use crate::process::{self, Meter};
use crate::prom::Scrape;
use crate::queries;
use crate::report::{CpuUse, Fate, Offered, Report, Sending, Settling, StoreUse, float, ratio};
use crate::send::{self, Progress};
use crate::stats::rounded;
use crate::traffic::Traffic;
use crate::world::World;

const SEGMENTS: &str = "/skywalking.v3.TraceSegmentReportService/collect";
const LOGS: &str = "/skywalking.v3.LogReportService/collect";
const JVM: &str = "/skywalking.v3.JVMMetricReportService/collect";

/// How often threads and memory are looked at: merge threads live for fractions of a second.
const SAMPLE: Duration = Duration::from_millis(100);
/// How often progress is said, to a terminal and to a file.
const SAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// The processes have come to rest when they use less than this share of a core for this long: merges are over.
const AT_REST: (f64, Duration) = (0.03, Duration::from_secs(1));

/// The kinds that are sent, as the server counts them.
const KINDS: [&str; 3] = ["segment", "log", "jvm"];

/// What is under way while sending.
#[derive(Debug)]
struct Load {
    traffic: Arc<Mutex<Traffic>>,
    /// One for each of [`KINDS`].
    progress: [Arc<Progress>; 3],
    lanes: JoinSet<()>,
    calls: JoinSet<anyhow::Result<()>>,
    probes: JoinSet<anyhow::Result<Seen>>,
}

/// Runs it. `Err` when the server or a process to measure is not there, or goes away.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Report> {
    options.validate()?;
    let api = Arc::new(Api::connect(options).await?);
    let (before, n_asked_before) = (api.scrape().await?, api.n_asked());
    let mut meter = Meter::start(&options.pid)?;
    let own_before_us = process::own_us()?;
    let since = Instant::now();
    let mut load = Load::start(options, &api).await?;
    watch(&mut load, &mut meter, options, since).await?;
    let (seconds, at_end_us) = (since.elapsed().as_secs_f64(), meter.total_us()?);
    let own_us = process::own_us()? - own_before_us;

    let end = Instant::now();
    let deadline = end + Duration::from_secs(options.settle_seconds);
    let stream_errors = finish(&mut load.calls, deadline).await;
    let visible = load.probes.join_all().await;
    let n_probed = u64::try_from(visible.iter().filter(|outcome| outcome.is_ok()).count()).unwrap_or(0);
    let mut sent: Vec<u64> = load.progress.iter().map(|progress| progress.sent()).collect();
    sent[0] += n_probed * probe::N_SEGMENTS;
    let (settled, after) = settle(&api, &mut meter, &sent, &before, deadline).await?;
    let settling = Settling { settled, seconds: rounded(end.elapsed().as_secs_f64()) };
    let cpu = meter.cpu()?;

    let elements: BTreeMap<_, _> = fates(&sent, &before, &after).collect();
    let segments = elements["segment"];
    let [segment_progress, ..] = &load.progress;
    let sending = Sending {
        seconds: rounded(seconds),
        segments_per_second: rounded(float(segment_progress.sent()) / seconds),
        backlog_at_end: segment_progress.backlog(),
        backlog_max: segment_progress.backlog_max(),
        own_cpu_us_per_segment: ratio(own_us, segments.sent),
        n_probe_queries: api.n_asked() - n_asked_before,
        stream_errors,
    };
    let (memory, measured) = (meter.memory(), !options.pid.is_empty());
    // Every other holder of the traffic has ended.
    let traffic = Arc::into_inner(load.traffic)
        .context("a lane still runs")?
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(Report {
        offered: Offered::of(options),
        n_cores: std::thread::available_parallelism().map_or(0, NonZero::get),
        elements,
        sending,
        settling,
        store: StoreUse::between(&before, &after, segments),
        cpu: measured.then(|| CpuUse::of(cpu, at_end_us, seconds, segments)),
        memory: measured.then_some(memory),
        visible: Visibility::of(visible),
        queries: queries::time_all(&api, &traffic, options.queries).await,
        telemetry: after.growth(&before),
    })
}

impl Load {
    async fn start(options: &Options, api: &Arc<Api>) -> anyhow::Result<Self> {
        let world = World::new(options.size(), options.seed);
        let mut load = Load {
            traffic: Arc::new(Mutex::new(Traffic::new(world, options.manners(), options.seed))),
            progress: Default::default(),
            lanes: JoinSet::new(),
            calls: JoinSet::new(),
            probes: JoinSet::new(),
        };
        let mut channels = Vec::new();
        for _ in 0..options.streams {
            channels.push(send::connect(&options.grpc).await?);
        }
        let other = send::connect(&options.grpc).await?;
        load.probe(options, api, &other);
        load.send(options, channels, &other);
        Ok(load)
    }

    fn send(&mut self, options: &Options, channels: Vec<Channel>, other: &Channel) {
        let schedule = |per_second| Schedule { per_second, length: Duration::from_secs(options.seconds) };
        let [segments, logs, jvm] = self.progress.clone();
        let mut queues = Vec::new();
        for channel in channels {
            let (sender, receiver) = send::queue();
            queues.push(sender);
            self.calls.spawn(send::stream(channel, SEGMENTS, receiver));
        }
        let traffic = Arc::clone(&self.traffic);
        let next = move |now_ms| lock(&traffic).next(now_ms);
        self.lanes.spawn(send::run_lane(schedule(options.rate), queues, segments, next));

        let traffic = Arc::clone(&self.traffic);
        let mut counter = 0_u64..;
        let next = move |now_ms| others::log(&lock(&traffic), counter.next().unwrap_or(0), now_ms);
        if options.logs_per_second > 0 {
            let (sender, receiver) = send::queue();
            self.calls.spawn(send::stream(other.clone(), LOGS, receiver));
            self.lanes.spawn(send::run_lane(schedule(options.logs_per_second), vec![sender], logs, next));
        }
        let traffic = Arc::clone(&self.traffic);
        let mut counter = 0_u64..;
        let next = move |now_ms| others::jvm(lock(&traffic).world(), counter.next().unwrap_or(0), now_ms);
        if options.jvm_per_second > 0 {
            let (sender, receiver) = send::queue();
            self.calls.spawn(send::calls(other.clone(), JVM, receiver));
            self.lanes.spawn(send::run_lane(schedule(options.jvm_per_second), vec![sender], jvm, next));
        }
    }

    /// Plans the probes evenly, none at the very start or end.
    fn probe(&mut self, options: &Options, api: &Arc<Api>, channel: &Channel) {
        let patience = Duration::from_secs(options.settle_seconds);
        // New in every run, unlike the services of the traffic.
        let run = clock::now_ms();
        for n in 1..=options.probes {
            let at = Instant::now() + Duration::from_secs(options.seconds) * n / (options.probes + 1);
            let (api, channel, name) = (Arc::clone(api), channel.clone(), format!("probe-{run:x}-{n:03}"));
            self.probes.spawn(async move {
                tokio::time::sleep_until(at).await;
                probe::probe(api, channel, name, patience).await
            });
        }
    }
}

fn lock(traffic: &Mutex<Traffic>) -> MutexGuard<'_, Traffic> {
    // Whatever a panic left, the next trace is made anew.
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at the processes and says how far it is until every lane has ended.
async fn watch(load: &mut Load, meter: &mut Meter, options: &Options, since: Instant) -> anyhow::Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let mut samples = interval(SAMPLE);
    let mut says = interval(if terminal { SAY.0 } else { SAY.1 });
    let mut before = (Duration::ZERO, 0);
    loop {
        tokio::select! {
            biased;
            ended = load.lanes.join_next() => match ended {
                Some(lane) => lane.context("a lane failed")?,
                None => break,
            },
            _ = samples.tick() => meter.sample()?,
            _ = says.tick() => {
                let now = (since.elapsed(), load.progress[0].sent());
                say(&progress_line(before, now, load.progress[0].backlog(), options), terminal);
                before = now;
            }
        }
    }
    let now = (since.elapsed(), load.progress[0].sent());
    say(&progress_line((Duration::ZERO, 0), now, load.progress[0].backlog(), options), false);
    Ok(())
}

fn progress_line(before: (Duration, u64), now: (Duration, u64), backlog: u64, options: &Options) -> String {
    let rate = float(now.1 - before.1) / (now.0 - before.0).as_secs_f64().max(0.001);
    let (elapsed, seconds, offered) = (now.0.as_secs(), options.seconds, options.rate);
    format!("{elapsed:>4} of {seconds} s: {rate:.0}/s of {offered}/s, {} segments sent, backlog {backlog}", now.1)
}

/// A line over the one before it, on a terminal; else a line of its own.
fn say(line: &str, over: bool) {
    let (start, end) = if over { ("\r", "\x1b[K") } else { ("\r", "\n") };
    let start = if std::io::stderr().is_terminal() { start } else { "" };
    // Nobody listening is no reason to stop.
    write!(std::io::stderr(), "{start}loadgen: {line}{end}").unwrap_or_default();
}

/// Waits for the answers to all streams and calls; returns what went wrong.
async fn finish(calls: &mut JoinSet<anyhow::Result<()>>, deadline: Instant) -> Vec<String> {
    let mut errors = Vec::new();
    loop {
        match timeout_at(deadline, calls.join_next()).await {
            Ok(None) => return errors,
            Ok(Some(Ok(Ok(())))) => {}
            Ok(Some(Ok(Err(error)))) => errors.push(format!("{error:#}")),
            Ok(Some(Err(error))) => errors.push(error.to_string()),
            Err(_) => {
                errors.push(format!("{} streams were not answered in time", calls.len()));
                calls.shutdown().await;
                return errors;
            }
        }
    }
}

fn fates<'a>(
    sent: &'a [u64],
    before: &'a Scrape,
    after: &'a Scrape,
) -> impl Iterator<Item = (&'static str, Fate)> + 'a {
    KINDS.into_iter().zip(sent).map(move |(kind, &sent)| (kind, Fate::between(kind, sent, before, after)))
}

/// Waits until the server has decided about everything sent and its processes rest. Returns whether that came before the
/// deadline, and the telemetry at the end.
async fn settle(
    api: &Api,
    meter: &mut Meter,
    sent: &[u64],
    before: &Scrape,
    deadline: Instant,
) -> anyhow::Result<(bool, Scrape)> {
    let mut ticks = interval(SAMPLE);
    let mut rest = (Instant::now(), meter.total_us()?);
    let mut after = api.scrape().await?;
    loop {
        ticks.tick().await;
        meter.sample()?;
        let now = Instant::now();
        if now.duration_since(rest.0) >= AT_REST.1 {
            let used_us = meter.total_us()?;
            let share = float(used_us - rest.1) / 1e6 / now.duration_since(rest.0).as_secs_f64();
            after = api.scrape().await?;
            if share < AT_REST.0 && fates(sent, before, &after).all(|(_, fate)| fate.is_decided()) {
                return Ok((true, after));
            }
            rest = (now, used_us);
        }
        if now >= deadline {
            return Ok((false, after));
        }
    }
}
