//! Kinds of records and items, declared as data. A store maps field types and never knows what a kind is for, so a new kind is an
//! entry here and touches no store.

use crate::telemetry::Signal;

/// How a field is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Equal or not.
    Keyword,
    /// Several keywords; a condition holds when one of them fits.
    Keywords,
    /// Ranges and order.
    Int,
    /// Yes or no.
    Bool,
    /// Words and phrases.
    Text,
}

/// A field of a record kind.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in stores that name fields.
    pub name: &'static str,
    /// How it is searched.
    pub ty: FieldType,
}

const fn field(name: &'static str, ty: FieldType) -> Field {
    Field { name, ty }
}

/// A kind of record: its name, fields and how soon it must be visible.
#[derive(Clone, Copy, Debug)]
pub struct KindDef {
    /// Its name in folders, indices and reports.
    pub name: &'static str,
    /// Its fields; a record has one value for each, in this order.
    pub fields: &'static [Field],
}

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Trace segments; fields in [`segment`].
    Segment,
    /// Log lines; fields in [`log`].
    Log,
    /// Events; fields in [`event`].
    Event,
    /// Partial summaries of traces, many in a record; fields in [`trace`].
    Trace,
    /// Alarms that fired; fields in [`alarm`].
    Alarm,
    /// That an alarm is over; fields in [`alarm_recovery`].
    AlarmRecovery,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [RecordKind; 6] = [
        RecordKind::Segment,
        RecordKind::Log,
        RecordKind::Event,
        RecordKind::Trace,
        RecordKind::Alarm,
        RecordKind::AlarmRecovery,
    ];

    /// What the kind is made of.
    pub fn def(self) -> &'static KindDef {
        match self {
            RecordKind::Segment => &segment::DEF,
            RecordKind::Log => &log::DEF,
            RecordKind::Event => &event::DEF,
            RecordKind::Trace => &trace::DEF,
            RecordKind::Alarm => &alarm::DEF,
            RecordKind::AlarmRecovery => &alarm_recovery::DEF,
        }
    }
}

impl RecordKind {
    /// The kind of element that becomes such a record, one for one; `None` for what is made here of elements that are stored and
    /// counted themselves. The conservation law is not about it: what is refused of it counts with the rows.
    pub fn signal(self) -> Option<Signal> {
        match self {
            RecordKind::Segment => Some(Signal::Segment),
            RecordKind::Log => Some(Signal::Log),
            RecordKind::Event => Some(Signal::Event),
            RecordKind::Trace | RecordKind::Alarm | RecordKind::AlarmRecovery => None,
        }
    }
}

/// Fields of segments. Record id: the segment id; time: the earliest span start.
pub mod segment {
    use super::{Field, FieldType, KindDef, field};

    pub(super) static DEF: KindDef = KindDef { name: "segment", fields: &FIELDS };

    /// Trace id.
    pub const TRACE_ID: usize = 0;
    /// Service id.
    pub const SERVICE: usize = 1;
    /// Instance id.
    pub const INSTANCE: usize = 2;
    /// Endpoint id.
    pub const ENDPOINT: usize = 3;
    /// Duration in milliseconds.
    pub const LATENCY: usize = 4;
    /// Whether it failed.
    pub const IS_ERROR: usize = 5;
    /// Searchable tags, `key=value`.
    pub const TAGS: usize = 6;
    static FIELDS: [Field; 7] = [
        field("trace_id", FieldType::Keyword),
        field("service", FieldType::Keyword),
        field("instance", FieldType::Keyword),
        field("endpoint", FieldType::Keyword),
        field("latency", FieldType::Int),
        field("is_error", FieldType::Bool),
        field("tags", FieldType::Keywords),
    ];
}

/// Fields of logs. Record id: random; time: the log's own.
pub mod log {
    use super::{Field, FieldType, KindDef, field};

    pub(super) static DEF: KindDef = KindDef { name: "log", fields: &FIELDS };

    /// Service id.
    pub const SERVICE: usize = 0;
    /// Instance id.
    pub const INSTANCE: usize = 1;
    /// Endpoint id.
    pub const ENDPOINT: usize = 2;
    /// Trace id.
    pub const TRACE_ID: usize = 3;
    /// Segment id.
    pub const SEGMENT_ID: usize = 4;
    /// Span id.
    pub const SPAN_ID: usize = 5;
    /// Searchable tags, `key=value`.
    pub const TAGS: usize = 6;
    /// The text.
    pub const CONTENT: usize = 7;
    static FIELDS: [Field; 8] = [
        field("service", FieldType::Keyword),
        field("instance", FieldType::Keyword),
        field("endpoint", FieldType::Keyword),
        field("trace_id", FieldType::Keyword),
        field("segment_id", FieldType::Keyword),
        field("span_id", FieldType::Int),
        field("tags", FieldType::Keywords),
        field("content", FieldType::Text),
    ];
}

/// Fields of events. Record id: hash of uuid and body, since an event may have a start and an end report; reads merge by uuid.
pub mod event {
    use super::{Field, FieldType, KindDef, field};

    pub(super) static DEF: KindDef = KindDef { name: "event", fields: &FIELDS };

    /// The event's uuid.
    pub const UUID: usize = 0;
    /// Service name, not id.
    pub const SERVICE: usize = 1;
    /// Instance name.
    pub const INSTANCE: usize = 2;
    /// Endpoint name.
    pub const ENDPOINT: usize = 3;
    /// The event's name.
    pub const NAME: usize = 4;
    /// `Normal` or `Error`.
    pub const TYPE: usize = 5;
    /// Layer name.
    pub const LAYER: usize = 6;
    static FIELDS: [Field; 7] = [
        field("uuid", FieldType::Keyword),
        field("service", FieldType::Keyword),
        field("instance", FieldType::Keyword),
        field("endpoint", FieldType::Keyword),
        field("name", FieldType::Keyword),
        field("type", FieldType::Keyword),
        field("layer", FieldType::Keyword),
    ];
}

/// Fields of sheaves: partial summaries ([`crate::summary`]) of many traces, those that were over about the same time. Record id: the
/// process's and a number; time: the latest start of a partial. The body are the partials; the fields are what the sheaf can be found by.
pub mod trace {
    use super::{Field, FieldType, KindDef, field};

    pub(super) static DEF: KindDef = KindDef { name: "trace", fields: &FIELDS };

    /// The traces' ids, one for each partial, in their order.
    pub const TRACE_IDS: usize = 0;
    /// Ids of all services in them, each once.
    pub const SERVICES: usize = 1;
    /// The earliest start of a partial, in milliseconds since 1970.
    pub const FIRST: usize = 2;
    /// The longest duration of a partial, in milliseconds.
    pub const LONGEST: usize = 3;
    /// Whether one of them failed.
    pub const IS_ERROR: usize = 4;
    static FIELDS: [Field; 5] = [
        field("trace_ids", FieldType::Keywords),
        field("services", FieldType::Keywords),
        field("first", FieldType::Int),
        field("longest", FieldType::Int),
        field("is_error", FieldType::Bool),
    ];
}

/// Fields of alarms: firings, one record for each. Record id: the firing's uuid; time: when it was decided.
pub mod alarm {
    use super::{Field, FieldType, KindDef, field};

    pub(super) static DEF: KindDef = KindDef { name: "alarm", fields: &FIELDS };

    /// Number of the entity's scope.
    pub const SCOPE: usize = 0;
    /// What the entity is found by: its id, or the ids of both ends and the two together.
    pub const ENTITIES: usize = 1;
    /// Name of the rule.
    pub const RULE: usize = 2;
    /// Name of the entity's first layer.
    pub const LAYER: usize = 3;
    /// Searchable tags, `key=value`.
    pub const TAGS: usize = 4;
    /// The text.
    pub const MESSAGE: usize = 5;
    /// Id of the incident.
    pub const INCIDENT: usize = 6;
    static FIELDS: [Field; 7] = [
        field("scope", FieldType::Int),
        field("entities", FieldType::Keywords),
        field("rule", FieldType::Keyword),
        field("layer", FieldType::Keyword),
        field("tags", FieldType::Keywords),
        field("message", FieldType::Text),
        field("incident", FieldType::Keyword),
    ];
}

/// Fields of recoveries, one record for each firing that is over. Record id: the firing's uuid; time: when it was over.
pub mod alarm_recovery {
    use super::{Field, FieldType, KindDef, field};

    pub(super) static DEF: KindDef = KindDef { name: "alarm_recovery", fields: &FIELDS };

    /// Id of the incident.
    pub const INCIDENT: usize = 0;
    static FIELDS: [Field; 1] = [field("incident", FieldType::Keyword)];
}

/// The kinds of items: what operators and lease holders edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    /// What the store knows of itself: zone, format. One item, `store`.
    Meta,
    /// The metric catalogue: numbers of cells by name, scope and function. One item, `metrics`.
    Catalogue,
    /// UI templates.
    Template,
    /// Nodes that share the store.
    Node,
    /// Leases.
    Lease,
    /// Says that items of a kind have changed: one for each kind that nodes follow, its name as the id, a random value in it.
    Revision,
    /// Alarm rules.
    AlarmRule,
    /// Where alarms are sent.
    AlarmReceiver,
    /// Which alarms are sent where. One item, `routing`.
    AlarmRouting,
    /// Which alarms nobody is told of for a time.
    AlarmSilence,
    /// Alarms from first firing to recovery, with the state of their rules.
    AlarmIncident,
    /// Alarms that are told together.
    AlarmGroup,
    /// What is told, and what became of it.
    AlarmNotification,
    /// How far alarm rules are evaluated, and which settings file was imported.
    AlarmProgress,
    /// What operators changed of alarm rules, receivers, routes and silences.
    AlarmChange,
}

impl ItemKind {
    /// Every kind.
    pub const ALL: [ItemKind; 15] = [
        ItemKind::Meta,
        ItemKind::Catalogue,
        ItemKind::Template,
        ItemKind::Node,
        ItemKind::Lease,
        ItemKind::Revision,
        ItemKind::AlarmRule,
        ItemKind::AlarmReceiver,
        ItemKind::AlarmRouting,
        ItemKind::AlarmSilence,
        ItemKind::AlarmIncident,
        ItemKind::AlarmGroup,
        ItemKind::AlarmNotification,
        ItemKind::AlarmProgress,
        ItemKind::AlarmChange,
    ];

    /// Its name in stores and reports.
    pub fn name(self) -> &'static str {
        match self {
            ItemKind::Meta => "meta",
            ItemKind::Catalogue => "catalogue",
            ItemKind::Template => "template",
            ItemKind::Node => "node",
            ItemKind::Lease => "lease",
            ItemKind::Revision => "revision",
            ItemKind::AlarmRule => "alarm_rule",
            ItemKind::AlarmReceiver => "alarm_receiver",
            ItemKind::AlarmRouting => "alarm_routing",
            ItemKind::AlarmSilence => "alarm_silence",
            ItemKind::AlarmIncident => "alarm_incident",
            ItemKind::AlarmGroup => "alarm_group",
            ItemKind::AlarmNotification => "alarm_notification",
            ItemKind::AlarmProgress => "alarm_progress",
            ItemKind::AlarmChange => "alarm_change",
        }
    }
}
