//! Telegram: a bot's message to chats, one for each notification.

use serde_json::json;

use super::answer::Answer;
use super::settings::Keys;
use super::told::Shown;
use super::{Call, Http, Out, cut};
use crate::template::{Escape, Template};

/// Characters of a message.
const MAX_TEXT: usize = 4_096;

#[derive(Clone, Debug)]
pub(super) struct Telegram {
    token: String,
    chat_ids: Vec<String>,
    api_url: String,
    parse_mode: &'static str,
    thread: Option<i64>,
    text: Option<Template>,
}

impl Telegram {
    pub(super) fn read(keys: &Keys<'_>) -> Telegram {
        let parse_mode = keys.choice("parse-mode", &["none", "HTML"]);
        let escape = if parse_mode == "HTML" { Escape::Html } else { Escape::None };
        let thread = keys.text("message-thread-id").and_then(|text| {
            let thread = text.parse().ok();
            if thread.is_none() {
                keys.problem("message-thread-id", "must be a number");
            }
            thread
        });
        Telegram {
            token: keys.required("bot-token"),
            chat_ids: keys.required_texts("chat-ids"),
            api_url: keys.url_or("api-url", "https://api.telegram.org"),
            parse_mode,
            thread,
            text: keys.template("text-template", escape),
        }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        let text = match &self.text {
            Some(template) => out.or_plain(template.notification(shown), || shown.plain()),
            None => shown.plain(),
        };
        for chat in &self.chat_ids {
            let mut body = json!({ "chat_id": chat, "text": cut(&text, MAX_TEXT), "disable_web_page_preview": true });
            if self.parse_mode != "none" && self.text.is_some() {
                body["parse_mode"] = self.parse_mode.into();
            }
            if let Some(thread) = self.thread {
                body["message_thread_id"] = thread.into();
            }
            let url = format!("{}/bot{}/sendMessage", self.api_url.trim_end_matches('/'), self.token);
            let http = Http::post(&url, body.to_string()).answer(Answer::Ok);
            out.push(&format!("chat {chat}"), Call::Http(http));
        }
    }
}
