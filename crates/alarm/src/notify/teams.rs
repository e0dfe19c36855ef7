//! Microsoft Teams: a workflow's webhook, one adaptive card for each notification.

use serde_json::{Value, json};

use super::settings::Keys;
use super::told::{Alarm, Shown};
use super::{Http, Out, cut};
use crate::template::{Escape, Template};

/// Alarms that a card lists: Teams takes 28 KB.
const MAX_ALARMS: usize = 30;
/// Characters of an alarm's text.
const MAX_TEXT: usize = 500;

#[derive(Clone, Debug)]
pub(super) struct Teams {
    webhooks: Vec<String>,
    text: Option<Template>,
}

impl Teams {
    pub(super) fn read(keys: &Keys<'_>) -> Teams {
        Teams { webhooks: keys.required_urls("webhooks"), text: keys.template("text-template", Escape::None) }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        let mut body =
            vec![block(&cut(&shown.headline(), MAX_TEXT), true, if shown.n_firing > 0 { "Attention" } else { "Good" })];
        for alarm in shown.alarms.iter().take(MAX_ALARMS) {
            let text = match &self.text {
                Some(template) => out.alarm_text(template, alarm),
                None => alarm.message.clone(),
            };
            body.push(block(&cut(&text, MAX_TEXT), false, if alarm.is_firing() { "Attention" } else { "Good" }));
            body.push(facts(alarm));
        }
        let left = shown.omitted + u64::try_from(shown.alarms.len().saturating_sub(MAX_ALARMS)).unwrap_or(u64::MAX);
        if left > 0 {
            body.push(block(&format!("and {left} more"), false, "Default"));
        }
        let links: Vec<Value> = shown
            .alarms
            .iter()
            .filter_map(|alarm| alarm.links.get("incident"))
            .take(1)
            .map(|link| json!({ "type": "Action.OpenUrl", "title": "incident", "url": link }))
            .collect();
        let card = json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": body,
                    "actions": links,
                },
            }],
        });
        for url in &self.webhooks {
            out.http(Http::post(url, card.to_string()));
        }
    }
}

fn block(text: &str, is_title: bool, color: &str) -> Value {
    json!({
        "type": "TextBlock",
        "text": text,
        "wrap": true,
        "color": color,
        "weight": if is_title { "Bolder" } else { "Default" },
        "size": if is_title { "Medium" } else { "Default" },
    })
}

fn facts(alarm: &Alarm) -> Value {
    let severity = format!("{:?}", alarm.severity);
    let facts = [("rule", &alarm.rule), ("severity", &severity), ("entity", &alarm.name)];
    let facts: Vec<Value> = facts.iter().map(|(title, value)| json!({ "title": title, "value": value })).collect();
    json!({ "type": "FactSet", "facts": facts })
}
