//! Silences: what nobody is told of for a time.

use model::UnixMillis;
use model::kinds::ItemKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::Doc;
use crate::route::Matcher;

/// When a silence comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recurrence {
    /// When it begins: a cron expression with seconds, `0 0 2 * * Sun`.
    pub cron: String,
    /// Name of its zone.
    pub zone: String,
    /// How long it lasts each time, in minutes.
    pub minutes: u32,
}

/// A silence. It holds from `starts` to `ends`, within that only while its recurrence says so, where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Silence {
    /// Random.
    #[serde(default)]
    pub id: String,
    /// All must hold; one at least.
    pub matchers: Vec<Matcher>,
    /// From when.
    #[schemars(with = "i64")]
    pub starts: UnixMillis,
    /// Until when; every silence ends.
    #[schemars(with = "i64")]
    pub ends: UnixMillis,
    /// Within that, when.
    #[serde(default)]
    pub recurrence: Option<Recurrence>,
    /// Whether it ends when nothing that it silences is open any more.
    #[serde(default)]
    pub ends_on_recovery: bool,
    /// Why.
    pub comment: String,
    /// Who made it.
    #[serde(default)]
    pub author: String,
    /// What was changed last and by whom: the id of a [`crate::change::Change`].
    #[serde(default)]
    pub change: String,
}

impl Doc for Silence {
    const KIND: ItemKind = ItemKind::AlarmSilence;

    fn id(&self) -> &str {
        &self.id
    }
}
