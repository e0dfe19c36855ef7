//! Groups and notifications: what is told to whom.

use std::collections::BTreeMap;

use model::UnixMillis;
use model::kinds::ItemKind;
use serde::{Deserialize, Serialize};

use crate::doc::Doc;
use crate::incident::{Incident, Transition, What};

/// Alarms that are told together. It lives while something in it is open or not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// A hash of the route, the labels and the receiver.
    pub id: String,
    /// The names of the routes from the root.
    pub route: Vec<String>,
    /// The receiver.
    pub receiver: String,
    /// The labels that all have in common, by which they were put together.
    pub labels: BTreeMap<String, String>,
    /// The number of the next notification.
    pub sequence: u64,
    /// When it may be told first, or next.
    pub due: UnixMillis,
    /// When it was told last.
    pub told: Option<UnixMillis>,
    /// Incidents in it that are open as far as the receiver knows.
    pub open: Vec<String>,
}

impl Doc for Group {
    const KIND: ItemKind = ItemKind::AlarmGroup;

    fn id(&self) -> &str {
        &self.id
    }
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// To be sent.
    #[default]
    Waiting,
    /// An attempt is under way.
    Sending,
    /// The receiver has it.
    Sent,
    /// Given up; somebody may send it again.
    Dead,
    /// Given up by an operator.
    Discarded,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// When it began.
    pub at: UnixMillis,
    /// How long it took; `None`: no outcome was noted.
    pub took_ms: Option<u64>,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
    /// What went wrong, or the beginning of an answer that says so; empty: nothing.
    pub error: String,
    /// A hash of what was sent; empty: nothing was, or no outcome was noted.
    #[serde(default)]
    pub payload: String,
}

/// Attempts that are kept: the first and the last ones.
pub const KEPT_ATTEMPTS: usize = 20;

/// One alarm in a notification: a transition of an incident, with what must be said of it even when the incident keeps it no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Id of the incident.
    pub incident: String,
    /// Number of the transition.
    pub seq: u32,
    /// What happened.
    pub what: What,
    /// When it was decided.
    pub at: UnixMillis,
    /// The transition's uuid.
    pub uuid: String,
    /// The transition's text.
    pub message: String,
    /// Whether the alarm flaps: what follows is not told until it has calmed down.
    #[serde(default)]
    pub flapping: bool,
}

impl Told {
    /// A transition of an incident.
    pub(crate) fn of(incident: &Incident, transition: &Transition) -> Told {
        Told {
            incident: incident.id.clone(),
            seq: transition.seq,
            what: transition.what,
            at: transition.at,
            uuid: transition.uuid.clone(),
            message: transition.message.clone(),
            flapping: false,
        }
    }
}

/// A notification. Once stored it is delivered, or dead and visible. What it shows beside [`Told`] is read from the incidents when it
/// is rendered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// A hash of group and sequence: the idempotency key.
    pub id: String,
    /// Id of the group.
    pub group: String,
    /// Its number in the group.
    pub sequence: u64,
    /// The receiver.
    pub receiver: String,
    /// The labels of the group.
    pub labels: BTreeMap<String, String>,
    /// What it tells, by incident and number.
    pub told: Vec<Told>,
    /// How many more the group holds that it does not list.
    pub omitted: u64,
    /// How many open alarms those that it lists explain by topology.
    #[serde(default)]
    pub folded: u64,
    /// Whether nothing new is in it: a repetition.
    pub repeated: bool,
    /// Whether it is a test.
    #[serde(default)]
    pub test: bool,
    /// When it was made.
    pub made: UnixMillis,
    /// What became of it.
    pub status: Status,
    /// When it is tried next.
    pub next: UnixMillis,
    /// How often it was tried.
    pub n_attempts: u32,
    /// Tries, oldest first.
    pub attempts: Vec<Attempt>,
    /// When it was done with.
    pub finished: Option<UnixMillis>,
    /// Which of its requests the receiver has already, where one alone failed: a hash of each.
    #[serde(default)]
    pub delivered: Vec<String>,
    /// When somebody had a dead one sent again: its time begins anew then.
    #[serde(default)]
    pub redriven: Option<UnixMillis>,
    /// The incident that a test tells of: it is nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Box<Incident>>,
    /// What an operator did with it last: the id of a [`crate::change::Change`]. Empty: nobody did anything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub change: String,
}

impl Doc for Notification {
    const KIND: ItemKind = ItemKind::AlarmNotification;

    fn id(&self) -> &str {
        &self.id
    }
}
