//! Receivers: one of Alertmanager's may be several of ours.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::receiver::{Receiver, ReceiverKind};
use crate::settings::report::Entry;
use crate::settings::secrets::Draft;
use crate::settings::yaml::Node;

use super::{fields, list};

/// Our receivers of one of Alertmanager's. What has no counterpart is rejected or warned of in the entry.
pub(super) fn of(name: &str, parts: BTreeMap<&str, &Node>, global: Option<&Node>, entry: &mut Entry) -> Vec<Draft> {
    let global = global.map(Node::to_json).unwrap_or_default();
    let mut drafts: Vec<Draft> = Vec::new();
    for (key, node) in parts {
        for (_, node) in list(Some(node), key, entry) {
            let mut config = fields(node, key, entry);
            let resolved = config.remove("send_resolved").and_then(Node::text).map(|text| text == "true");
            let config: Map<String, Value> =
                config.into_iter().map(|(key, node)| (key.to_owned(), node.to_json())).collect();
            let (kind, word, resolves, settings) = match settings(key, &config, &global) {
                Ok(read) => read,
                Err(what) => {
                    entry.warn(node.at, what);
                    continue;
                }
            };
            let base = format!("{word}.{}", name.replace(|c: char| c.is_whitespace() || c.is_control(), "-"));
            let taken = drafts.iter().filter(|draft| draft.receiver.kind == kind).count();
            let id = if taken == 0 { base } else { format!("{base}-{}", taken + 1) };
            let left: Vec<&str> = config.keys().map(String::as_str).filter(|key| !settings.0.contains(key)).collect();
            if !left.is_empty() {
                entry.warn(node.at, format!("of {key} these are not taken over: {}", left.join(", ")));
            }
            drafts.push(Draft::new(Receiver {
                id,
                kind,
                is_default: false,
                send_resolved: resolved.unwrap_or(resolves),
                settings: settings.1,
                secrets: BTreeMap::new(),
                change: String::new(),
            }));
        }
    }
    drafts
}

/// Keys of Alertmanager's that were taken over, and what became of them.
type Taken = (&'static [&'static str], Map<String, Value>);

/// The kind, its name, whether it is told of recoveries by default, and the settings.
fn settings(
    key: &str,
    config: &Map<String, Value>,
    global: &Value,
) -> Result<(ReceiverKind, &'static str, bool, Taken), String> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let of_global = |name: &str| global.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let wanted = |name: &str, elsewhere: &str| {
        text(name)
            .or_else(|| of_global(elsewhere))
            .ok_or_else(|| format!("{key} has no {name}, or names a file: not taken over"))
    };
    let (kind, word, resolves, keys, json): (_, _, _, &'static [&'static str], _) = match key {
        "webhook_configs" => {
            let json = json!({"urls": [wanted("url", "")?], "format": "alertmanager"});
            (ReceiverKind::Webhook, "webhook", true, &["url"], json)
        }
        "slack_configs" => {
            let json = json!({"webhooks": [wanted("api_url", "slack_api_url")?]});
            (ReceiverKind::Slack, "slack", false, &["api_url"], json)
        }
        "pagerduty_configs" => {
            let integration_key = text("routing_key").map_or_else(|| wanted("service_key", ""), Ok)?;
            let mut json = json!({"integration-keys": [integration_key]});
            if let (Some(url), Some(map)) = (text("url").or_else(|| of_global("pagerduty_url")), json.as_object_mut()) {
                map.insert("events-api-url".to_owned(), url.into());
            }
            (ReceiverKind::Pagerduty, "pagerduty", true, &["routing_key", "service_key", "url"], json)
        }
        "discord_configs" => {
            let json = json!({"webhooks": [{"url": wanted("webhook_url", "")?}]});
            (ReceiverKind::Discord, "discord", true, &["webhook_url"], json)
        }
        "msteams_configs" | "msteamsv2_configs" => {
            (ReceiverKind::Teams, "teams", true, &["webhook_url"], json!({"webhooks": [wanted("webhook_url", "")?]}))
        }
        "telegram_configs" => {
            let chat = config.get("chat_id").filter(|chat| !chat.is_null()).ok_or("telegram_configs has no chat_id")?;
            let json = json!({"bot-token": wanted("bot_token", "telegram_bot_token")?, "chat-ids": [chat.to_string().trim_matches('"')]});
            (ReceiverKind::Telegram, "telegram", true, &["bot_token", "chat_id"], json)
        }
        "opsgenie_configs" => {
            let json = json!({"api-key": wanted("api_key", "opsgenie_api_key")?});
            (ReceiverKind::Opsgenie, "opsgenie", true, &["api_key"], json)
        }
        "email_configs" => (ReceiverKind::Email, "email", false, MAIL, mail(&wanted, config, global)?),
        "name" => return Err("a name stands twice".to_owned()),
        other => return Err(format!("there is no counterpart of {other}: not taken over")),
    };
    let Value::Object(settings) = json else { return Err("no settings".to_owned()) };
    Ok((kind, word, resolves, (keys, settings)))
}

const MAIL: &[&str] = &["to", "from", "smarthost", "auth_username", "auth_password", "require_tls"];

fn mail<'c>(
    wanted: &impl Fn(&str, &str) -> Result<&'c str, String>,
    config: &Map<String, Value>,
    global: &Value,
) -> Result<Value, String> {
    let (host, port) = wanted("smarthost", "smtp_smarthost")?.rsplit_once(':').ok_or("smarthost is host:port")?;
    let to: Vec<&str> = wanted("to", "")?.split(',').map(str::trim).collect();
    let flag = config.get("require_tls").or_else(|| global.get("smtp_require_tls")).and_then(Value::as_bool);
    let tls = match (port, flag) {
        ("465", _) => "tls",
        (_, Some(false)) => "none",
        _ => "starttls",
    };
    let mut settings = json!({"host": host, "port": port, "from": wanted("from", "smtp_from")?, "to": to, "tls": tls});
    let login = wanted("auth_username", "smtp_auth_username")
        .and_then(|user| Ok((user, wanted("auth_password", "smtp_auth_password")?)));
    if let (Ok((user, password)), Some(map)) = (login, settings.as_object_mut()) {
        map.insert("user".to_owned(), user.into());
        map.insert("password".to_owned(), password.into());
    }
    Ok(settings)
}
