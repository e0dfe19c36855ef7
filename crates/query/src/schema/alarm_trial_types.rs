//! What trials answer, in the shapes of GraphQL.

use async_graphql::{Enum, ID, SimpleObject};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

use super::{
    alarm_incidents::{AlarmAcknowledged, AlarmEndReason, AlarmEventKind, AlarmState, AlarmTransition},
    alarm_routes::{RoutePreview, RouteTarget},
    alarm_rule_types::{AlarmVariable, numbers},
    alarm_rules::AlarmScope,
    alarm_shared::{AlarmEntity, AlarmProblem, pairs, tuples},
    common::{KeyValue, Long},
};

/// What there is to know of a rule before it is saved.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationReport {
    #[serde(skip)]
    pub client_mutation_id: Option<String>,
    /// Whether it may be saved.
    pub valid: bool,
    /// What is wrong with it, and what is worth to be known.
    #[serde(skip)]
    pub problems: Vec<AlarmProblem>,
    /// What it is about; null: that cannot be told, and nothing below neither.
    pub scope: Option<AlarmScope>,
    /// How many entities it watches.
    #[serde(rename = "nWatched")]
    pub watched_count: Long,
    /// The first of them.
    pub samples: Vec<AlarmEntity>,
    /// How many instances match now.
    #[serde(rename = "nMatched")]
    pub matched_count: Long,
    /// The first of them.
    pub matches: Vec<AlarmMatch>,
    /// What it costs.
    pub cost: Option<AlarmCost>,
    /// What it would have done lately.
    pub last_day: Option<AlarmLastDay>,
}

/// What a pass over one minute costs for a rule. An estimate.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmCost {
    #[serde(rename = "nEntities")]
    pub entity_count: Long,
    /// Values that are read of each.
    #[serde(rename = "nValues")]
    pub value_count: Long,
    /// Nanoseconds of one processor for one pass.
    pub ns_per_pass: Long,
}

/// What a rule would have done in the last day, or in a shorter time where there are many entities.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmLastDay {
    /// How many minutes were looked at.
    #[serde(rename = "nMinutes")]
    pub minutes: i32,
    #[serde(rename = "nIncidents")]
    pub incidents: Long,
    #[serde(rename = "nFirings")]
    pub firings: Long,
    /// Of the pairs of entity and minute those in which the condition was true, from 0 to 1.
    pub matched: f64,
    #[serde(rename = "nNotifications")]
    pub notifications: Long,
    pub notifications_per_day: f64,
}

/// Whom a rule matches.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRunReport {
    #[serde(skip)]
    pub client_mutation_id: Option<String>,
    /// The minute that was evaluated.
    pub minute: Long,
    /// How many entities the rule watches.
    #[serde(rename = "nWatched")]
    pub watched_count: Long,
    /// How many instances match.
    #[serde(rename = "nMatched")]
    pub matched_count: Long,
    /// How many of them would fire in this minute.
    #[serde(rename = "nFiring")]
    pub firing_count: Long,
    /// The first ones: those that fire in front.
    pub matches: Vec<AlarmMatch>,
    /// Why the rule cannot be computed for some entity.
    pub error: Option<String>,
}

/// An instance that matches.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmMatch {
    pub entity: AlarmEntity,
    pub layers: Vec<String>,
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    /// The state that it would enter, or stay in.
    pub state: AlarmState,
    pub since: Long,
    /// Whether it would be told as firing in this minute.
    pub fires: bool,
    /// What each part of the expression came to, the whole first.
    pub nodes: Vec<AlarmNode>,
}

/// A part of an expression and what it came to.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmNode {
    /// How it is written, with its numbers.
    pub text: String,
    /// Where it stands in the rule's expression.
    pub at: AlarmPlace,
    /// How the results are to be read: `SINGLE_VALUE`, `TIME_SERIES_VALUES`; `UNKNOWN`: there are none.
    pub kind: String,
    /// One for each label set. Truths are 1 and 0.
    pub results: Vec<AlarmNodeResult>,
    /// Why there are none.
    pub error: Option<String>,
}

/// A place in a text.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(from = "WirePlaceInText")]
pub struct AlarmPlace {
    /// The first byte, and the byte behind the last.
    pub start: i32,
    pub end: i32,
    /// From 1.
    pub line: i32,
    /// From 1.
    pub column: i32,
}

#[derive(Deserialize)]
struct WirePlaceInText {
    start: i32,
    end: i32,
    line: i32,
    column: i32,
}

impl From<WirePlaceInText> for AlarmPlace {
    fn from(WirePlaceInText { start, end, line, column }: WirePlaceInText) -> Self {
        Self { start, end, line, column: column.saturating_add(1) }
    }
}

/// What a part came to for one label set.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmNodeResult {
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    /// One value, or one for each bucket, oldest first; null: it is empty.
    pub values: Vec<Option<f64>>,
}

/// How far a back-test is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BacktestState {
    /// It waits for its turn.
    Waiting,
    Running,
    /// There is a result.
    Done,
    /// There is none, and it says why.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// A back-test.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BacktestJob {
    #[serde(skip)]
    pub client_mutation_id: Option<String>,
    pub id: ID,
    /// The rule's name.
    pub rule: String,
    pub state: BacktestState,
    /// How much of it is done, from 0 to 1.
    pub progress: f64,
    /// When it was asked for.
    pub asked: Long,
    pub finished: Option<Long>,
    pub result: Option<Backtest>,
    /// Why there is no result.
    pub error: Option<String>,
}

/// What a rule would have done.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backtest {
    /// The first minute.
    pub from: Long,
    /// The last one.
    pub to: Long,
    #[serde(rename = "nMinutes")]
    pub minutes: i32,
    /// Entities that the rule watched.
    #[serde(rename = "nEntities")]
    pub entity_count: Long,
    /// First firings: incidents.
    #[serde(rename = "nIncidents")]
    pub incidents: Long,
    /// All firings.
    #[serde(rename = "nFirings")]
    pub firings: Long,
    #[serde(rename = "nRecoveries")]
    pub recoveries: Long,
    /// Incidents that were open at the end.
    #[serde(rename = "nOpen")]
    pub open: Long,
    /// Pairs of instance and minute in which the condition was true.
    #[serde(rename = "nMatched")]
    pub matched: Long,
    /// Instances that fired, the noisiest first.
    pub timeline: Vec<BacktestLine>,
    /// Instances that fired, in all.
    #[serde(rename = "nLines")]
    pub line_count: Long,
    /// The noisiest ones.
    pub noisy: Vec<BacktestNoisy>,
    pub notifications: BacktestNotifications,
    /// Against the stored rule.
    pub diff: Option<BacktestDiff>,
    /// Whether there were more transitions than are listed and compared.
    pub cut: bool,
    /// Why the rule could not be computed for some entity.
    pub error: Option<String>,
}

/// An instance on the timeline.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BacktestLine {
    pub entity: AlarmEntity,
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    /// How often it fired.
    #[serde(rename = "nFirings")]
    pub firings: Long,
    /// Minutes from firings to recoveries.
    pub minutes_open: i32,
    /// What happened, oldest first.
    pub events: Vec<BacktestEvent>,
}

/// A transition.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct BacktestEvent {
    /// The minute that decided it.
    pub minute: Long,
    pub what: AlarmEventKind,
    /// Why it ended.
    pub reason: Option<AlarmEndReason>,
    pub message: String,
}

/// An instance that fired often.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BacktestNoisy {
    pub entity: AlarmEntity,
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    /// How often it fired.
    #[serde(rename = "nFirings")]
    pub firings: Long,
    /// Minutes from firings to recoveries.
    pub minutes_open: i32,
}

/// Notifications that would have been made.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BacktestNotifications {
    pub total: Long,
    pub per_day: f64,
    #[serde(deserialize_with = "receivers")]
    pub by_receiver: Vec<ReceiverCount>,
    /// Up to when they were counted.
    pub until: Long,
}

/// How many notifications a receiver would have had.
#[derive(SimpleObject, Debug, Clone)]
pub struct ReceiverCount {
    pub receiver: String,
    pub count: Long,
}

fn receivers<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<ReceiverCount>, D::Error> {
    let map = BTreeMap::<String, Long>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(receiver, count)| ReceiverCount { receiver, count }).collect())
}

/// A rule against the stored one.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BacktestDiff {
    /// Id of the other one.
    pub against: ID,
    /// Incidents of the other one.
    #[serde(rename = "nIncidentsBefore")]
    pub incidents_before: Long,
    /// Notifications of the other one.
    pub notifications_before: BacktestNotifications,
    /// Incidents that both have.
    #[serde(rename = "nBoth")]
    pub both: Long,
    /// Incidents that only this rule has.
    #[serde(rename = "nOnlyAfter")]
    pub only_after_count: Long,
    /// The first ones of them.
    pub only_after: Vec<BacktestMoment>,
    /// Incidents that only the other one has.
    #[serde(rename = "nOnlyBefore")]
    pub only_before_count: Long,
    /// The first ones of them.
    pub only_before: Vec<BacktestMoment>,
}

/// An incident of a back-test.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct BacktestMoment {
    pub entity: AlarmEntity,
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    /// The minute of the first firing.
    pub opened: Long,
    /// The minute of the recovery; null: it was open at the end.
    pub closed: Option<Long>,
}

/// Why a rule fired for an entity, or did not.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmExplanation {
    /// The minute that is explained.
    pub minute: Long,
    /// Id of the rule.
    pub rule: ID,
    pub rule_name: String,
    /// Whether the rule is paused: then nothing of this happens.
    pub paused: bool,
    pub entity: AlarmEntity,
    pub layers: Vec<String>,
    /// Whether there is any row of the entity in what was read.
    pub has_data: bool,
    /// Whether the rule's selector takes it.
    pub watched: bool,
    /// The number of the override that holds for it; null: the rule's own numbers do.
    pub holding_override: Option<i32>,
    /// The numbers that hold for it.
    #[serde(deserialize_with = "numbers")]
    pub variables: Vec<AlarmVariable>,
    /// The series that the expression reads, bucket by bucket.
    pub buckets: Vec<AlarmSeries>,
    /// What each part of the expression came to, the whole first.
    pub nodes: Vec<AlarmNode>,
    /// The same of the recovery expression.
    pub recovery_nodes: Vec<AlarmNode>,
    /// Whether there are samples enough; null: the rule does not ask.
    pub samples: Option<AlarmSamples>,
    /// The last minute in which any of the metrics had a value.
    pub last_value: Option<Long>,
    /// Minutes without a value after which there is no data.
    pub no_data_after: i32,
    /// What the minute showed of each instance.
    pub heard: Vec<AlarmHeard>,
    /// How the states came about, minute by minute.
    pub steps: Vec<AlarmStep>,
    /// What comes next.
    pub next: Vec<AlarmNext>,
    /// Incidents of the rule and the entity, the newest first.
    pub incidents: Vec<ExplainedIncident>,
    /// Whom an alarm is told, and what keeps it from being told at this moment.
    pub routing: RoutePreview,
}

/// A series that was read.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmSeries {
    /// The metric as the expression names it.
    pub metric: String,
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    /// A value for each bucket, oldest first.
    pub values: Vec<AlarmBucketValue>,
}

/// The value of a bucket.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(from = "(Long, Option<f64>)")]
pub struct AlarmBucketValue {
    /// The bucket's start.
    pub at: Long,
    /// Null: there is none.
    pub value: Option<f64>,
}

impl From<(Long, Option<f64>)> for AlarmBucketValue {
    fn from((at, value): (Long, Option<f64>)) -> Self {
        Self { at, value }
    }
}

/// Whether there are samples enough.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmSamples {
    /// The metric that counts.
    pub metric: String,
    /// Its sum over the window.
    pub sum: Option<f64>,
    /// What it must be at least.
    pub gte: Long,
    pub enough: bool,
}

/// What a minute shows of an instance.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmVerdict {
    /// The condition is true.
    Match,
    /// It is false, and so is the expression that says that it is over.
    Between,
    /// It is false.
    Mismatch,
    /// There is no value, and not for long enough to mean something.
    Nothing,
    /// There has been no value for so long that the rule's policy holds.
    NoData,
    /// It cannot be computed.
    Error,
}

/// What a minute showed of an instance.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmHeard {
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    pub verdict: AlarmVerdict,
    pub state: AlarmState,
    pub since: Long,
    /// The last minute of silence after a firing.
    pub silent_until: Option<Long>,
    /// The last minute of observation, while it is observed.
    pub observed_until: Option<Long>,
}

/// A minute of the trace.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmStep {
    pub minute: Long,
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    pub verdict: AlarmVerdict,
    /// The state after it.
    pub state: AlarmState,
    /// What others were told.
    pub what: Option<AlarmEventKind>,
}

/// What comes next if the following minutes all show the same.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmNext {
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    /// What they all show.
    pub given: AlarmVerdict,
    /// What happens then.
    pub what: AlarmEventKind,
    /// In which minute.
    pub minute: Long,
    /// After how many minutes.
    pub in_minutes: i32,
}

/// An incident of the rule and the entity.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct ExplainedIncident {
    pub id: ID,
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    pub state: AlarmState,
    /// The minute of the first firing.
    pub opened: Long,
    pub closed: Option<Long>,
    pub acknowledged: Option<AlarmAcknowledged>,
    /// The incident that explains it by topology.
    pub origin: Option<ID>,
    /// What happened, each with what became of it for each receiver.
    pub transitions: Vec<AlarmTransition>,
}

/// What a test alarm did.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestFireReport {
    #[serde(skip)]
    pub client_mutation_id: Option<String>,
    /// Whom it is told. No silence and no interval holds a test back.
    pub told: Vec<TestFireTarget>,
    /// The silence that would hold a real alarm back at this moment.
    pub silenced_by: Option<String>,
    /// The labels of the alarm, as routes see them.
    #[serde(deserialize_with = "pairs")]
    pub labels: Vec<KeyValue>,
    /// What of the routing cannot be used, and why.
    pub problems: Vec<String>,
}

/// One way that a test took.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct TestFireTarget {
    #[serde(flatten)]
    pub target: RouteTarget,
    /// Id of the notification; null: there is no such receiver.
    pub notification: Option<ID>,
}
