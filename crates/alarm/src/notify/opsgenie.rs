//! Opsgenie and Jira Service Management: one alert for each incident, created and closed by the same alias.

use serde_json::{Value, json};

use super::settings::Keys;
use super::told::{Alarm, Shown};
use super::{Call, Http, Out, cut, plain};
use crate::rule::Severity;
use crate::template::{Escape, Template};

/// Characters of a message and of a description.
const MAX_MESSAGE: usize = 130;
const MAX_DESCRIPTION: usize = 15_000;

#[derive(Clone, Debug)]
pub(super) struct Opsgenie {
    api_key: String,
    api_url: String,
    responders: Value,
    priority: &'static str,
    text: Option<Template>,
}

impl Opsgenie {
    pub(super) fn read(keys: &Keys<'_>) -> Opsgenie {
        let responders = keys.value("responders").cloned().unwrap_or(Value::Null);
        let is_list = responders.as_array().is_some_and(|all| all.iter().all(Value::is_object));
        if !is_list && !responders.is_null() {
            keys.problem("responders", "must be a list of objects with type and id, name or username");
        }
        Opsgenie {
            api_key: keys.required("api-key"),
            api_url: keys.url_or("api-url", "https://api.opsgenie.com"),
            responders,
            priority: keys.choice("priority", &["by-severity", "P1", "P2", "P3", "P4", "P5"]),
            text: keys.template("text-template", Escape::None),
        }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        for alarm in &shown.alarms {
            let base = format!("{}/v2/alerts", self.api_url.trim_end_matches('/'));
            let (url, body) = if alarm.is_firing() {
                let text = match &self.text {
                    Some(template) => out.alarm_text(template, alarm),
                    None => plain(alarm, shown),
                };
                (base, self.create(alarm, &text))
            } else {
                let note = cut(&alarm.message, MAX_DESCRIPTION);
                let url = format!("{base}/{}/close?identifierType=alias", alarm.incident);
                (url, json!({ "source": "Skylark", "note": note }))
            };
            let http = Http::post(&url, body.to_string()).with("Authorization", format!("GenieKey {}", self.api_key));
            out.push(&url, Call::Http(http));
        }
    }

    fn create(&self, alarm: &Alarm, text: &str) -> Value {
        let priority = match (self.priority, alarm.severity) {
            ("by-severity", Severity::Critical) => "P1",
            ("by-severity", Severity::Warning) => "P3",
            ("by-severity", Severity::Info) => "P5",
            (fixed, _) => fixed,
        };
        let tags: Vec<String> = alarm.tags.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        let mut details = alarm.annotations.clone();
        details.insert("rule".to_owned(), alarm.rule.clone());
        details.insert("expression".to_owned(), alarm.expression.clone());
        if let Some(link) = alarm.links.get("incident") {
            details.insert("incident".to_owned(), link.clone());
        }
        let mut body = json!({
            "message": cut(text, MAX_MESSAGE),
            "alias": alarm.incident,
            "description": cut(text, MAX_DESCRIPTION),
            "tags": tags,
            "details": details,
            "entity": alarm.name,
            "source": "Skylark",
            "priority": priority,
        });
        if !self.responders.is_null() {
            body["responders"] = self.responders.clone();
        }
        body
    }
}
