//! DingTalk: a group's robot, one message for each alarm, signed where the robot has a secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::Answer;
use super::chat::Templates;
use super::settings::Keys;
use super::told::Shown;
use super::{Http, Out, cut, hmac, url_encoded};

/// Characters of a text: DingTalk takes 20,000 bytes.
const MAX_TEXT: usize = 6_000;

#[derive(Clone, Debug)]
pub(super) struct Dingtalk {
    webhooks: Vec<Webhook>,
    templates: Templates,
}

/// An address with its secret.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub(super) url: String,
    pub(super) secret: Option<String>,
}

impl Webhook {
    pub(super) fn read(keys: &Keys<'_>) -> Webhook {
        Webhook { url: keys.required_url("url"), secret: keys.text("secret") }
    }
}

impl Dingtalk {
    pub(super) fn read(keys: &Keys<'_>) -> Dingtalk {
        Dingtalk { webhooks: keys.objects("webhooks", Webhook::read), templates: Templates::read(keys) }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        for alarm in &shown.alarms {
            let Some(body) = self.templates.json(alarm, shown, out, own) else { continue };
            for webhook in &self.webhooks {
                let url = signed_url(webhook, shown.now.0);
                let http = Http::post(&url, body.to_string()).answer(Answer::Errcode);
                // The place is the address without the signature, which is another at every attempt.
                out.push(&webhook.url, super::Call::Http(http));
            }
        }
    }
}

fn own(text: &str) -> Value {
    json!({ "msgtype": "text", "text": { "content": cut(text, MAX_TEXT) } })
}

/// The address with the time in milliseconds and the signature: HMAC-SHA256 of time, line feed and secret, by the secret.
fn signed_url(webhook: &Webhook, now: i64) -> String {
    let Some(secret) = &webhook.secret else { return webhook.url.clone() };
    let signature = STANDARD.encode(hmac(secret.as_bytes(), format!("{now}\n{secret}").as_bytes()));
    let joint = if webhook.url.contains('?') { '&' } else { '?' };
    format!("{}{joint}timestamp={now}&sign={}", webhook.url, url_encoded(&signature))
}
