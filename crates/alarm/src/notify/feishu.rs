//! Feishu and Lark: a group's robot, one message for each alarm, signed where the robot has a secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::chat::Templates;
use super::dingtalk::Webhook;
use super::settings::Keys;
use super::told::Shown;
use super::{Http, Out, cut, hmac};

/// Characters of a text: Feishu takes 20 KB of a body.
const MAX_TEXT: usize = 6_000;

#[derive(Clone, Debug)]
pub(super) struct Feishu {
    webhooks: Vec<Webhook>,
    templates: Templates,
}

impl Feishu {
    pub(super) fn read(keys: &Keys<'_>) -> Feishu {
        Feishu { webhooks: keys.objects("webhooks", Webhook::read), templates: Templates::read(keys) }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        for alarm in &shown.alarms {
            let Some(body) = self.templates.json(alarm, shown, out, own) else { continue };
            for webhook in &self.webhooks {
                let body = message(&body, webhook.secret.as_deref(), shown.now.0 / 1_000).to_string();
                out.http(Http::post(&webhook.url, body).answer(Answer::Code));
            }
        }
    }
}

fn own(text: &str) -> Value {
    json!({ "msg_type": "text", "content": { "text": cut(text, MAX_TEXT) } })
}

/// What is posted of a template's JSON: type, content and card; whoever is to be called is named at the end of the text.
fn message(template: &Value, secret: Option<&str>, seconds: i64) -> Value {
    let mut message = Map::new();
    for key in ["msg_type", "content", "card"] {
        if let Some(value) = template.get(key) {
            message.insert(key.to_owned(), value.clone());
        }
    }
    let ats = template.get("ats").and_then(Value::as_str).unwrap_or_default();
    if let Some(Value::String(text)) = message.get_mut("content").and_then(|content| content.get_mut("text")) {
        for user in ats.split(',').map(str::trim).filter(|user| !user.is_empty()) {
            text.push_str(&format!("<at user_id=\"{user}\"></at>"));
        }
    }
    if let Some(secret) = secret {
        // The key is time, line feed and secret; nothing is signed with it.
        let signature = STANDARD.encode(hmac(format!("{seconds}\n{secret}").as_bytes(), b""));
        message.insert("timestamp".to_owned(), seconds.to_string().into());
        message.insert("sign".to_owned(), signature.into());
    }
    Value::Object(message)
}
