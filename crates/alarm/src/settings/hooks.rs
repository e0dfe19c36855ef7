//! Hooks: in today's form under `hooks` by kind and name, before 9.6 a key for each kind and no names.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::notify::settings::of_skywalking;
use crate::receiver::{Receiver, ReceiverKind};

use super::fields::Fields;
use super::report::{At, Entry, Part};
use super::secrets::Draft;
use super::yaml::{Key, Node, Value};
use super::{Placed, Settings, entries, ext};

/// The key of a hook that rules without hooks go to.
const IS_DEFAULT: &str = "is-default";

/// A kind of SkyWalking's hooks.
pub(super) struct Kind {
    pub(super) kind: ReceiverKind,
    pub(super) name: &'static str,
    /// The key before 9.6.
    old: &'static str,
    /// Keys, and of which of them one at least must have something, for else it sends nothing.
    pub(super) keys: &'static [&'static str],
    wanted: &'static [&'static str],
}

const TEXTS: &[&str] = &["text-template", "recovery-text-template", "webhooks"];

/// The kinds, in the order in which SkyWalking calls them.
pub(super) const KINDS: [Kind; 9] = [
    Kind {
        kind: ReceiverKind::Webhook,
        name: "webhook",
        old: "webhooks",
        keys: &["urls", "recovery-urls", "headers"],
        wanted: &["urls"],
    },
    Kind {
        kind: ReceiverKind::Grpc,
        name: "gRPC",
        old: "gRPCHook",
        keys: &["target-host", "target-port"],
        wanted: &["target-host", "target-port"],
    },
    Kind { kind: ReceiverKind::Slack, name: "slack", old: "slackHooks", keys: TEXTS, wanted: &["webhooks"] },
    Kind { kind: ReceiverKind::Wechat, name: "wechat", old: "wechatHooks", keys: TEXTS, wanted: &["webhooks"] },
    Kind { kind: ReceiverKind::Dingtalk, name: "dingtalk", old: "dingtalkHooks", keys: TEXTS, wanted: &["webhooks"] },
    Kind {
        kind: ReceiverKind::Feishu,
        name: "feishu",
        old: "feishuHooks",
        keys: &["text-template", "recovery-text-template", "webhooks", "ats"],
        wanted: &["webhooks"],
    },
    Kind {
        kind: ReceiverKind::Welink,
        name: "welink",
        old: "welinkHooks",
        keys: TEXTS,
        wanted: &["webhooks", "text-template"],
    },
    Kind {
        kind: ReceiverKind::Pagerduty,
        name: "pagerduty",
        old: "pagerDutyHooks",
        keys: &["text-template", "recovery-text-template", "integration-keys", "events-api-url"],
        wanted: &["integration-keys"],
    },
    Kind {
        kind: ReceiverKind::Discord,
        name: "discord",
        old: "discordHooks",
        keys: TEXTS,
        wanted: &["webhooks", "text-template"],
    },
];

/// Reads the hooks of today's form.
pub(super) fn read(node: &Node, settings: &mut Settings, file: &mut Entry) {
    for (kind_key, node) in entries(node, "hooks", file) {
        let Some(kind) = KINDS.iter().find(|kind| kind.name == kind_key.text) else {
            file.warn(kind_key.at, format!("there is no hook of the kind {}", kind_key.text));
            continue;
        };
        for (key, node) in entries(node, kind.name, file) {
            hook(kind, key, node, false, settings);
        }
    }
}

/// Reads the hooks of the form before 9.6. All of them are default ones.
pub(super) fn read_old(top: &mut Fields<'_>, settings: &mut Settings) {
    for kind in &KINDS {
        let place = top.place(kind.old);
        let Some(node) = top.take(&[kind.old]) else { continue };
        if matches!(node.value, Value::Null) {
            continue;
        }
        let key = Key { text: "default".to_owned(), at: place };
        if kind.kind == ReceiverKind::Webhook {
            // A list of addresses, without a map around it.
            let urls = Key { text: "urls".to_owned(), at: node.at };
            let node = Node { value: Value::Map(vec![(urls, node.clone())]), at: node.at };
            hook(kind, &key, &node, true, settings);
        } else {
            hook(kind, &key, node, true, settings);
        }
    }
}

/// Reads a receiver that stands under our own key, with the fields that the interface gives it.
pub(super) fn read_ours(key: &Key, node: &Node, settings: &mut Settings) {
    let mut entry = Entry::new(Part::Receiver, &key.text, key.at);
    let mut json = node.to_json();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("id".to_owned(), key.text.clone().into());
        fields.remove("change");
        fields.remove("secrets");
    }
    match serde_json::from_value::<Receiver>(json) {
        Ok(receiver) => keep(Draft::new(receiver), node.at, &mut entry, settings),
        Err(error) => entry.reject(node.at, error.to_string()),
    }
    settings.report.entries.push(entry);
}

fn keep(draft: Draft, at: At, entry: &mut Entry, settings: &mut Settings) {
    if settings.receivers.iter().any(|other| other.doc.receiver.id == draft.receiver.id) {
        entry.reject(at, format!("there is another hook {} in the file", draft.receiver.id));
        return;
    }
    settings.receivers.push(Placed { doc: draft, at, places: BTreeMap::new() });
}

/// Reads one hook.
fn hook(kind: &Kind, key: &Key, node: &Node, is_default: bool, settings: &mut Settings) {
    let id = format!("{}.{}", kind.name, key.text);
    let mut entry = Entry::new(Part::Receiver, &id, key.at);
    let mut fields = Fields::of(node, &mut entry);
    let mut receiver = Receiver {
        id,
        kind: kind.kind,
        is_default: fields.flag(IS_DEFAULT, &mut entry).unwrap_or(is_default),
        send_resolved: true,
        settings: Map::new(),
        secrets: BTreeMap::new(),
        change: String::new(),
    };
    for name in kind.keys {
        let Some(node) = fields.take(&[name, &name.replace('-', "_"), &camel(name)]) else { continue };
        match setting(kind.kind, name, node) {
            Ok(None) => {}
            Ok(Some(value)) => {
                receiver.settings.insert((*name).to_owned(), value);
            }
            Err((at, what)) => entry.reject(at, what),
        }
    }
    of_skywalking(kind.kind, &mut receiver.settings);
    if let Some(node) = fields.take(&[ext::KEY])
        && let Err(what) = beyond(&mut receiver, node)
    {
        entry.reject(node.at, what);
    }
    fields.leave(&mut entry, ", and neither to SkyWalking");
    for wanted in kind.wanted {
        if !receiver.settings.contains_key(*wanted) {
            entry.reject(node.at, format!("it has no {wanted} and would send nothing"));
        }
    }
    if !entry.is_rejected() {
        keep(Draft::new(receiver), node.at, &mut entry, settings);
    }
    settings.report.entries.push(entry);
}

/// `text-template` as files before 9.6 have it: `textTemplate`.
fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all.push_str(letters.as_str());
        all
    })
}

/// The value of one key as a receiver keeps it; `None` where it says nothing.
fn setting(kind: ReceiverKind, name: &str, node: &Node) -> Result<Option<Json>, (At, String)> {
    let is_list = matches!(name, "urls" | "recovery-urls" | "webhooks" | "integration-keys");
    match (&node.value, name) {
        (Value::Null, _) => Ok(None),
        (_, "headers") => match &node.value {
            Value::Map(_) => Ok(Some(node.to_json())),
            _ => Err((node.at, format!("headers wants a map, and this is {}", node.kind()))),
        },
        (Value::List(list), _) if is_list => {
            let all = list.iter().map(|each| element(kind, name, each)).collect::<Result<Vec<_>, _>>()?;
            Ok((!all.is_empty()).then(|| all.into()))
        }
        _ if is_list => Ok(Some(vec![element(kind, name, node)?].into())),
        (Value::List(_) | Value::Map(_), _) => {
            Err((node.at, format!("{name} wants a text, and this is {}", node.kind())))
        }
        (_, "target-port") => {
            let port: Option<u16> = node.text().and_then(|text| text.trim().parse().ok()).filter(|port| *port > 0);
            port.map(|port| Some(port.into()))
                .ok_or_else(|| (node.at, "target-port is a number from 1 to 65535".to_owned()))
        }
        _ => Ok(node.text().filter(|text| !text.is_empty()).map(Json::String)),
    }
}

/// One entry of a list: an address, or what belongs to one.
fn element(kind: ReceiverKind, list: &str, node: &Node) -> Result<Json, (At, String)> {
    let has_parts =
        list == "webhooks" && matches!(kind, ReceiverKind::Dingtalk | ReceiverKind::Feishu | ReceiverKind::Discord);
    let keys: &[&str] = match kind {
        ReceiverKind::Welink => {
            &["client-id", "client-secret", "access-token-url", "message-url", "group-ids", "robot-name"]
        }
        ReceiverKind::Discord => &["url", "username"],
        _ => &["url", "secret"],
    };
    match &node.value {
        Value::Map(parts) => {
            let mut map = Map::new();
            for (key, value) in parts {
                let known = keys.iter().find(|known| {
                    key.text == **known || key.text == known.replace('-', "_") || key.text == camel(known)
                });
                let Some(known) = known else { return Err((key.at, format!("{} means nothing here", key.text))) };
                let text = match &value.value {
                    Value::Null => continue,
                    Value::List(all) => all.iter().filter_map(Node::text).collect::<Vec<_>>().join(","),
                    _ => value
                        .text()
                        .ok_or_else(|| (value.at, format!("{known} wants a text, and this is {}", value.kind())))?,
                };
                map.insert((*known).to_owned(), text.into());
            }
            let wanted = if kind == ReceiverKind::Welink { "message-url" } else { "url" };
            let Some(Json::String(url)) = map.get(wanted) else {
                return Err((node.at, format!("{wanted} is missing")));
            };
            let has_more = map.len() > 1;
            Ok(if has_parts || kind == ReceiverKind::Welink || has_more { map.into() } else { url.clone().into() })
        }
        _ => match node.text() {
            Some(url) if has_parts => Ok(Map::from_iter([("url".to_owned(), url.into())]).into()),
            Some(text) if kind != ReceiverKind::Welink => Ok(text.into()),
            _ => Err((node.at, format!("{list} has {} where an entry is wanted", node.kind()))),
        },
    }
}

/// Writes what stands under our own key over a hook: `sendResolved`, and settings that SkyWalking's kind does not have.
fn beyond(receiver: &mut Receiver, node: &Node) -> Result<(), String> {
    let Json::Object(ours) = node.to_json() else { return Err(format!("{} wants a map", ext::KEY)) };
    for (key, value) in ours {
        match (key.as_str(), value) {
            ("sendResolved", Json::Bool(flag)) => receiver.send_resolved = flag,
            ("settings", Json::Object(settings)) => receiver.settings.extend(settings),
            (other, _) => return Err(format!("{other} means nothing here")),
        }
    }
    Ok(())
}
