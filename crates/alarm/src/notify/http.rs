//! Any request over HTTP, for one's own gateways and those of short messages.

use super::settings::Keys;
use super::sms::Sms;
use super::told::{Alarm, Shown};
use super::webhook::Body;
use super::{Http, Out, plain, signed};
use crate::template::{Escape, Template, TemplateError};

#[derive(Clone, Debug)]
pub(super) struct Gateway {
    how: How,
    for_each_alarm: bool,
}

#[derive(Clone, Debug)]
enum How {
    Own(Own),
    Sms(Sms),
}

#[derive(Clone, Debug)]
struct Own {
    method: &'static str,
    url: Option<Template>,
    headers: Vec<(String, String)>,
    content_type: String,
    body: Option<Body>,
    secret: Option<String>,
}

impl Gateway {
    pub(super) fn read(keys: &Keys<'_>) -> Gateway {
        let for_each_alarm = keys.choice("per", &["notification", "alarm"]) == "alarm";
        let how = match keys.choice("preset", &["none", "twilio", "vonage", "aliyun", "tencent"]) {
            "none" => How::Own(Own::read(keys)),
            preset => How::Sms(Sms::read(preset, keys)),
        };
        Gateway { how, for_each_alarm }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        if !self.for_each_alarm {
            return self.render_one(None, shown, out);
        }
        for alarm in &shown.alarms {
            self.render_one(Some(alarm), shown, out);
        }
    }

    fn render_one(&self, alarm: Option<&Alarm>, shown: &Shown, out: &mut Out<'_>) {
        match &self.how {
            How::Own(own) => own.render(alarm, shown, out),
            How::Sms(sms) => sms.render(alarm, shown, out),
        }
    }
}

/// A template for one alarm, or for all of them.
pub(super) fn fill(template: &Template, alarm: Option<&Alarm>, shown: &Shown) -> Result<String, TemplateError> {
    match alarm {
        Some(alarm) => template.alarm(alarm, shown),
        None => template.notification(shown),
    }
}

/// One alarm, or all of them, in plain words.
pub(super) fn plain_text(alarm: Option<&Alarm>, shown: &Shown) -> String {
    match alarm {
        Some(alarm) => plain(alarm, shown),
        None => shown.plain(),
    }
}

impl Own {
    fn read(keys: &Keys<'_>) -> Own {
        let source = keys.required("url");
        let is_http = source.starts_with("http://") || source.starts_with("https://");
        if !source.is_empty() && !is_http {
            keys.problem("url", "must begin with http:// or https://");
        }
        let content_type = keys.text("content-type").unwrap_or_else(|| "application/json".to_owned());
        Own {
            method: keys.choice("method", &["POST", "PUT", "GET"]),
            url: keys.template("url", Escape::None),
            headers: keys.headers("headers"),
            body: Body::read(keys, "body", &content_type),
            content_type,
            secret: keys.text("secret"),
        }
    }

    fn render(&self, alarm: Option<&Alarm>, shown: &Shown, out: &mut Out<'_>) {
        let Some(template) = &self.url else { return };
        // Without its values there is no address to send a plain message to: it is sent to what stands before them.
        let url = fill(template, alarm, shown);
        let url = out.or_plain(url, String::new);
        if url.is_empty() {
            return;
        }
        let body = match &self.body {
            None => String::new(),
            Some(body) => {
                let filled = body.fill(&|template| fill(template, alarm, shown));
                out.or_plain(filled, || serde_json::json!({ "text": plain_text(alarm, shown) }).to_string())
            }
        };
        let mut http = Http { method: self.method, url, body, ..Http::default() };
        if self.body.is_some() {
            http = http.with("Content-Type", &*self.content_type);
        }
        for (key, value) in &self.headers {
            http = http.with(key, value);
        }
        out.http(signed(http, self.secret.as_ref(), shown));
    }
}
