//! Receivers: where notifications go.

use std::collections::BTreeMap;

use model::kinds::ItemKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storage::snapshot::Snapshot;

use crate::doc::{self, Doc};

/// A secret as it is stored: sealed by the server's key. Shown as `***`; written anew or left as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Sealed(pub String);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { "***" })
    }
}

/// The kinds of receivers. SkyWalking's nine have the names and keys of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReceiverKind {
    /// JSON over HTTP.
    Webhook,
    /// SkyWalking's gRPC hook.
    #[serde(rename = "gRPC")]
    Grpc,
    /// Slack.
    Slack,
    /// WeCom.
    Wechat,
    /// DingTalk.
    Dingtalk,
    /// Feishu.
    Feishu,
    /// WeLink.
    Welink,
    /// PagerDuty, events of version 2.
    Pagerduty,
    /// Discord.
    Discord,
    /// Mail over SMTP.
    Email,
    /// Microsoft Teams.
    Teams,
    /// Telegram.
    Telegram,
    /// Opsgenie.
    Opsgenie,
    /// Any HTTP request, for gateways of short messages among others.
    Http,
    /// Alertmanager, version 2.
    Alertmanager,
}

/// A receiver. What its settings may be depends on its kind; who writes one has it checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receiver {
    /// `kind.name`, as rules and routes name it: `webhook.ops`.
    pub id: String,
    /// Its kind.
    pub kind: ReceiverKind,
    /// Whether rules without hooks go to it where no route is there.
    #[serde(default)]
    pub is_default: bool,
    /// Whether it is told of recoveries.
    #[serde(default = "yes")]
    pub send_resolved: bool,
    /// Its settings by key, none of them secret.
    #[serde(default)]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Its secrets by key, sealed.
    #[serde(default)]
    pub secrets: BTreeMap<String, Sealed>,
    /// What was changed last and by whom: the id of a [`crate::change::Change`].
    #[serde(default)]
    pub change: String,
}

fn yes() -> bool {
    true
}

impl Doc for Receiver {
    const KIND: ItemKind = ItemKind::AlarmReceiver;

    fn id(&self) -> &str {
        &self.id
    }
}

/// Ids of the receivers that are default, ascending: where alarms of SkyWalking's rules go that name none.
pub fn defaults(snapshot: &Snapshot) -> Vec<String> {
    let items = snapshot.of(ItemKind::AlarmReceiver).map_or(&[][..], |items| items);
    let all = items.iter().filter(|item| !item.tombstone).filter_map(|item| doc::read::<Receiver>(item).ok());
    all.filter(|stored| stored.doc.is_default).map(|stored| stored.doc.id).collect()
}
