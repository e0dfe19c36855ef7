//! Slack: incoming webhooks, each alarm a block.

use serde_json::{Value, json};

use super::chat::Templates;
use super::settings::Keys;
use super::told::Shown;
use super::{Http, Out, cut};

/// Blocks that Slack takes in one message.
const MAX_BLOCKS: usize = 50;
/// Characters of a section's text.
const MAX_TEXT: usize = 3_000;

#[derive(Clone, Debug)]
pub(super) struct Slack {
    webhooks: Vec<String>,
    templates: Templates,
}

impl Slack {
    pub(super) fn read(keys: &Keys<'_>) -> Slack {
        Slack { webhooks: keys.required_urls("webhooks"), templates: Templates::read(keys) }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        let mut blocks = Vec::new();
        for alarm in &shown.alarms {
            match self.templates.json(alarm, shown, out, section) {
                Some(Value::Array(own)) => blocks.extend(own),
                Some(Value::Object(mut own)) => match own.remove("blocks") {
                    Some(Value::Array(own)) => blocks.extend(own),
                    _ => blocks.push(Value::Object(own)),
                },
                Some(other) => blocks.push(section(&other.to_string())),
                None => {}
            }
        }
        if shown.omitted > 0 && !blocks.is_empty() {
            blocks.push(section(&format!("and {} more", shown.omitted)));
        }
        for url in &self.webhooks {
            for blocks in blocks.chunks(MAX_BLOCKS) {
                out.http(Http::post(url, json!({ "blocks": blocks }).to_string()));
            }
        }
    }
}

fn section(text: &str) -> Value {
    // Slack's three: everything else means itself.
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(&text, MAX_TEXT) } })
}
