//! PagerDuty: events of version 2. One incident of ours is one of theirs, triggered and resolved by the same key.

use serde_json::json;

use super::settings::Keys;
use super::told::Shown;
use super::welink::text_template;
use super::{Http, Out, cut};
use crate::rule::Severity;
use crate::template::Template;

/// Characters of a summary.
const MAX_SUMMARY: usize = 1_024;
const EVENTS: &str = "https://events.pagerduty.com/v2/enqueue";

#[derive(Clone, Debug)]
pub(super) struct Pagerduty {
    template: Template,
    integration_keys: Vec<String>,
    url: String,
}

impl Pagerduty {
    pub(super) fn read(keys: &Keys<'_>) -> Pagerduty {
        let url = keys.url_or("events-api-url", EVENTS);
        if url.starts_with("http:") {
            keys.warning("events-api-url", "sends the integration key unencrypted");
        }
        Pagerduty { template: text_template(keys), integration_keys: keys.required_texts("integration-keys"), url }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        for alarm in &shown.alarms {
            let summary = cut(&out.alarm_text(&self.template, alarm), MAX_SUMMARY);
            for key in &self.integration_keys {
                let severity = match alarm.severity {
                    Severity::Info => "info",
                    Severity::Warning => "warning",
                    Severity::Critical => "critical",
                };
                let mut event = json!({
                    "payload": {
                        "summary": summary,
                        "severity": severity,
                        "source": "Skywalking",
                        "component": alarm.name,
                        "class": alarm.rule,
                        "custom_details": { "tags": alarm.tags, "annotations": alarm.annotations, "values": alarm.values },
                    },
                    "routing_key": key,
                    "dedup_key": alarm.incident,
                    "event_action": if alarm.is_firing() { "trigger" } else { "resolve" },
                });
                if let Some(link) = alarm.links.get("incident") {
                    event["links"] = json!([{ "href": link, "text": "incident" }]);
                }
                out.http(Http::post(&self.url, event.to_string()));
            }
        }
    }
}
