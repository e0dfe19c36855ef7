//! JSON over HTTP: SkyWalking's array, Alertmanager's webhook, a CloudEvent, or what a template makes.

use super::settings::Keys;
use super::told::{Alarm, Shown};
use super::{Http, Out, signed};
use crate::payload;
use crate::template::{Escape, Json, Template, TemplateError};

#[derive(Clone, Debug)]
pub(super) struct Webhook {
    urls: Vec<String>,
    recovery_urls: Vec<String>,
    headers: Vec<(String, String)>,
    format: Format,
    secret: Option<String>,
}

#[derive(Clone, Debug)]
enum Format {
    Skywalking,
    Alertmanager,
    CloudEvents,
    Template { body: Body, content_type: String },
}

/// A body: a text with values in it, or JSON whose texts have values in them.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Text(Template),
    Json(Json),
}

impl Body {
    /// The setting `key`, as JSON or as text; a text is escaped as the content type wants it.
    pub(super) fn read(keys: &Keys<'_>, key: &str, content_type: &str) -> Option<Body> {
        let value = keys.value(key)?;
        if value.is_object() || value.is_array() {
            return match Json::parse(value) {
                Ok(json) => Some(Body::Json(json)),
                Err(error) => {
                    keys.problem(key, format!("is no template: {error}"));
                    None
                }
            };
        }
        let escape = if content_type.contains("json") { Escape::Json } else { Escape::None };
        keys.template(key, escape).map(Body::Text)
    }

    pub(super) fn fill(
        &self,
        fill: &impl Fn(&Template) -> Result<String, TemplateError>,
    ) -> Result<String, TemplateError> {
        match self {
            Body::Text(template) => fill(template),
            Body::Json(json) => json.fill(fill).map(|value| value.to_string()),
        }
    }
}

impl Webhook {
    pub(super) fn read(keys: &Keys<'_>) -> Webhook {
        let format = match keys.choice("format", &["skywalking", "alertmanager", "cloudevents", "template"]) {
            "alertmanager" => Format::Alertmanager,
            "cloudevents" => Format::CloudEvents,
            "template" => {
                let content_type = keys.text("content-type").unwrap_or_else(|| "application/json".to_owned());
                let body = Body::read(keys, "body", &content_type).unwrap_or_else(|| {
                    keys.problem("body", "is missing");
                    Body::Json(Json::Value(serde_json::Value::Null))
                });
                Format::Template { body, content_type }
            }
            _ => Format::Skywalking,
        };
        let is_skywalking = matches!(format, Format::Skywalking);
        let (urls, recovery_urls) = (keys.urls("urls"), keys.urls("recovery-urls"));
        if urls.is_empty() && (recovery_urls.is_empty() || !is_skywalking) {
            keys.problem("urls", "must have one entry at least");
        }
        if !recovery_urls.is_empty() && matches!(format, Format::Alertmanager | Format::CloudEvents) {
            keys.problem("recovery-urls", "is not used with this format: a body tells firings and recoveries");
        }
        Webhook { urls, recovery_urls, headers: keys.headers("headers"), format, secret: keys.text("secret") }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        let (firing, over): (Vec<&Alarm>, Vec<&Alarm>) = shown.alarms.iter().partition(|alarm| alarm.is_firing());
        match &self.format {
            Format::Skywalking => {
                for (alarms, urls) in [(firing, &self.urls), (over, &self.recovery_urls)] {
                    if !alarms.is_empty() && !urls.is_empty() {
                        let body = payload::skywalking(alarms, &shown.zone);
                        self.send(urls, &body, "application/json", shown, out);
                    }
                }
            }
            Format::Alertmanager => {
                self.send(&self.urls, &payload::alertmanager_webhook(shown), "application/json", shown, out);
            }
            Format::CloudEvents => {
                self.send(&self.urls, &payload::cloud_event(shown), "application/cloudevents+json", shown, out);
            }
            Format::Template { body, content_type } => {
                let filled = body.fill(&|template| template.notification(shown));
                let text = out.or_plain(filled, || serde_json::json!({ "text": shown.plain() }).to_string());
                let is_over = shown.n_firing == 0 && !self.recovery_urls.is_empty();
                let urls = if is_over { &self.recovery_urls } else { &self.urls };
                self.send(urls, &text, content_type, shown, out);
            }
        }
    }

    fn send(&self, urls: &[String], body: &str, content_type: &str, shown: &Shown, out: &mut Out<'_>) {
        for url in urls {
            let mut http = Http::post(url, body.to_owned()).with("Content-Type", content_type);
            for (key, value) in &self.headers {
                http = http.with(key, value);
            }
            out.http(signed(http, self.secret.as_ref(), shown));
        }
    }
}
