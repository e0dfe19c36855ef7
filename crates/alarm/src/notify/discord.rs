//! Discord: webhooks, one message for each alarm.

use serde_json::json;

use super::settings::Keys;
use super::told::Shown;
use super::welink::text_template;
use super::{Http, Out, cut};
use crate::template::Template;

/// Characters of a message.
const MAX_TEXT: usize = 2_000;

#[derive(Clone, Debug)]
pub(super) struct Discord {
    template: Template,
    webhooks: Vec<(String, String)>,
}

impl Discord {
    pub(super) fn read(keys: &Keys<'_>) -> Discord {
        let webhook =
            |keys: &Keys<'_>| (keys.required_url("url"), keys.text("username").unwrap_or_else(|| "robot".to_owned()));
        Discord { template: text_template(keys), webhooks: keys.objects("webhooks", webhook) }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        for alarm in &shown.alarms {
            let content = cut(&out.alarm_text(&self.template, alarm), MAX_TEXT);
            for (url, username) in &self.webhooks {
                out.http(Http::post(url, json!({ "username": username, "content": content }).to_string()));
            }
        }
    }
}
