//! WeCom: a group's robot, one message for each alarm.

use serde_json::{Value, json};

use super::answer::Answer;
use super::chat::Templates;
use super::settings::Keys;
use super::told::Shown;
use super::{Http, Out, cut};

/// Characters of a text: WeCom takes 2,048 bytes, and most characters of its users have three.
const MAX_TEXT: usize = 680;

#[derive(Clone, Debug)]
pub(super) struct Wechat {
    webhooks: Vec<String>,
    templates: Templates,
}

impl Wechat {
    pub(super) fn read(keys: &Keys<'_>) -> Wechat {
        Wechat { webhooks: keys.required_urls("webhooks"), templates: Templates::read(keys) }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        for alarm in &shown.alarms {
            let Some(body) = self.templates.json(alarm, shown, out, own) else { continue };
            for url in &self.webhooks {
                out.http(Http::post(url, body.to_string()).answer(Answer::Errcode));
            }
        }
    }
}

fn own(text: &str) -> Value {
    json!({ "msgtype": "text", "text": { "content": cut(text, MAX_TEXT) } })
}
